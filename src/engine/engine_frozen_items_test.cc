#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "engine/test_engine.h"
#include "model/transact/transact_ranker_model.h"

namespace fourfold {
namespace {

// People look at items of one kind after the other, which EGES learns from. Later, those who like
// an item click another of its kind, and never one of the kind that they hid.
constexpr std::string_view kRecipe = R"(name: frozen
catalogue: {items: acted_on}
training: {actions: [view]}
retrievers:
  - {name: popular, kind: popular}
  - {name: near, kind: eges, side_fields: [kind], dimension: 8, walks_per_item: 10, walk_length: 6, threads: 1}
features:
  - {name: place, kind: input_rank}
  - {name: latest, kind: sequence, entity: user, types: [like, hide], length: 4, item_fields: [kind]}
ranker:
  kind: transact
  labels: {click: 1}
  validation_share: 0.2
  log_features: 1
  retrieval_share: 0.2
  transact:
    objective: listwise
    actions: 4
    action_dimension: 8
    item_embeddings: frozen
    embedding_retriever: near
    layers: 1
    feed_forward: 16
    latest: 2
    hidden: [16]
    learning_rate: 0.01
    warm_up_steps: 5
    batch_rows: 32
    epochs: 10
    early_stopping_epochs: 0
)";

std::string Replaced(std::string recipe, std::string_view from, std::string_view to) {
  return recipe.replace(recipe.find(from), from.size(), to);
}

// What differs between two logs.
struct Log {
  std::optional<std::int64_t> change_at_ms = std::nullopt;
  std::optional<std::int64_t> views_from_ms = std::nullopt;  // none before it
};

class EngineFrozenItemsTest : public EngineTest {
 protected:
  static constexpr int kKinds = 4, kItems = 400, kRequests = 800;

  static std::int64_t TimeOf(int request) { return At("2024-05-01") + request * 60'000; }
  // Of the first request that is a row.
  static std::int64_t CutMs() { return TimeOf(kRequests / 5); }

  // From the change on people look at other items, some that nobody saw before, click the other
  // one, and items become of another kind. The requests have the same times.
  static std::string LinesOf(const Log& log) {
    std::string lines;
    const auto add = [&](const auto&... parts) { StrAppend(&lines, parts...); };
    const auto put = [&](std::string_view item, std::int64_t at_ms, int kind) {
      add(R"({"event":"item","id":"item )", item, at_ms, R"(","item":")", item, R"(","timestamp":)",
          at_ms, R"(,"fields":[{"name":"kind","value":"k)", kind, "\"}]}\n");
    };
    for (int i = 0; i < kItems; ++i) put(StrCat("i", i), At("2024-04-01"), i % kKinds);
    for (int i = 0; i < kItems && log.change_at_ms.has_value(); ++i) {
      put(StrCat("i", i), *log.change_at_ms, 0);
    }
    std::mt19937_64 random(5);
    for (int i = 0; i < kRequests; ++i) {
      const std::int64_t time_ms = TimeOf(i);
      const bool is_other = log.change_at_ms.has_value() && time_ms - 30'000 >= *log.change_at_ms;
      const auto item = [&](int kind) {
        return static_cast<int>(random() % (kItems / kKinds)) * kKinds + kind;
      };
      const auto act = [&](std::string_view type, std::string_view user, std::string_view of_item,
                           std::int64_t at_ms) {
        add(R"({"event":"interaction","id":")", type, i, " ", of_item, at_ms, R"(","user":")", user,
            R"(","type":")", type, R"(","item":")", of_item, R"(","timestamp":)", at_ms);
        if (type == "click") add(R"(,"ranking":"s)", i, "\"");
        add("}\n");
      };
      const int looked_at = static_cast<int>(random() % kKinds);
      for (int view = 0; view < 5; ++view) {
        const int seen = item(looked_at);
        const std::string id =
            is_other && view % 2 == 0 ? StrCat("a", i) : StrCat("i", seen + (is_other ? 1 : 0));
        const std::int64_t at_ms = time_ms - 20'000 + view * 1000;
        if (at_ms >= log.views_from_ms.value_or(0)) act("view", StrCat("w", i), id, at_ms);
      }
      const int liked = static_cast<int>(random() % kKinds);
      const int hidden = (liked + 1 + static_cast<int>(random() % (kKinds - 1))) % kKinds;
      const bool likes_first = random() % 2 == 0, shows_first = random() % 2 == 0;
      const std::string user = StrCat("u", i);
      act("like", user, StrCat("i", item(liked)), time_ms - (likes_first ? 2000 : 1000));
      act("hide", user, StrCat("i", item(hidden)), time_ms - (likes_first ? 1000 : 2000));
      const std::string wanted = StrCat("i", item(liked)), other = StrCat("i", item(hidden));
      add(R"({"event":"ranking","id":"s)", i, R"(","user":")", user, R"(","timestamp":)", time_ms,
          R"(,"items":[{"id":")", shows_first ? wanted : other, R"("},{"id":")",
          shows_first ? other : wanted, "\"}]}\n");
      act("click", user, is_other ? other : wanted, time_ms);
    }
    return lines;
  }
  std::unique_ptr<Engine> OpenTrained(std::string* version = nullptr, const Log& log = {}) const {
    auto engine = Open(kRecipe, "2024-05-03");
    Import(*engine, Write("log.jsonl", LinesOf(log)));
    const std::string trained = TrainAndActivate(*engine);
    if (version != nullptr) *version = trained;
    return engine;
  }
  // What a new engine's servable takes from the retriever after training on this log.
  FrozenItems::Parts TrainedOn(const Log& log) const {
    std::filesystem::remove_all(Path("engine"));
    std::string version;
    { OpenTrained(&version, log); }
    const auto file =
        SafetensorsFile::Open(Path(StrCat("engine/servables/", version, "/ranker.safetensors")));
    EXPECT_TRUE(file.ok()) << file.status();
    const auto model = ReadTransActRanker(*file);
    EXPECT_TRUE(model.ok()) << model.status();
    EXPECT_NE(model->frozen, nullptr);
    return model->frozen->parts();
  }

  static void Put(Engine& engine, std::string_view item, std::string_view kind) {
    Ingest(engine, StrCat(R"({"event": "item", "item": ")", item,
                          R"(", "fields": [{"name": "kind", "value": ")", kind, "\"}]}"));
  }
  static void Act(Engine& engine, std::string_view user, std::string_view type,
                  std::string_view item) {
    Ingest(engine, StrCat(R"({"event": "interaction", "user": ")", user, R"(", "type": ")", type,
                          R"(", "item": ")", item, "\"}"));
  }
  static std::vector<RankedResult> Rank(const Engine& engine, const std::string& user,
                                        const std::vector<std::string>& items) {
    RankRequest request;
    request.user = user;
    request.explain = true;
    for (const std::string& item : items) request.items.push_back({item, {}});
    const auto ranked = engine.Rank(request);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    return ranked.ok() ? ranked->items : std::vector<RankedResult>(items.size());
  }
};

TEST_F(EngineFrozenItemsTest, AColdItemIsKnownByItsSideFieldsAtOnce) {
  const auto engine = OpenTrained();
  int right = 0, pairs = 0;
  for (int liked = 0; liked < kKinds; ++liked) {
    for (int hidden = 0; hidden < kKinds; ++hidden) {
      if (liked == hidden) continue;
      const std::string user = StrCat("new ", pairs++);
      Act(*engine, user, "like", StrCat("i", liked));
      Act(*engine, user, "hide", StrCat("i", hidden));
      Put(*engine, "cold x", StrCat("k", liked));
      Put(*engine, "cold y", StrCat("k", hidden));
      const auto ranked = Rank(*engine, user, {"cold x", "cold y"});
      EXPECT_NE(ranked[0].score, ranked[1].score);
      right += ranked[0].item == "cold x" ? 1 : 0;
      // What it is changes, and with it the next answer.
      Put(*engine, "cold x", StrCat("k", hidden));
      Put(*engine, "cold y", StrCat("k", liked));
      right += Rank(*engine, user, {"cold x", "cold y"})[0].item == "cold y" ? 1 : 0;
    }
  }
  EXPECT_EQ(pairs, 12);
  EXPECT_GE(right, 21);
  const auto skew = engine->VerifySkew();
  ASSERT_TRUE(skew.ok()) << skew.status();
  EXPECT_EQ(skew->requests, 24);
  EXPECT_EQ(skew->differing, 0);
}

TEST_F(EngineFrozenItemsTest, AServableWithFrozenItemsServesAgainAfterARestart) {
  const std::vector<std::string> items = {"i1", "i2", "cold"};
  std::vector<RankedResult> before;
  {
    const auto engine = OpenTrained();
    Act(*engine, "somebody", "like", "i1");
    Put(*engine, "cold", "k2");
    before = Rank(*engine, "somebody", items);
    ASSERT_FALSE(before[0].contributions.empty());
    EXPECT_EQ(before[0].contributions[0].name, "action 1: like i1");
  }
  const auto engine = Open(kRecipe, "2024-05-04");
  const auto after = Rank(*engine, "somebody", items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(after[i].item, before[i].item);
    EXPECT_EQ(after[i].score, before[i].score);
  }
}

TEST_F(EngineFrozenItemsTest, NothingOfTheRowsOwnTimeIsInTheVectors) {
  const FrozenItems::Parts vectors = TrainedOn({});
  EXPECT_EQ(vectors.fields, std::vector<std::string>{"kind"});
  EXPECT_EQ(vectors.keys.size(), kKinds);
  EXPECT_GT(vectors.items.size(), kItems / 2);
  EXPECT_EQ(TrainedOn({.change_at_ms = CutMs()}), vectors);
  EXPECT_NE(TrainedOn({.change_at_ms = CutMs() - 120'000}), vectors);
}

TEST_F(EngineFrozenItemsTest, IsJudgedOnTheRequestsAfterThoseThatTeachTheRetriever) {
  const auto engine = Open(kRecipe, "2024-05-03");
  Import(*engine, Write("log.jsonl", LinesOf({})));
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  // Of the four fifths that are rows, a tenth tests (training_share .7, validation_share .2).
  EXPECT_EQ(report->queries, kRequests * 4 / 5 / 10);
  ASSERT_EQ(report->rows.size(), 2);
  EXPECT_GT(report->rows[1].metrics[0].mean, 0.9);
}

TEST_F(EngineFrozenItemsTest, ALogWithoutActionsBeforeTheRowsHasNoRanker) {
  const auto engine = Open(kRecipe, "2024-05-03");
  Import(*engine, Write("log.jsonl", LinesOf({.views_from_ms = CutMs()})));
  TrainRequest request;
  request.evaluate = request.tune = false;
  std::string notes;
  request.note = [&](std::string_view note) { StrAppend(&notes, note, "\n"); };
  const auto version = engine->Train(request);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_NE(notes.find("the servable has no ranker: the log holds no action to learn item "
                       "embeddings from before the rows of the ranker"),
            std::string::npos)
      << notes;
}

TEST_F(EngineFrozenItemsTest, ARecipeThatDoesNotFitIsRefusedWithItsLine) {
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view why) {
    const auto engine = TryOpen(Replaced(std::string(kRecipe), from, to), "2024-05-02");
    ASSERT_FALSE(engine.ok()) << to;
    EXPECT_NE(engine.status().ToString().find(std::string(why)), std::string::npos)
        << engine.status();
  };
  refused("item_embeddings: frozen", "item_embeddings: learnt", "did you mean learned?");
  refused("item_embeddings: frozen", "item_embeddings: learned",
          "recipe.yaml:21: ranker.transact.embedding_retriever: does not apply to item_embeddings "
          "learned");
  refused("    embedding_retriever: near\n", "",
          "ranker.transact.embedding_retriever: is required and missing");
  refused("embedding_retriever: near", "embedding_retriever: far",
          "recipe.yaml:21: ranker.transact.embedding_retriever: no retriever has the name far");
  refused("embedding_retriever: near", "embedding_retriever: popular",
          "popular has no embeddings; only kind eges has");
  refused("dimension: 8, walks", "dimension: 1024, walks", "takes at most 512");
  refused(", item_fields: [kind]", "", "item_fields of latest must be the side_fields of near");
  refused("side_fields: [kind], ", "", "item_fields of latest must be the side_fields of near");
  for (const char* key : {"item_dimension: 16", "item_actions_min: 5", "side_rows: 64",
                          "item_dropout: 0.2", "warm_start: true"}) {
    refused("layers: 1", StrCat(key, "\n    layers: 1"),
            "does not apply to item_embeddings frozen");
  }
  refused("retrieval_share: 0.2", "retrieval_fits: 2",
          "retrieval_fits: does not apply to rows rankings");
}

}  // namespace
}  // namespace fourfold
