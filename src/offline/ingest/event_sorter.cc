#include "offline/ingest/event_sorter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <queue>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kChunkBytes = 1 << 20;
constexpr std::size_t kWriteBufferBytes = 1 << 20;
constexpr std::size_t kReadBufferBytes = 256 << 10;
// Runs that are merged at once: bounds the open files and the read buffers.
constexpr std::size_t kFanInMax = 64;
constexpr std::size_t kRunHeaderBytes = 16;  // time, size

}  // namespace

// A sorted run in a nameless file: per record 8 bytes time, 8 bytes size, both big-endian, then the
// record. First written, then read.
class EventSorter::Run {
 public:
  static absl::StatusOr<std::unique_ptr<Run>> Create(const std::string& directory) {
    std::string path = directory + "/fourfold-sort-XXXXXX";
    const int descriptor = mkostemp(path.data(), O_CLOEXEC);
    if (descriptor < 0) return absl::ErrnoToStatus(errno, StrCat("making ", path));
    unlink(path.c_str());
    return std::unique_ptr<Run>(new Run(directory, descriptor));
  }
  ~Run() { close(descriptor_); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  absl::Status Write(std::int64_t time_ms, std::string_view record) {
    AppendBigEndian64(&buffer_, static_cast<std::uint64_t>(time_ms));
    AppendBigEndian64(&buffer_, record.size());
    buffer_.append(record);
    return buffer_.size() < kWriteBufferBytes ? absl::OkStatus() : WriteOut();
  }

  absl::Status FinishWriting() {
    FOURFOLD_RETURN_IF_ERROR(WriteOut());
    if (lseek(descriptor_, 0, SEEK_SET) != 0) return Error("rewinding");
    buffer_ = std::string();
    return absl::OkStatus();
  }

  // False at the end; else time_ms() and record() are those of the next record.
  absl::StatusOr<bool> Advance() {
    begin_ += taken_;
    taken_ = 0;
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_header, Require(kRunHeaderBytes));
    if (!has_header) {
      if (begin_ == buffer_.size()) return false;
      return DataLoss("a temporary file in ", directory_, " was cut off");
    }
    time_ms_ = static_cast<std::int64_t>(ReadBigEndian64(buffer_.data() + begin_));
    const std::uint64_t size = ReadBigEndian64(buffer_.data() + begin_ + 8);
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_record, Require(kRunHeaderBytes + size));
    if (!has_record) return DataLoss("a temporary file in ", directory_, " was cut off");
    record_ = std::string_view(buffer_).substr(begin_ + kRunHeaderBytes, size);
    taken_ = kRunHeaderBytes + size;
    return true;
  }
  std::int64_t time_ms() const { return time_ms_; }
  std::string_view record() const { return record_; }

 private:
  Run(std::string directory, int descriptor)
      : directory_(std::move(directory)), descriptor_(descriptor) {}

  absl::Status Error(std::string_view what) const {
    return absl::ErrnoToStatus(errno, StrCat(what, " a temporary file in ", directory_));
  }

  absl::Status WriteOut() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t count = write(descriptor_, rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error("writing");
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
    buffer_.clear();
    return absl::OkStatus();
  }

  // Makes `size` bytes from begin_ on be in the buffer; false when the file ends before.
  absl::StatusOr<bool> Require(std::size_t size) {
    while (buffer_.size() - begin_ < size) {
      buffer_.erase(0, begin_);
      begin_ = 0;
      const std::size_t already = buffer_.size();
      buffer_.resize(std::max(size, already + kReadBufferBytes));
      const ssize_t count = read(descriptor_, buffer_.data() + already, buffer_.size() - already);
      buffer_.resize(already + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error("reading");
      if (count == 0) return false;
    }
    return true;
  }

  const std::string directory_;
  const int descriptor_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t taken_ = 0;
  std::int64_t time_ms_ = 0;
  std::string_view record_;
};

// The records of several runs in order. Of records of one time, those of the earlier run go first.
class EventSorter::Merge {
 public:
  explicit Merge(std::vector<std::unique_ptr<Run>> runs) : runs_(std::move(runs)) {}

  absl::Status Start() {
    for (std::size_t i = 0; i < runs_.size(); ++i) FOURFOLD_RETURN_IF_ERROR(Push(i));
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next(std::int64_t* time_ms, std::string_view* record) {
    // The run given out last moves on only now, since *record lay in its buffer.
    if (given_ != kNone) FOURFOLD_RETURN_IF_ERROR(Push(std::exchange(given_, kNone)));
    if (heads_.empty()) return false;
    given_ = heads_.top().second;
    heads_.pop();
    *time_ms = runs_[given_]->time_ms();
    *record = runs_[given_]->record();
    return true;
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  using Head = std::pair<std::int64_t, std::size_t>;  // time, run

  absl::Status Push(std::size_t run) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, runs_[run]->Advance());
    if (more) heads_.push({runs_[run]->time_ms(), run});
    return absl::OkStatus();
  }

  std::vector<std::unique_ptr<Run>> runs_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
  std::size_t given_ = kNone;
};

EventSorter::EventSorter(std::string temporary_directory, std::size_t memory_bytes)
    : temporary_directory_(std::move(temporary_directory)), memory_bytes_(memory_bytes) {}
EventSorter::~EventSorter() = default;

absl::Status EventSorter::Add(std::int64_t time_ms, std::string_view record) {
  FOURFOLD_CHECK(record.size() <= UINT32_MAX);
  // The vector of entries doubles as it grows, and both halves live for a moment.
  const std::size_t used =
      chunk_bytes_ - chunk_left_ + 3 * entries_.size() * sizeof(Entry) + record.size();
  if (!entries_.empty() && (used > memory_bytes_ || entries_.size() == UINT32_MAX)) {
    FOURFOLD_RETURN_IF_ERROR(Spill());
  }
  entries_.push_back({time_ms, Keep(record), static_cast<std::uint32_t>(record.size()),
                      static_cast<std::uint32_t>(entries_.size())});
  return absl::OkStatus();
}

const char* EventSorter::Keep(std::string_view record) {
  if (record.size() > chunk_left_) {
    const std::size_t size = std::max(kChunkBytes, record.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    chunk_free_ = chunks_.back().get();
    chunk_left_ = size;
    chunk_bytes_ += size;
  }
  char* const kept = chunk_free_;
  std::copy(record.begin(), record.end(), kept);
  chunk_free_ += record.size();
  chunk_left_ -= record.size();
  return kept;
}

void EventSorter::SortEntries() {
  const auto is_before = [](const Entry& a, const Entry& b) {
    return a.time_ms != b.time_ms ? a.time_ms < b.time_ms : a.order < b.order;
  };
  if (!std::is_sorted(entries_.begin(), entries_.end(), is_before)) {
    std::sort(entries_.begin(), entries_.end(), is_before);
  }
}

absl::Status EventSorter::Spill() {
  SortEntries();
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<Run> run, Run::Create(temporary_directory_));
  for (const Entry& entry : entries_) {
    FOURFOLD_RETURN_IF_ERROR(run->Write(entry.time_ms, {entry.data, entry.size}));
  }
  FOURFOLD_RETURN_IF_ERROR(run->FinishWriting());
  runs_.push_back(std::move(run));
  ++runs_written_;
  entries_.clear();
  chunks_.clear();
  chunk_free_ = nullptr;
  chunk_left_ = chunk_bytes_ = 0;
  return runs_.size() < kFanInMax ? absl::OkStatus() : MergeRuns();
}

// All runs so far become one, which is the first of those to come.
absl::Status EventSorter::MergeRuns() {
  Merge merge(std::exchange(runs_, {}));
  FOURFOLD_RETURN_IF_ERROR(merge.Start());
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<Run> merged, Run::Create(temporary_directory_));
  std::int64_t time_ms = 0;
  std::string_view record;
  while (true) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, merge.Next(&time_ms, &record));
    if (!more) break;
    FOURFOLD_RETURN_IF_ERROR(merged->Write(time_ms, record));
  }
  FOURFOLD_RETURN_IF_ERROR(merged->FinishWriting());
  runs_.push_back(std::move(merged));
  return absl::OkStatus();
}

absl::Status EventSorter::Finish() {
  if (runs_.empty()) {
    SortEntries();
    return absl::OkStatus();
  }
  FOURFOLD_RETURN_IF_ERROR(Spill());
  entries_.shrink_to_fit();
  merge_ = std::make_unique<Merge>(std::exchange(runs_, {}));
  return merge_->Start();
}

absl::StatusOr<bool> EventSorter::Next(std::int64_t* time_ms, std::string_view* record) {
  if (merge_ != nullptr) return merge_->Next(time_ms, record);
  if (next_entry_ == entries_.size()) return false;
  const Entry& entry = entries_[next_entry_++];
  *time_ms = entry.time_ms;
  *record = {entry.data, entry.size};
  return true;
}

}  // namespace fourfold
