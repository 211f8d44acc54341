#include "offline/ingest/event_sorter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

namespace fourfold {
namespace {

using Record = std::pair<std::int64_t, std::string>;

std::vector<Record> Sorted(const std::vector<Record>& records, std::size_t memory_bytes,
                           std::size_t* runs) {
  EventSorter sorter(testing::TempDir(), memory_bytes);
  for (const auto& [time_ms, record] : records) EXPECT_TRUE(sorter.Add(time_ms, record).ok());
  EXPECT_TRUE(sorter.Finish().ok());
  *runs = sorter.runs_written();
  std::vector<Record> sorted;
  std::int64_t time_ms = 0;
  std::string_view record;
  while (true) {
    const auto more = sorter.Next(&time_ms, &record);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok() || !*more) break;
    sorted.emplace_back(time_ms, std::string(record));
  }
  return sorted;
}

TEST(EventSorterTest, TinyMemoryGivesWhatAStableSortGives) {
  std::mt19937_64 random(1);
  std::vector<Record> records;
  for (int i = 0; i < 20'000; ++i) {
    const auto time_ms = static_cast<std::int64_t>(random() % 500) - 250;
    records.emplace_back(time_ms, std::to_string(i) + std::string(random() % 40, 'x'));
  }
  records.emplace_back(INT64_MIN, "since for ever");
  records.emplace_back(7, std::string(1 << 20, 'y'));
  std::vector<Record> expected = records;
  std::stable_sort(expected.begin(), expected.end(),
                   [](const Record& a, const Record& b) { return a.first < b.first; });
  std::size_t runs = 0;
  EXPECT_TRUE(Sorted(records, 256 << 20, &runs) == expected);
  EXPECT_EQ(runs, 0u);
  // Over 127 runs: those of the first 64 are merged on the way, and later once more.
  EXPECT_TRUE(Sorted(records, 12 << 10, &runs) == expected);
  EXPECT_GT(runs, 128u);
}

TEST(EventSorterTest, NothingGivesNothing) {
  std::size_t runs = 0;
  EXPECT_TRUE(Sorted({}, 1, &runs).empty());
  EXPECT_TRUE(Sorted({{1, ""}}, 1, &runs) == std::vector<Record>({{1, ""}}));
}

TEST(EventSorterTest, ADirectoryThatIsNotThereIsNamed) {
  EventSorter sorter("/nowhere", 1);
  EXPECT_TRUE(sorter.Add(1, "a").ok());
  const absl::Status status = sorter.Add(2, "b");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace fourfold
