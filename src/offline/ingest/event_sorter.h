#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fourfold {

// Sorts records by event time, those of one time in the order they were added, in bounded memory:
// what does not fit goes to sorted runs in temporary files, which are merged at the end. The files
// have no name, so that nothing is left behind however the process ends. Not thread-safe.
class EventSorter {
 public:
  // Memory of records at a time; a single larger record is taken all the same.
  EventSorter(std::string temporary_directory, std::size_t memory_bytes);
  ~EventSorter();
  EventSorter(const EventSorter&) = delete;
  EventSorter& operator=(const EventSorter&) = delete;

  absl::Status Add(std::int64_t time_ms, std::string_view record);
  // After the last Add, before the first Next.
  absl::Status Finish();
  // False at the end. *record holds until the next call.
  absl::StatusOr<bool> Next(std::int64_t* time_ms, std::string_view* record);

  std::size_t runs_written() const { return runs_written_; }  // 0: all stayed in memory

 private:
  struct Entry {
    std::int64_t time_ms;
    const char* data;
    std::uint32_t size;
    std::uint32_t order;
  };
  class Run;
  class Merge;

  const char* Keep(std::string_view record);
  void SortEntries();
  absl::Status Spill();
  absl::Status MergeRuns();

  const std::string temporary_directory_;
  const std::size_t memory_bytes_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* chunk_free_ = nullptr;
  std::size_t chunk_left_ = 0;
  std::size_t chunk_bytes_ = 0;  // of all chunks
  std::vector<Entry> entries_;
  std::size_t next_entry_ = 0;
  std::vector<std::unique_ptr<Run>> runs_;
  std::unique_ptr<Merge> merge_;
  std::size_t runs_written_ = 0;
};

}  // namespace fourfold
