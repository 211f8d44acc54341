#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/strings.h"
#include "engine/test_engine.h"

namespace fourfold {
namespace {

// Who likes an item clicks another of its kind, and never one of the kind that they hid. Items are
// so many that few are met twice: only their kind tells.
constexpr std::string_view kRecipe = R"(name: kinds
catalogue: {items: acted_on}
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: place, kind: input_rank}
  - {name: latest, kind: sequence, entity: user, types: [like, hide], length: 4, item_fields: [kind]}
ranker:
  kind: transact
  labels: {click: 1}
  validation_share: 0.2
  log_features: 1
  transact:
    objective: listwise
    actions: 4
    action_dimension: 8
    item_dimension: 8
    layers: 1
    feed_forward: 16
    latest: 2
    hidden: [16]
    side_rows: 256
    learning_rate: 0.01
    warm_up_steps: 5
    batch_rows: 32
    epochs: 8
    early_stopping_epochs: 0
)";

std::string Replaced(std::string recipe, std::string_view from, std::string_view to) {
  return recipe.replace(recipe.find(from), from.size(), to);
}

// On each platform people click another kind of item.
std::string CategoriesRecipe() {
  const std::string recipe = Replaced(std::string(kRecipe), "side_rows: 256",
                                      "category_rows: 512\n    category_dimension: 4");
  return Replaced(
      recipe, ", types: [like, hide], length: 4, item_fields: [kind]}",
      ", length: 4}\n"
      "  - {name: platform, kind: request, of: field, field: platform, embedded: true}\n"
      "  - {name: kind, kind: attribute, entity: item, field: kind, embedded: true}");
}

class EngineItemFieldsTest : public EngineTest {
 protected:
  static constexpr int kKinds = 4, kItems = 2000;

  std::unique_ptr<Engine> OpenTrained(std::string_view recipe = kRecipe) const {
    auto engine = Open(recipe, "2024-05-02");
    std::string lines;
    const auto add = [&](const auto&... parts) { StrAppend(&lines, parts...); };
    for (int i = 0; i < kItems; ++i) {
      add(R"({"event":"item","id":"item)", i, R"(","item":"i)", i, R"(","timestamp":)",
          At("2024-04-01"), R"(,"fields":[{"name":"kind","value":"k)", i % kKinds, "\"}]}\n");
    }
    std::mt19937_64 random(5);
    for (int i = 0; i < 800; ++i) {
      const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
      const auto item = [&](int kind) {
        return static_cast<int>(random() % (kItems / kKinds)) * kKinds + kind;
      };
      const auto act = [&](std::string_view type, int of_item, std::int64_t at_ms) {
        add(R"({"event":"interaction","id":")", type, i, R"(","user":"u)", i, R"(","type":")", type,
            R"(","item":"i)", of_item, R"(","timestamp":)", at_ms);
        if (type == "click") add(R"(,"ranking":"s)", i, "\"");
        add("}\n");
      };
      const int liked = static_cast<int>(random() % kKinds);
      const int hidden = (liked + 1 + static_cast<int>(random() % (kKinds - 1))) % kKinds;
      const bool likes_first = random() % 2 == 0, shows_first = random() % 2 == 0;
      act("like", item(liked), time_ms - (likes_first ? 2000 : 1000));
      act("hide", item(hidden), time_ms - (likes_first ? 1000 : 2000));
      const int wanted = item(liked), other = item(hidden);
      add(R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i, R"(","timestamp":)", time_ms,
          R"(,"items":[{"id":"i)", shows_first ? wanted : other, R"("},{"id":"i)",
          shows_first ? other : wanted, "\"}]}\n");
      act("click", wanted, time_ms);
    }
    Import(*engine, Write("log.jsonl", lines));
    TrainAndActivate(*engine);
    return engine;
  }
  void ExpectRefused(const std::string& recipe, std::string_view from, std::string_view to,
                     std::string_view why) const {
    const auto engine = TryOpen(Replaced(recipe, from, to), "2024-05-02");
    ASSERT_FALSE(engine.ok()) << to;
    EXPECT_NE(engine.status().ToString().find(std::string(why)), std::string::npos)
        << engine.status();
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
  static std::string First(const Engine& engine, const std::string& user) {
    RankRequest request;
    request.user = user;
    for (const char* item : {"cold x", "cold y"}) request.items.push_back({item, {}});
    const auto ranked = engine.Rank(request);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    return ranked.ok() ? ranked->items[0].item : "";
  }
  // In how many of all pairs of kinds the item of the liked one is before that of the hidden one,
  // where all items, those acted on, too, were put after the training.
  static int LikedFirst(Engine& engine, int* pairs) {
    int right = *pairs = 0;
    for (int liked = 0; liked < kKinds; ++liked) {
      for (int hidden = 0; hidden < kKinds; ++hidden) {
        if (liked == hidden) continue;
        const std::string user = StrCat("new ", (*pairs)++);
        Put(engine, StrCat("of ", user), StrCat("k", liked));
        Put(engine, StrCat("not of ", user), StrCat("k", hidden));
        Act(engine, user, "like", StrCat("of ", user));
        Act(engine, user, "hide", StrCat("not of ", user));
        Put(engine, "cold x", StrCat("k", liked));
        Put(engine, "cold y", StrCat("k", hidden));
        right += First(engine, user) == "cold x" ? 1 : 0;
        // What it is changes, and with it the next answer.
        Put(engine, "cold x", StrCat("k", hidden));
        Put(engine, "cold y", StrCat("k", liked));
        right += First(engine, user) == "cold y" ? 1 : 0;
      }
    }
    *pairs *= 2;
    return right;
  }
};

TEST_F(EngineItemFieldsTest, AColdItemOfALikedKindIsBeforeOneOfADislikedKind) {
  const auto engine = OpenTrained();
  int pairs = 0;
  EXPECT_GE(LikedFirst(*engine, &pairs), 22);
  EXPECT_EQ(pairs, 24);
  const auto skew = engine->VerifySkew();
  ASSERT_TRUE(skew.ok()) << skew.status();
  EXPECT_EQ(skew->requests, 24);
  EXPECT_GT(skew->values, 24u * 6);
  EXPECT_EQ(skew->differing, 0);
}

TEST_F(EngineItemFieldsTest, WithoutTheFieldsNothingTellsColdItemsApart) {
  const std::string recipe = Replaced(std::string(kRecipe), ", item_fields: [kind]", "");
  const auto engine = OpenTrained(Replaced(recipe, "    side_rows: 256\n", ""));
  int pairs = 0;
  const int right = LikedFirst(*engine, &pairs);
  EXPECT_GE(right, 6);
  EXPECT_LE(right, 18);
}

TEST_F(EngineItemFieldsTest, AServableWithFieldsServesAgainAfterARestart) {
  { OpenTrained(); }
  const auto engine = Open(kRecipe, "2024-05-03");
  int pairs = 0;
  EXPECT_GE(LikedFirst(*engine, &pairs), 22);
}

TEST_F(EngineItemFieldsTest, CategoriesOfRequestAndItemAreLearnedTogether) {
  const auto engine = Open(CategoriesRecipe(), "2024-05-02");
  std::string lines;
  std::mt19937_64 random(5);
  for (int i = 0; i < 1200; ++i) {
    const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
    const int platform = static_cast<int>(random() % 4), other = (platform + 1 + i % 3) % 4;
    const bool is_first = random() % 2 == 0;
    for (int place = 0; place < 2; ++place) {
      StrAppend(&lines, R"({"event":"item","id":"f)", i, " ", place, R"(","item":"i)", i, " ",
                place, R"(","timestamp":)", time_ms - 1000,
                R"(,"fields":[{"name":"kind","value":"k)",
                is_first == (place == 0) ? platform : other, "\"}]}\n");
    }
    StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i,
              R"(","fields":[{"name":"platform","value":"p)", platform, R"("}],"timestamp":)",
              time_ms, R"(,"items":[{"id":"i)", i, R"( 0"},{"id":"i)", i, " 1\"}]}\n",
              R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i, R"(","user":"u)", i,
              R"(","type":"click","item":"i)", i, " ", is_first ? 0 : 1, R"(","timestamp":)",
              time_ms, "}\n");
  }
  Import(*engine, Write("log.jsonl", lines));
  TrainAndActivate(*engine);
  for (int kind = 0; kind < 4; ++kind) Put(*engine, StrCat("new ", kind), StrCat("k", kind));
  for (int platform = 0; platform < 4; ++platform) {
    RankRequest request;
    request.user = "somebody";
    request.fields = {{"platform", StrCat("p", platform)}};
    for (int kind = 0; kind < 4; ++kind) request.items.push_back({StrCat("new ", kind), {}});
    const auto ranked = engine->Rank(request);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    EXPECT_EQ(ranked->items[0].item, StrCat("new ", platform));
    // A platform and a kind that were never met.
    request.fields = {{"platform", "another"}};
    request.items[0].item = "nobody knows";
    EXPECT_TRUE(engine->Rank(request).ok());
  }
  const auto skew = engine->VerifySkew();
  ASSERT_TRUE(skew.ok()) << skew.status();
  EXPECT_EQ(skew->requests, 8);
  EXPECT_EQ(skew->differing, 0);
}

TEST_F(EngineItemFieldsTest, ARecipeWhoseCategoriesDoNotFitIsRefusedWithItsLine) {
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view why) {
    ExpectRefused(CategoriesRecipe(), from, to, why);
  };
  refused("field: kind, embedded: true", "field: kind, embeded: true",
          "recipe.yaml:9: features[3].embeded: unknown key; did you mean embedded?");
  refused("field: kind, embedded: true", "field: kind, embedded: true, contains: k0",
          "embedded: does not go with categories or contains");
  refused("category_dimension: 4", "category_dimension: 0", "category_dimension: must lie");
  refused("category_dimension", "category_dimensions", "did you mean category_dimension?");
  std::string without = CategoriesRecipe();
  for (int i = 0; i < 2; ++i) without = Replaced(without, ", embedded: true", "");
  EXPECT_NE(TryOpen(without).status().ToString().find(
                "ranker.transact.category_rows: does not apply to features of which none is"),
            std::string::npos)
      << TryOpen(without).status();
}

TEST_F(EngineItemFieldsTest, ARecipeWhoseFieldsDoNotFitIsRefusedWithItsLine) {
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view why) {
    ExpectRefused(std::string(kRecipe), from, to, why);
  };
  refused(", item_fields: [kind]", "",
          "recipe.yaml:22: ranker.transact.side_rows: does not apply to a sequence without "
          "item_fields");
  refused("item_fields", "item_field",
          "recipe.yaml:7: features[1].item_field: unknown key; did you mean item_fields?");
  refused("side_rows: 256", "side_row: 256", "did you mean side_rows?");
  refused("side_rows: 256", "side_rows: 0", "side_rows: must lie");
  refused("side_rows: 256", "item_dropout: 1", "item_dropout: must lie");
  refused("{name: place", "{name: latest.kind",
          "recipe.yaml:7: features[1].item_fields: another feature has the name latest.kind");
  refused("item_fields: [kind]", "item_fields: [kind], item_values: 17", "item_values: must lie");
  // A code is no number.
  refused("[kind]}", "[kind]}\n  - {name: of_code, kind: slate_rank, feature: latest.kind}",
          "recipe.yaml:8: features[2].feature: ");
  std::string trees(kRecipe);
  trees.erase(trees.find("  transact:"));
  trees.replace(trees.find("kind: transact"), 14, "kind: trees");
  EXPECT_NE(TryOpen(trees).status().ToString().find(
                "recipe.yaml:9: ranker.kind: trees cannot take feature latest.kind"),
            std::string::npos)
      << TryOpen(trees).status();
}

}  // namespace
}  // namespace fourfold
