#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "feature/event_store_codec.h"
#include "feature/event_store_random.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/logged_state.h"
#include "feature/state/stored_state.h"
#include "offline/ranking/row_replay.h"

// A replay whose state outgrows memory makes the rows of one whose state does not.
namespace fourfold {
namespace {

// The sanitizers look for other things than a bit that differs.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kLogs = 6;
#define FOURFOLD_FEW_LOGS
#endif
#endif
#ifndef FOURFOLD_FEW_LOGS
constexpr std::uint64_t kLogs = 40;
#endif

// Of every entity, and facts that turn out to be wanted only while rows are read.
std::shared_ptr<const FeaturePlan> Plan(const std::string& window, bool with_global) {
  const auto text = [](const char* value) { return FieldValue(std::string(value)); };
  const auto windowed = [&](const char* entity, std::vector<Field> more) {
    std::vector<Field> parameters = {{"entity", std::string(entity)}, {"window", window}};
    parameters.insert(parameters.end(), more.begin(), more.end());
    return parameters;
  };
  std::vector<FeatureDeclaration> declared = {
      {"of_item", "count", windowed("item", {})},
      {"of_user", "count", windowed("user", {})},
      {"of_session", "count", windowed("session", {})},
      {"mine", "count", windowed("user_item", {})},
      {"of_visit", "count", windowed("session_item", {})},
      {"searched", "count", windowed("query_item", {})},
      {"paid", "sum", windowed("item", {{"field", text("price")}})},
      {"buyers", "distinct", windowed("item", {{"of", text("user")}})},
      {"since", "recency", windowed("user", {})},
      {"price", "attribute", {{"entity", text("item")}, {"field", text("price")}}},
      {"stock", "attribute", {{"entity", text("user")}, {"field", text("price")}}},
      {"alike", "affinity", windowed("user", {{"field", text("kind")}})},
      {"place", "slate_rank", {{"feature", text("of_item")}}},
      {"latest", "sequence",
       windowed("user", {{"length", 9.0},
                         {"fields", std::vector<std::string>{"price"}},
                         {"item_fields", std::vector<std::string>{"kind", "stock"}}})},
      {"visit", "sequence", windowed("session", {{"length", 4.0}})}};
  if (with_global) declared.push_back({"of_all", "count", windowed("global", {})});
  return FeaturePlan::Compile(declared).value();
}

std::string Describe(const FeatureTable& table) {
  std::string text;
  const auto add = [&](const std::vector<float>& values) {
    for (const float value : values) StrAppend(&text, " ", std::bit_cast<std::uint32_t>(value));
    text += ";";
  };
  for (const std::vector<float>& column : table.columns) add(column);
  for (const FeatureSequence& sequence : table.sequences) {
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
      StrAppend(&text, " ", sequence.items[i], " ", sequence.types[i], " ",
                sequence.event_times_ms[i]);
    }
    for (const std::vector<float>& field : sequence.fields) add(field);
    text += "\n";
  }
  return text;
}

// All that a row is.
std::string Describe(const ReplayedRequest& replayed, const FeatureTable& table) {
  const ReadPoint& at = replayed.request.at;
  std::string text = StrCat(replayed.id, " ", replayed.request.user, " ", replayed.request.session,
                            " ", replayed.request.now_ms, " ", at.as_of_ms, " ", at.known_at_ms,
                            " ", at.position_end, " ", at.own_session, " ", at.before_step, " ",
                            at.hidden_tie_group, " ", replayed.relevant, ":");
  for (const FeatureCandidate& candidate : replayed.request.candidates) {
    StrAppend(&text, " ", candidate.item, "/", candidate.shown_position);
  }
  for (const float label : replayed.labels) StrAppend(&text, " ", label);
  for (const std::uint32_t outcome : replayed.outcomes) StrAppend(&text, " ", outcome);
  return StrCat(text, "\n", Describe(table));
}

std::string ReadRow(const RowReplay& replay, std::size_t row) {
  ReplayedRequest replayed;
  FeatureTable table;
  const absl::Status status = replay.Read(row, &replayed, &table);
  return status.ok() ? Describe(replayed, table) : std::string(status.message());
}

// Every row, read by several threads, each in an order of its own, and by the first of them once
// more from the first row to the last.
void ExpectRows(const RowReplay& replay, const std::vector<std::string>& expected) {
  ASSERT_EQ(replay.size(), expected.size());
  std::vector<std::thread> readers;
  for (unsigned reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      std::vector<std::size_t> order(replay.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::mt19937 random(reader);
      std::shuffle(order.begin(), order.end(), random);
      for (const std::size_t row : order) ASSERT_EQ(ReadRow(replay, row), expected[row]) << row;
      for (std::size_t row = 0; reader == 0 && row < replay.size(); ++row) {
        ASSERT_EQ(ReadRow(replay, row), expected[row]) << row;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
}

class CappedReplayTest : public RandomLogTest {
 protected:
  // Late, simultaneous, corrected, deleted; twice under one id; by sessions that become known.
  // Slates, some of them served from anywhere in the log, and what came of them.
  void ImportSome(std::int64_t count) {
    std::vector<TimedEvent> events;
    for (; count > 0; --count) {
      Event event = RandomEvent();
      if (event.kind == EventKind::kRanking) {
        slates_.push_back(event.id);
        event.items.clear();
        for (std::int64_t i = Draw(1, 5); i > 0; --i) event.items.push_back({Name("i", 6), {}});
        event.fields = RandomFields();
        if (Chance(40)) event.served_from = RandomServedFrom();
      } else if (event.kind == EventKind::kInteraction && !slates_.empty() && Chance(60)) {
        event.ranking = slates_[static_cast<std::size_t>(
            Draw(0, static_cast<std::int64_t>(slates_.size()) - 1))];
      }
      events.push_back({std::move(event), clock_.NowMs() + DrawSpan(-60, 60)});
    }
    const auto results = store_->AppendImported(events);
    ASSERT_TRUE(results.ok()) << results.status();
  }
  ServedFrom RandomServedFrom() {
    return {.as_of_ms = clock_.NowMs() + DrawSpan(-40, 40),
            .known_at_ms = clock_.NowMs() + DrawSpan(-40, 40),
            .position_end = static_cast<Position>(
                Draw(0, static_cast<std::int64_t>(store_->EndPosition()) + 40)),
            .servable = "earlier",
            .after_request = ""};
  }

  RowOptions RandomRowOptions(std::uint64_t seed) {
    RowOptions options;
    options.rows = std::array{RowOptions::Rows::kRankings, RowOptions::Rows::kActions,
                              RowOptions::Rows::kRetrieved}[seed % 3];
    options.labels = {{"type0", 1}, {"type1", 2}};
    options.heads = {{"first", {"type0"}}, {"other", {"type1", "type2"}}};
    options.attribution_window_ms = DrawSpan(0, 20);
    options.answered_only = Chance(20);
    return options;
  }

  // Where the log of a replay ends.
  ReadPoint RandomEnd() {
    ReadPoint end;
    if (Chance(70)) end.as_of_ms = clock_.NowMs() + DrawSpan(-40, 20);
    if (Chance(50)) end.known_at_ms = clock_.NowMs() + DrawSpan(-40, 60);
    if (Chance(50)) {
      end.position_end =
          static_cast<Position>(Draw(0, static_cast<std::int64_t>(store_->EndPosition()) + 3));
    }
    return end;
  }

  RowReplay Start(const FeaturePlan& plan, const RowOptions& options, const ReadPoint& end,
                  StateLimits limits) {
    auto replay =
        RowReplay::Start(*store_, plan, options, end, store_->HorizonMs(), std::move(limits));
    EXPECT_TRUE(replay.ok()) << replay.status();
    if (options.rows == RowOptions::Rows::kRetrieved) {
      replay->RetrieveFrom(
          INT64_MIN, [](const FeatureRequest& request, std::vector<FeatureCandidate>* candidates) {
            candidates->clear();
            for (int item = 0; item < 6; ++item) {
              if ((request.now_ms + item) % 3 != 0)
                candidates->push_back({StrCat("i", item), {}, 0});
            }
            return absl::OkStatus();
          });
    }
    return *std::move(replay);
  }

  // The log as it stands, but for what is past the end.
  std::vector<LoggedEvent> LogUpTo(const ReadPoint& end) const {
    std::vector<LoggedEvent> log;
    const absl::Status status =
        store_->ScanLog(0, end.position_end, [&](const LoggedEvent& logged) {
          if (logged.event.event_time_ms <= std::min(end.as_of_ms, end.known_at_ms) &&
              logged.known_time_ms <= end.known_at_ms) {
            log.push_back(logged);
          }
          return true;
        });
    EXPECT_TRUE(status.ok()) << status;
    return log;
  }

  void RunReplays(std::uint64_t seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    RandomLogTest::Start(seed, /*has_live_events=*/false);
    slates_.clear();
    for (std::int64_t batch = Draw(2, 12); batch > 0; --batch) {
      ASSERT_NO_FATAL_FAILURE(ImportSome(Draw(1, 40)));
      clock_.Advance(DrawSpan(0, 15));
    }
    if (Chance(20)) {
      ASSERT_TRUE(store_->EraseUser(Name("u", 4)).ok());
    }
    if (Chance(30)) {
      ASSERT_TRUE(store_->RemoveBefore(clock_.NowMs() - DrawSpan(30, 120)).ok());
    }
    const auto plan = Plan(StrCat(DrawSpan(1, 60), "ms"), /*with_global=*/Chance(50));
    const RowOptions options = RandomRowOptions(seed);
    // Reads that reach below a horizon are errors, which an end of long ago makes of all.
    const ReadPoint end = store_->HorizonMs() == kSinceForEverMs ? RandomEnd() : EverythingKnown();
    const std::vector<LoggedEvent> log = LogUpTo(end);
    const RowReplay whole = Start(*plan, options, end, {});
    ASSERT_EQ(whole.counts().events, log.size());
    ASSERT_EQ(whole.state().cache(), nullptr);
    const RowReplay capped =
        Start(*plan, options, end,
              {.bytes_max = static_cast<std::size_t>(Draw(0, 2) * Draw(0, 30'000)),
               .spill_directory = Chance(50) ? options_.directory : ""});
    const RowReplay empty = Start(*plan, options, end, {.bytes_max = 0});
    if (whole.counts().events > 0) {
      ASSERT_NE(empty.state().cache(), nullptr);
    }
    // What comes while they are read: much of it happened, and was known, before the rows.
    clock_.Advance(DrawSpan(-40, 0));
    ASSERT_NO_FATAL_FAILURE(ImportSome(60));

    const std::vector<std::string> expected = ExpectPlainRows(*plan, options, log, whole);
    ExpectRows(capped, expected);
    ExpectRows(empty, expected);
    ExpectRows(whole, expected);
    if (empty.state().cache() != nullptr) {
      misses_ += empty.state().cache()->ReadStats().misses;
      EXPECT_EQ(empty.state().cache()->ReadStats().bytes, 0u);
    }
  }

  // The rows of the replay, whose features are what a plain pass over its log says at each row's
  // own read point.
  std::vector<std::string> ExpectPlainRows(const FeaturePlan& plan, const RowOptions& options,
                                           const std::vector<LoggedEvent>& log,
                                           const RowReplay& replay) {
    LoggedState state(&plan.schema());
    for (const LoggedEvent& logged : log) state.Add(logged);
    const StoredState stored(&plan.schema(), store_.get());
    std::vector<std::string> rows;
    for (std::size_t row = 0; row < replay.size(); ++row) {
      ReplayedRequest replayed;
      FeatureTable table;
      const absl::Status status = replay.Read(row, &replayed, &table);
      EXPECT_TRUE(status.ok()) << status;
      rows.push_back(Describe(replayed, table));
      const auto logged = std::find_if(log.begin(), log.end(), [&](const LoggedEvent& one) {
        return one.position == replay.position(row);
      });
      FeatureRequest request = replayed.request;
      const ServedFrom& served_from = logged->event.served_from;
      if (served_from.servable.empty()) {
        request.at = BeforeRow(LineOf(*logged));
      } else {
        EXPECT_EQ(options.rows, RowOptions::Rows::kRankings);
        request.at = {};
        request.at.as_of_ms = served_from.as_of_ms;
        request.at.known_at_ms = served_from.known_at_ms;
        request.at.position_end = served_from.position_end;
      }
      FeatureTable plain;
      EXPECT_TRUE(ReadFeatures(plan, state, request, &plain).ok());
      EXPECT_EQ(Describe(table), Describe(plain)) << row;
      ++rows_;
      if (ReadFeatures(plan, stored, request, &table).ok() && Describe(table) != Describe(plain)) {
        ++rows_with_more_known_;
      }
    }
    return rows;
  }

  std::vector<std::string> slates_;
  std::uint64_t rows_ = 0;
  std::uint64_t rows_with_more_known_ = 0;  // the histories say more than a row may see
  std::uint64_t misses_ = 0;
};

// FOURFOLD_RANDOM_LOGS asks for more.
TEST_F(CappedReplayTest, NoBitOfARowDependsOnTheCapOrOnWhatTheStoreHoldsPastTheEnd) {
  const char* asked = std::getenv("FOURFOLD_RANDOM_LOGS");
  const std::uint64_t logs = asked == nullptr ? kLogs : std::strtoull(asked, nullptr, 10);
  for (std::uint64_t seed = 1; seed <= logs; ++seed) ASSERT_NO_FATAL_FAILURE(RunReplays(seed));
  EXPECT_GT(rows_, logs * 10);
  EXPECT_GT(rows_with_more_known_, logs);
  EXPECT_GT(misses_, rows_);
}

TEST_F(CappedReplayTest, TheStateOfAReplayStaysUnderItsCap) {
  constexpr std::size_t kCap = 300'000;
  RandomLogTest::Start(1, /*has_live_events=*/false);
  std::vector<TimedEvent> events;
  for (int number = 0; number < 12'000; ++number) {
    Event event = Action(StrCat("e", number), Name("u", 400), Name("i", 40), number);
    event.session = Name("s", 900);
    if (number % 40 == 0) event = Ranking(event.id, event.user, {"i1", "i2", "i3"}, number);
    if (number % 101 == 0) event = ItemFields(event.id, Name("i", 40), number, RandomFields());
    events.push_back({std::move(event), number});
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  const auto plan = Plan("5000ms", /*with_global=*/false);
  const RowReplay whole = Start(*plan, {}, EverythingKnown(), {});
  EXPECT_GT(whole.state().bytes(), 5 * kCap);
  const RowReplay capped =
      Start(*plan, {}, EverythingKnown(),
            {.bytes_max = kCap, .spill_directory = EventStoreTest::options_.directory});
  EXPECT_LE(capped.state().bytes(), kCap);
  ASSERT_EQ(capped.size(), whole.size());
  ASSERT_GT(whole.size(), 200u);
  for (std::size_t row = 0; row < whole.size(); ++row) {
    ASSERT_EQ(ReadRow(capped, row), ReadRow(whole, row));
    ASSERT_LE(capped.state().bytes(), kCap);
  }
  const EntityCache::Stats stats = capped.state().cache()->ReadStats();
  EXPECT_GT(stats.misses, 200u);
  EXPECT_LT(stats.misses, stats.reads);
  EXPECT_GT(stats.file_bytes, 0u);
}

}  // namespace
}  // namespace fourfold
