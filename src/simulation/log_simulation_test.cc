#include "simulation/log_simulation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "base/digest.h"
#include "base/strings.h"
#include "data/event_json.h"
#include "data/event_source.h"
#include "data/line_reader.h"
#include "simulation/event_line.h"
#include "simulation/memory_bytes.h"
#include "simulation/test_options.h"

namespace fourfold::simulation {
namespace {

struct Simulated {
  std::string log;
  std::string truth;
  LogSimulationReport report;
};

Simulated Simulate(const LogSimulationOptions& options) {
  Simulated result;
  MemorySink log(&result.log);
  TruthWriter truth(std::make_unique<MemorySink>(&result.truth));
  const absl::StatusOr<LogSimulationReport> report = SimulateLog(options, &log, &truth);
  EXPECT_TRUE(report.ok()) << report.status();
  if (report.ok()) result.report = *report;
  return result;
}

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<Event> EventsOf(std::string_view text) {
  std::vector<Event> events;
  for (const std::string_view line : LinesOf(text)) {
    absl::StatusOr<Event> event = ParseEventJson(line);
    EXPECT_TRUE(event.ok()) << event.status() << " " << line;
    if (event.ok()) events.push_back(*std::move(event));
  }
  return events;
}

TEST(EventLineTest, LinesAreTheEventsThatTheyStandFor) {
  std::string lines;
  const Item item{.number = 12, .main_topic = 0, .second_topic = 1};
  AppendItemBorn(item, 1'767'225'600'000, &lines);
  AppendItemDied(item, 1'767'225'600'001, &lines);
  User user;
  user.number = 7;
  user.known_topics = 2;
  user.known_topic = {3, 2};
  AppendUserArrived(user, 1'767'225'600'002, &lines);
  Session session;
  session.user = 7;
  session.number = 3;
  ShownSlate slate;
  slate.ranking = 99;
  slate.time_ms = 1'767'225'600'003;
  slate.session = &session;
  slate.impressions = {{.item = 12}, {.item = 4'000'000'000}};
  AppendRanking(slate, &lines);
  const Action action{.kind = ActionKind::kRepin, .item = 12, .ranking = 99};
  AppendAction(action, session, 1'767'225'600'004, "", &lines);
  AppendAction(action, session, 1'767'225'600'004, "of-the-server", &lines);

  const std::vector<Event> events = EventsOf(lines);
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[0].kind, EventKind::kItem);
  EXPECT_EQ(events[0].item, "i12");
  EXPECT_EQ(events[0].event_time_ms, 1'767'225'600'000);
  EXPECT_EQ(events[0].fields, (std::vector<Field>{{"title", std::string("garden 12")},
                                                  {"topic", std::string("garden")},
                                                  {"second_topic", std::string("travel")}}));
  EXPECT_TRUE(events[1].deleted);
  EXPECT_EQ(events[1].item, "i12");
  EXPECT_EQ(events[2].user, "u7");
  EXPECT_EQ(events[2].fields,
            (std::vector<Field>{{"topics", std::vector<std::string>{"fashion", "food"}}}));
  EXPECT_EQ(events[3].kind, EventKind::kRanking);
  EXPECT_EQ(events[3].id, "r99");
  EXPECT_EQ(events[3].user, "u7");
  EXPECT_EQ(events[3].session, "u7-3");
  ASSERT_EQ(events[3].items.size(), 2u);
  EXPECT_EQ(events[3].items[0].item, "i12");
  EXPECT_EQ(events[3].items[1].item, "i4000000000");
  EXPECT_EQ(events[4].kind, EventKind::kInteraction);
  EXPECT_EQ(events[4].type, "repin");
  EXPECT_EQ(events[4].item, "i12");
  EXPECT_EQ(events[4].ranking, "r99");
  EXPECT_EQ(events[4].session, "u7-3");
  EXPECT_EQ(events[4].event_time_ms, 1'767'225'600'004);
  EXPECT_EQ(events[5].ranking, "of-the-server");
  EXPECT_EQ(events[5].id, "r99-i12-repin");
}

// The digest was made once and must come out of every compiler, library and machine.
TEST(LogSimulationTest, TheSameSeedGivesTheSameBytes) {
  LogSimulationOptions options;
  options.world = SmallWorld();
  options.seed = 1;
  const Simulated once = Simulate(options);
  EXPECT_EQ(DigestToHex(DigestOf(once.log)), "368ad7ecc8f43e2cb5d59acc47ec9d94");
  EXPECT_EQ(DigestToHex(DigestOf(once.truth)), "51209c292235b2c3c2a095a6cc1682d7");
  options.seed = 2;
  EXPECT_NE(Simulate(options).log, once.log);
}

TEST(LogSimulationTest, EveryLineIsTakenIn) {
  LogSimulationOptions options;
  options.world = SmallWorld();
  const std::string path = testing::TempDir() + "every_line.jsonl.zst";
  absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  const absl::StatusOr<LogSimulationReport> report = SimulateLog(options, sink->get(), nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_LT((*sink)->bytes_on_disk(), report->log.bytes / 4);
  SourceOptions source;
  source.path = path;
  absl::StatusOr<std::unique_ptr<EventSource>> file = OpenEventSource(source);
  ASSERT_TRUE(file.ok()) << file.status();
  std::uint64_t events = 0;
  while (true) {
    const absl::StatusOr<std::optional<EventSource::Result>> next = (*file)->Next();
    ASSERT_TRUE(next.ok()) << next.status();
    if (!next->has_value()) break;
    if (const auto* rejected = std::get_if<RejectedLine>(&**next)) {
      FAIL() << rejected->field << " " << rejected->reason << ": " << rejected->text;
    }
    ++events;
  }
  EXPECT_EQ(events, report->log.lines);
  std::filesystem::remove(path);
}

TEST(LogSimulationTest, LinesComeLateTwiceAndOutOfOrderAsOftenAsStated) {
  LogSimulationOptions options;
  options.world = SmallWorld();
  options.world.users.population = 1500;
  options.world.delivery = {.late = 0.03,
                            .late_by_ms = 2 * kHourMs,
                            .out_of_order = 0.05,
                            .out_of_order_by_ms = 60'000,
                            .duplicate = 0.02};
  const Simulated simulated = Simulate(options);
  std::set<std::string> ids;
  std::int64_t newest_ms = 0;
  double unreliable = 0, twice = 0, behind = 0, late = 0;
  for (const Event& event : EventsOf(simulated.log)) {
    const bool is_first = ids.insert(event.id).second;
    const std::int64_t age_ms = newest_ms - event.event_time_ms;
    newest_ms = std::max(newest_ms, event.event_time_ms);
    if (event.kind == EventKind::kItem || event.kind == EventKind::kUser) {
      EXPECT_LE(age_ms, 0);
      continue;
    }
    if (!is_first) {
      ++twice;
      continue;
    }
    ++unreliable;
    if (age_ms > 60'000) ++late;
    if (age_ms > 0) ++behind;
  }
  const auto near = [&](double count, double share) {
    EXPECT_NEAR(count, unreliable * share, 4 * std::sqrt(unreliable * share));
  };
  near(twice, 0.02);
  near(late, 0.03);
  EXPECT_EQ(simulated.report.log.duplicates, twice);
  near(static_cast<double>(simulated.report.log.out_of_order), 0.05);
  // One that is held back for seconds may still be the next.
  EXPECT_LE(behind, simulated.report.log.late + simulated.report.log.out_of_order);
  EXPECT_GT(behind, 0.8 * unreliable * 0.08);
  EXPECT_EQ(simulated.report.log.lines, LinesOf(simulated.log).size());
  EXPECT_EQ(simulated.report.log.bytes, simulated.log.size());
}

TEST(LogSimulationTest, TheTruthIsAboutTheLog) {
  LogSimulationOptions options;
  options.world = SmallWorld();
  options.recipe = "name: small\n";
  options.seed = 31;
  const Simulated simulated = Simulate(options);
  std::map<std::string, Event> rankings;
  std::set<std::string> acted;
  for (Event& event : EventsOf(simulated.log)) {
    if (event.kind == EventKind::kRanking) rankings[event.id] = event;
    if (event.kind == EventKind::kInteraction) acted.insert(event.id);
  }
  auto reader = TruthReader::Open(std::make_unique<MemorySource>(simulated.truth), "truth");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->world().seed, 31u);
  EXPECT_EQ((*reader)->world().recipe, "name: small\n");
  EXPECT_EQ((*reader)->world().looked_at.size(), 10u);
  std::map<std::size_t, std::size_t> records;
  double clicks = 0, expected = 0;
  while (true) {
    const absl::StatusOr<std::optional<TruthRecord>> record = (*reader)->Next();
    ASSERT_TRUE(record.ok()) << record.status();
    if (!record->has_value()) break;
    ++records[(*record)->index()];
    const auto* slate = std::get_if<TruthSlate>(&**record);
    if (slate == nullptr) continue;
    const auto found = rankings.find(StrCat("r", slate->ranking));
    ASSERT_NE(found, rankings.end());
    const Event& ranking = found->second;
    EXPECT_EQ(ranking.event_time_ms, slate->time_ms);
    EXPECT_EQ(ranking.user, StrCat("u", slate->user));
    EXPECT_EQ(ranking.session, StrCat("u", slate->user, "-", slate->session));
    ASSERT_EQ(ranking.items.size(), slate->impressions.size());
    for (std::size_t i = 0; i < ranking.items.size(); ++i) {
      const Impression& impression = slate->impressions[i];
      EXPECT_EQ(ranking.items[i].item, StrCat("i", impression.item));
      EXPECT_GT(impression.propensity, 0);
      expected += impression.probabilities[0];
      clicks += acted.contains(StrCat(ranking.id, "-i", impression.item, "-click")) ? 1 : 0;
    }
  }
  EXPECT_EQ(records[1], 20u) << "days";
  EXPECT_EQ(records[2], simulated.report.items);
  EXPECT_EQ(records[3], simulated.report.sessions);
  EXPECT_EQ(records[4], rankings.size());
  EXPECT_NEAR(clicks, expected, 4 * std::sqrt(expected));
}

TEST(LogSimulationTest, EndsAfterSoManyEvents) {
  LogSimulationOptions options;
  options.world = SmallWorld();
  options.events = 100'000;  // more than its days hold
  const Simulated simulated = Simulate(options);
  EXPECT_GE(simulated.report.log.lines, 100'000u);
  EXPECT_LE(simulated.report.log.lines, 100'001u) << "a duplicate may be the last";
}

TEST(LogSimulationTest, AFullDiskIsTold) {
  absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create("/dev/full");
  ASSERT_TRUE(sink.ok()) << sink.status();
  LogSimulationOptions options;
  options.world = SmallWorld();
  const absl::StatusOr<LogSimulationReport> report = SimulateLog(options, sink->get(), nullptr);
  EXPECT_NE(MessageOf(report.status()).find("/dev/full"), std::string_view::npos);
}

class TruthFileTest : public testing::Test {
 protected:
  static std::string MakeFile() {
    LogSimulationOptions options;
    options.world = SmallWorld();
    options.world.users.population = 5;
    options.world.items.alive = 100;
    options.world.days = 2;
    return Simulate(options).truth;
  }
  // Reads to the end.
  static absl::Status Read(std::string bytes) {
    auto reader = TruthReader::Open(std::make_unique<MemorySource>(std::move(bytes)), "t.truth");
    if (!reader.ok()) return reader.status();
    while (true) {
      const auto record = (*reader)->Next();
      if (!record.ok()) return record.status();
      if (!record->has_value()) return absl::OkStatus();
    }
  }
};

TEST_F(TruthFileTest, CutOffAnywhereIsAnError) {
  const std::string whole = MakeFile();
  EXPECT_TRUE(Read(whole).ok());
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    const absl::Status status = Read(whole.substr(0, size));
    EXPECT_FALSE(status.ok()) << size;
    EXPECT_NE(MessageOf(status).find("t.truth"), std::string_view::npos);
  }
}

TEST_F(TruthFileTest, WhatCannotBeIsToldWithItsPlace) {
  const std::string whole = MakeFile();
  EXPECT_TRUE(absl::IsInvalidArgument(Read("{\"event\":\"item\"}\n")));
  const std::size_t slate = whole.rfind(std::string("r\x0a\x01\0\0", 5));  // of 266 bytes
  ASSERT_NE(slate, std::string::npos);
  std::string broken = whole;
  broken[slate + 5 + 26 + 4 + 3] = '\x40';  // the first propensity is above 1
  EXPECT_EQ(Read(broken), absl::DataLossError(StrCat("t.truth: record at byte ", slate,
                                                     ": does not hold what its type says")));
  broken = whole;
  broken[slate] = '?';
  EXPECT_EQ(MessageOf(Read(broken)),
            StrCat("t.truth: record at byte ", slate, ": is of no known type"));
  broken = whole;
  broken.erase(slate, 5 + 266);
  EXPECT_NE(MessageOf(Read(broken)).find("records are missing"), std::string_view::npos);
}

}  // namespace
}  // namespace fourfold::simulation
