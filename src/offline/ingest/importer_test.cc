#include "offline/ingest/importer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "base/strings.h"
#include "data/event_json.h"
#include "data/random_event.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

class ImporterTest : public testing::Test {
 protected:
  ImporterTest() {
    directory_ =
        fs::path(testing::TempDir()) /
        StrCat("fourfold_import_", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    store_ = OpenStore("store");
  }
  ~ImporterTest() override {
    store_.reset();
    fs::remove_all(directory_);
  }

  std::unique_ptr<EventStore> OpenStore(const std::string& name) {
    EventStoreOptions options;
    options.directory = directory_ / name;
    auto store = EventStore::Open(options, &clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  ImportOptions FileOf(std::string_view text, const std::string& name = "events.jsonl") {
    ImportOptions options;
    options.source.path = directory_ / name;
    options.temporary_directory = directory_;
    std::ofstream(options.source.path, std::ios::binary) << text;
    return options;
  }

  ImportSummary Imported(const ImportOptions& options) {
    const auto summary = ImportFile(store_.get(), clock_, options);
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.value_or(ImportSummary());
  }

  static std::vector<LoggedEvent> Log(const EventStore& store) {
    std::vector<LoggedEvent> log;
    EXPECT_TRUE(store
                    .ScanLog(0, store.EndPosition(),
                             [&log](const LoggedEvent& event) {
                               log.push_back(event);
                               return true;
                             })
                    .ok());
    return log;
  }
  std::vector<LoggedEvent> Log() { return Log(*store_); }

  std::string Contents(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  ManualClock clock_{kNowMs};
  fs::path directory_;
  std::unique_ptr<EventStore> store_;
};

std::string Click(std::string_view user, std::string_view item, std::int64_t time_ms) {
  return StrCat("{\"event\":\"interaction\",\"type\":\"click\",\"user\":\"", user, "\",\"item\":\"",
                item, "\",\"timestamp\":", time_ms, "}\n");
}

TEST_F(ImporterTest, EventsAreAppendedByEventTimeThenLine) {
  const ImportSummary summary =
      Imported(FileOf(StrCat(Click("u", "c", 30), Click("u", "a", 10), Click("u", "b", 10),
                             "{\"event\":\"item\",\"item\":\"a\"}\n")));
  std::vector<std::string> order;
  for (const LoggedEvent& logged : Log()) order.push_back(logged.event.user + logged.event.item);
  EXPECT_THAT(order, ElementsAre("a", "ua", "ub", "uc"));
  EXPECT_EQ(Log()[0].event.event_time_ms, kSinceForEverMs);
  EXPECT_EQ(Log()[0].known_time_ms, kSinceForEverMs);
  EXPECT_EQ(Log()[3].known_time_ms, 30);
  EXPECT_EQ(summary.lines, 4u);
  EXPECT_EQ(summary.events, 4u);
  EXPECT_EQ(summary.accepted, 4u);
  EXPECT_EQ(summary.rejected, 0u);
  EXPECT_EQ(summary.reject_path, "");
  EXPECT_EQ(summary.first_event_time_ms, 10);
  EXPECT_EQ(summary.last_event_time_ms, 30);
  EXPECT_FALSE(fs::exists(directory_ / "events.jsonl.rejects.jsonl"));
}

TEST_F(ImporterTest, TrueRepetitionsStayAndTheSameFileTwiceChangesNothing) {
  const std::string text = StrCat(Click("u", "a", 10), Click("u", "a", 10), Click("u", "a", 20),
                                  Click("u", "a", 10), Click("u", "b", 10));
  const ImportOptions options = FileOf(text);
  EXPECT_EQ(Imported(options).accepted, 5u);
  const Position end = store_->EndPosition();
  const ImportSummary again = Imported(options);
  EXPECT_EQ(again.accepted, 0u);
  EXPECT_EQ(again.duplicates, 5u);
  EXPECT_EQ(store_->EndPosition(), end);
  std::vector<std::string> ids;
  for (const LoggedEvent& logged : Log()) ids.push_back(logged.event.id);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()) - ids.begin(), 5);
}

TEST_F(ImporterTest, AnIdThatStandsTwiceInTheFileIsOneEvent) {
  const std::string event =
      R"({"event":"interaction","id":"e","type":"t","user":"u","item":"a","timestamp":1})";
  const ImportSummary summary = Imported(FileOf(StrCat(event, "\n", event, "\n")));
  EXPECT_EQ(summary.accepted, 1u);
  EXPECT_EQ(summary.duplicates, 1u);
}

TEST_F(ImporterTest, BadLinesGoToTheRejectFileAndTheOthersAreTaken) {
  ImportOptions options = FileOf(StrCat(Click("u", "a", 1), "{\"event\":\"itm \xff\"}\n",
                                        Click("u", "", 1), Click("u", "b", 2)));
  options.reject_path = directory_ / "rejected.jsonl";
  const ImportSummary summary = Imported(options);
  EXPECT_EQ(summary.accepted, 2u);
  EXPECT_EQ(summary.rejected, 2u);
  EXPECT_EQ(summary.reject_path, options.reject_path);
  const std::string rejects = Contents(options.reject_path);
  EXPECT_EQ(std::count(rejects.begin(), rejects.end(), '\n'), 2);
  EXPECT_THAT(rejects, HasSubstr("\"line\":2,\"field\":\"\",\"reason\":\"is not JSON"));
  EXPECT_THAT(rejects, HasSubstr("\xef\xbf\xbd"));
  EXPECT_THAT(rejects, HasSubstr("\"line\":3,\"field\":\"item\",\"reason\":\"is empty\",\"text\":"
                                 "\"{\\\"event\\\":"));
}

TEST_F(ImporterTest, FilesThatShareARejectFileKeepEachOthersLines) {
  ImportOptions options = FileOf(StrCat(Click("u", "a", 1), "{oops\n"));
  options.reject_path = directory_ / "rejected.jsonl";
  Imported(options);
  fs::copy_file(options.source.path, directory_ / "more.jsonl");
  options.source.path = directory_ / "more.jsonl";
  Imported(options);
  const std::string rejects = Contents(options.reject_path);
  EXPECT_EQ(std::count(rejects.begin(), rejects.end(), '\n'), 2);
  EXPECT_THAT(rejects, HasSubstr("events.jsonl\",\"line\":2"));
  EXPECT_THAT(rejects, HasSubstr("more.jsonl\",\"line\":2"));
}

TEST_F(ImporterTest, StrictTakesNothingAndNamesTheLine) {
  ImportOptions options = FileOf(StrCat(Click("u", "a", 1), "{oops\n"));
  options.strict = true;
  const auto summary = ImportFile(store_.get(), clock_, options);
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(summary.status().message()),
              HasSubstr("events.jsonl: line 2: is not JSON"));
  EXPECT_EQ(store_->EndPosition(), 0u);
  EXPECT_FALSE(fs::exists(directory_ / "events.jsonl.rejects.jsonl"));
}

TEST_F(ImporterTest, DryRunChecksEverythingAndWritesNoEvent) {
  ImportOptions options = FileOf(StrCat(Click("u", "a", 1), "{oops\n"));
  options.dry_run = true;
  const auto summary = ImportFile(nullptr, clock_, options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->events, 1u);
  EXPECT_EQ(summary->accepted, 0u);
  EXPECT_EQ(summary->rejected, 1u);
}

TEST_F(ImporterTest, KnownTimeIsEventTimePlusLagOrTheClock) {
  ImportOptions options = FileOf(Click("u", "a", 5));
  options.lag_ms = 100;
  Imported(options);
  EXPECT_EQ(Log()[0].known_time_ms, 105);
  options = FileOf(StrCat(Click("u", "b", 5), "{\"event\":\"item\",\"item\":\"b\"}\n"));
  options.knowledge = Knowledge::kIngest;
  Imported(options);
  ASSERT_EQ(Log().size(), 3u);
  EXPECT_EQ(Log()[1].known_time_ms, kNowMs);
  EXPECT_EQ(Log()[2].known_time_ms, kNowMs);
  options.lag_ms = -1;
  EXPECT_FALSE(ImportFile(store_.get(), clock_, options).ok());
}

TEST_F(ImporterTest, TinySortMemoryGivesTheSameLog) {
  RandomEvents random(7);
  std::mt19937_64 repeat(7);
  std::string text;
  std::string line;
  for (int i = 0; i < 4000; ++i) {
    // Every third line repeats the one before: repetitions fall into different runs.
    if (i == 0 || repeat() % 3 != 0) {
      Event event = random.Next();
      event.id.clear();
      if (event.event_time_ms == kNoTimeMs) event.event_time_ms = 1'300'000'000'777;
      line = EventToJson(event);
    }
    StrAppend(&text, line, "\n");
  }
  ImportOptions options = FileOf(text);
  EXPECT_EQ(Imported(options).accepted, 4000u);
  const auto small_store = OpenStore("small");
  options.sort_memory_bytes = 8 << 10;
  const auto summary = ImportFile(small_store.get(), clock_, options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 4000u);
  const std::vector<LoggedEvent> expected = Log();
  const std::vector<LoggedEvent> log = Log(*small_store);
  ASSERT_EQ(log.size(), expected.size());
  for (std::size_t i = 0; i < log.size(); ++i) EXPECT_EQ(log[i].event, expected[i].event);
}

TEST_F(ImporterTest, GarbageIsRejectedWithoutACrash) {
  std::mt19937_64 random(3);
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text.push_back(static_cast<char>(random() % 3 == 0 ? '\n' : random()));
  for (const auto format : {SourceOptions::Format::kJsonl, SourceOptions::Format::kSequences}) {
    ImportOptions options = FileOf(text);
    options.source.format = format;
    const ImportSummary summary = Imported(options);
    EXPECT_GT(summary.rejected, 0u);
  }
}

TEST_F(ImporterTest, ProgressReachesTheEnd) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += Click("u", "a", i);
  ImportOptions options = FileOf(text);
  std::vector<ImportOptions::Progress> reports;
  options.progress = [&reports](const ImportOptions::Progress& report) {
    reports.push_back(report);
  };
  Imported(options);
  ASSERT_GE(reports.size(), 2u);
  EXPECT_EQ(reports.back().phase, ImportOptions::Progress::Phase::kWriting);
  EXPECT_EQ(reports.back().done, 100u);
  EXPECT_EQ(reports.back().total, 100u);
  const auto last_read = std::find_if(reports.rbegin(), reports.rend(), [](const auto& report) {
    return report.phase == ImportOptions::Progress::Phase::kReading;
  });
  ASSERT_NE(last_read, reports.rend());
  EXPECT_EQ(last_read->done, text.size());
  EXPECT_EQ(last_read->total, text.size());
}

TEST_F(ImporterTest, OnlineRetailKeepsItsDuplicateLines) {
  // Columns and lines as in the file: two exact duplicates within one invoice.
  const std::string line =
      "\"536409\",\"21866\",\"UNION JACK FLAG LUGGAGE TAG\",1,2010-12-01 "
      "11:45:00,1.25,17908,\"UK\"\n";
  ImportOptions options =
      FileOf(StrCat("\"InvoiceNo\",\"StockCode\",\"Description\",\"Quantity\",\"InvoiceDate\","
                    "\"UnitPrice\",\"CustomerID\",\"Country\"\n",
                    line, line),
             "retail.csv");
  options.source.format = SourceOptions::Format::kCsv;
  ColumnMapping& mapping = options.source.mapping;
  mapping.user = "CustomerID";
  mapping.item = "StockCode";
  mapping.session = mapping.tie_group = "InvoiceNo";
  mapping.time = "InvoiceDate";
  mapping.time_format = "%Y-%m-%d %H:%M:%S";
  mapping.types.push_back({"purchase", std::nullopt});
  mapping.item_fields = {{"description", "Description"}};
  EXPECT_EQ(Imported(options).accepted, 3u);
  EXPECT_EQ(Imported(options).duplicates, 3u);
}

TEST_F(ImporterTest, ATableWithSlatesImportedTwiceChangesNothing) {
  ImportOptions options = FileOf(
      "user,time,step,type,item,shown\n"
      "u,1,1,look,a,\n"
      "u,1,2,go,b,a b\n"
      "u,1,3,go,b,a b\n",
      "slates.csv");
  options.source.format = SourceOptions::Format::kCsv;
  ColumnMapping& mapping = options.source.mapping;
  mapping.user = "user";
  mapping.time = "time";
  mapping.time_format = "unix_s";
  mapping.step = "step";
  mapping.type = "type";
  mapping.item = "item";
  mapping.impressions.column = "shown";
  const ImportSummary first = Imported(options);
  EXPECT_EQ(first.lines, 3u);
  EXPECT_EQ(first.events, 5u);
  EXPECT_EQ(first.accepted, 5u);
  const ImportSummary second = Imported(options);
  EXPECT_EQ(second.accepted, 0u);
  EXPECT_EQ(second.duplicates, 5u);
  const std::vector<LoggedEvent> log = Log();
  ASSERT_EQ(log.size(), 5u);
  EXPECT_EQ(log[1].event.kind, EventKind::kRanking);
  EXPECT_EQ(log[2].event.ranking, log[1].event.id);
  EXPECT_EQ(log[4].event.ranking, log[3].event.id);
  EXPECT_NE(log[3].event.id, log[1].event.id);
}

}  // namespace
}  // namespace fourfold
