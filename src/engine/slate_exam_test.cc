#include <gmock/gmock.h>

#include <map>

#include "base/strings.h"
#include "data/byte_sink.h"
#include "engine/test_engine.h"
#include "simulation/log_simulation.h"

namespace fourfold {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRecipe = R"(
name: slates
import: {format: jsonl}
training: {actions: [click]}
retrievers:
  - {name: popular, kind: popular}
  - {name: cf, kind: item_cf}
evaluation: {split: time, cut: 2026-01-02, variant: all}
)";

class SlateExamTest : public EngineTest {
 protected:
  absl::StatusOr<SlateReport> Judge(Engine& engine, const std::string& truth_path) const {
    EvaluateRequest request;
    request.truth_path = truth_path;
    request.resamples = 100;
    absl::StatusOr<EvaluationReport> report = engine.Evaluate(request);
    if (!report.ok()) return report.status();
    return report->slates;
  }

  // The truth about one slate, r1, of i1, i2 and i3: i3 is what the user is after.
  std::string WriteTruth(std::string_view name, std::vector<simulation::Impression> shown) const {
    simulation::WorldOptions options;
    options.users.population = 1;
    options.slates.size = 3;
    const simulation::World world(options, 1);
    absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(Path(name));
    EXPECT_TRUE(sink.ok()) << sink.status();
    simulation::TruthWriter truth(*std::move(sink));
    EXPECT_TRUE(truth.Begin(world, 1, "").ok());
    const simulation::Session session;
    EXPECT_TRUE(
        truth.AddSlate({.ranking = 1, .session = &session, .impressions = std::move(shown)}).ok());
    EXPECT_TRUE(truth.Finish().ok());
    return Path(name);
  }
};

// By hand: popularity is i1, i2, i3, and i3 was clicked, so its nDCG is 1 / log2(4); the truth's is
// 1. Who clicked i2 clicked i3, so cf puts i3 before i1: i2 itself is nothing that it finds.
TEST_F(SlateExamTest, StandsBetweenPopularityAndTruth) {
  const auto engine = Open(kRecipe, "2026-01-05");
  std::string log;
  for (const std::string_view item : {"i1", "i2", "i3"}) {
    StrAppend(&log, R"({"event":"item","timestamp":"2026-01-01T00:00:00Z","item":")", item,
              "\"}\n");
  }
  const auto click = [&](std::string_view user, std::string_view item, std::string_view rest) {
    StrAppend(&log, R"({"event":"interaction","type":"click","user":")", user, R"(","item":")",
              item, "\",", rest, "}\n");
  };
  constexpr std::string_view kBefore = R"("timestamp":"2026-01-01T10:00:00Z")";
  for (const std::string_view user : {"a", "b", "c", "d"}) click(user, "i1", kBefore);
  for (const std::string_view user : {"e", "f", "u"}) click(user, "i2", kBefore);
  for (const std::string_view user : {"e", "f"}) click(user, "i3", kBefore);
  log += R"({"event":"ranking","id":"r1","timestamp":"2026-01-03T00:00:00Z","user":"u","items":[)"
         R"({"id":"i1"},{"id":"i2"},{"id":"i3"}]})"
         "\n";
  click("u", "i3", R"("timestamp":"2026-01-03T00:00:05Z","ranking":"r1")");
  Import(*engine, Write("log.jsonl", log));

  // i1 stands where it is looked at most: that is not what the user wants.
  const std::string truth = WriteTruth("log.truth", {{.item = 1, .probabilities = {0.2F}},
                                                     {.item = 2, .probabilities = {0.1F}},
                                                     {.item = 3, .probabilities = {0.19F}}});
  const absl::StatusOr<SlateReport> report = Judge(*engine, truth);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->slates, 1u);
  std::map<std::string, std::pair<double, double>> values;
  for (const SlateRow& row : report->rows) {
    EXPECT_EQ(row.ndcg.name, "nDCG@10");
    values[row.method] = {row.ndcg.mean, row.share.mean};
  }
  EXPECT_EQ(values["truth"], std::pair(1.0, 1.0));
  EXPECT_EQ(values["popularity"], std::pair(0.5, 0.0));
  EXPECT_EQ(values["popular"], std::pair(0.5, 0.0));
  EXPECT_EQ(values["cf"], std::pair(1.0, 1.0));
  EXPECT_TRUE(values.contains("blend"));

  const std::string other = WriteTruth("other.truth", {{.item = 9}, {.item = 2}, {.item = 3}});
  EXPECT_THAT(std::string(MessageOf(Judge(*engine, other).status())),
              HasSubstr("is it another seed's?"));
  EXPECT_THAT(std::string(MessageOf(Judge(*engine, Path("log.jsonl")).status())),
              HasSubstr("is no truth file"));
  EvaluateRequest request;
  request.truth_path = truth;
  request.split = "leave_one_out";
  EXPECT_THAT(std::string(MessageOf(engine->Evaluate(request).status())),
              HasSubstr("split in time"));
}

TEST_F(SlateExamTest, OfASimulatedLogTheTruthIsAheadOfEverybody) {
  simulation::LogSimulationOptions options;
  options.world.days = 8;
  options.world.topics = 6;
  options.world.users.population = 400;
  options.world.items.alive = 150;
  options.seed = 3;
  absl::StatusOr<std::unique_ptr<ByteSink>> log = ByteSink::Create(Path("log.jsonl"));
  absl::StatusOr<std::unique_ptr<ByteSink>> truth_sink = ByteSink::Create(Path("log.truth.zst"));
  ASSERT_TRUE(log.ok() && truth_sink.ok());
  simulation::TruthWriter truth(*std::move(truth_sink));
  ASSERT_TRUE(simulation::SimulateLog(options, log->get(), &truth).ok());
  std::string recipe(kRecipe);
  recipe.replace(recipe.find("2026-01-02"), 10, "2026-01-06");
  const auto engine = Open(recipe, "2026-02-01");
  const ImportReport imported = Import(*engine, Path("log.jsonl"));
  EXPECT_EQ(imported.rejected, 0u);

  const absl::StatusOr<SlateReport> report = Judge(*engine, Path("log.truth.zst"));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->slates, 200u);
  std::map<std::string, const SlateRow*> rows;
  for (const SlateRow& row : report->rows) rows[row.method] = &row;
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows["truth"]->share.mean, 1);
  EXPECT_EQ(rows["popularity"]->share.mean, 0);
  EXPECT_NEAR(rows["popular"]->share.mean, 0, 0.05);
  EXPECT_GT(rows["truth"]->ndcg.low, rows["popularity"]->ndcg.high);
  EXPECT_GT(rows["cf"]->share.low, 0);
  EXPECT_LT(rows["cf"]->share.high, 1);
}

}  // namespace
}  // namespace fourfold
