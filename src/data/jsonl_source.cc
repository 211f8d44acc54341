#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_json.h"
#include "data/text_source.h"

namespace fourfold {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;
constexpr int kParserThreadsMax = 8;

// Some lines of the file, and what they gave once parsed.
struct Block {
  struct Line {
    std::uint64_t number = 0;
    std::size_t begin = 0;
    std::size_t size = 0;
    bool is_too_long = false;
  };
  std::string text;
  std::vector<Line> lines;
  std::vector<EventSource::Result> results;
  bool is_parsed = false;  // under the lock of Parsers
};

EventSource::Result ParseLine(const Block::Line& line, std::string_view text) {
  if (line.is_too_long) return MakeTooLongLine(line.number, text);
  Event event;
  std::optional<EventProblem> problem = ReadEventJson(text, &event);
  const bool needs_time =
      event.kind == EventKind::kInteraction || event.kind == EventKind::kRanking;
  if (!problem && needs_time && event.event_time_ms == kNoTimeMs) {
    problem = EventProblem{"timestamp", "is missing"};
  }
  if (problem) return MakeRejectedLine(line.number, problem->field, problem->reason, text);
  return event;
}

void ParseBlock(Block* block) {
  block->results.reserve(block->lines.size());
  for (const Block::Line& line : block->lines) {
    const std::string_view text = std::string_view(block->text).substr(line.begin, line.size);
    block->results.push_back(ParseLine(line, text));
  }
}

// Threads that parse blocks handed to them. Thread-safe.
class Parsers {
 public:
  explicit Parsers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  }
  ~Parsers() {
    {
      const MutexLock lock(&mutex_);
      is_stopping_ = true;
    }
    work_.SignalAll();
    for (std::thread& thread : threads_) thread.join();
  }
  Parsers(const Parsers&) = delete;
  Parsers& operator=(const Parsers&) = delete;

  void Hand(Block* block) {
    {
      const MutexLock lock(&mutex_);
      waiting_.push_back(block);
    }
    work_.Signal();
  }

  void Await(const Block& block) {
    const MutexLock lock(&mutex_);
    while (!block.is_parsed) done_.Wait(&mutex_);
  }

 private:
  void Run() {
    mutex_.Lock();
    while (true) {
      while (waiting_.empty() && !is_stopping_) work_.Wait(&mutex_);
      if (is_stopping_) break;
      Block* const block = waiting_.front();
      waiting_.pop_front();
      mutex_.Unlock();
      ParseBlock(block);
      mutex_.Lock();
      block->is_parsed = true;
      done_.SignalAll();
    }
    mutex_.Unlock();
  }

  Mutex mutex_;
  CondVar work_;
  CondVar done_;
  std::deque<Block*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// The caller's thread cuts the file into blocks of lines; the parsers work ahead of it.
class JsonlSource final : public EventSource {
 public:
  JsonlSource(int threads, std::unique_ptr<ByteSource> bytes)
      : lines_(std::move(bytes)), parsers_(threads), blocks_max_(2 * threads + 1) {}

  absl::StatusOr<std::optional<Result>> Next() override {
    while (current_ == nullptr || next_ == current_->results.size()) {
      FOURFOLD_RETURN_IF_ERROR(ReadAhead());
      if (ahead_.empty()) return std::nullopt;
      parsers_.Await(*ahead_.front());
      current_ = std::move(ahead_.front());
      ahead_.pop_front();
      next_ = 0;
    }
    return std::move(current_->results[next_++]);
  }
  std::uint64_t lines_read() const override { return lines_read_; }
  std::uint64_t lines_skipped() const override { return 0; }
  std::uint64_t bytes_read() const override { return lines_.source().bytes_read(); }
  std::uint64_t bytes_total() const override { return lines_.source().bytes_total(); }

 private:
  absl::Status ReadAhead() {
    while (!at_end_ && ahead_.size() < static_cast<std::size_t>(blocks_max_)) {
      auto block = std::make_unique<Block>();
      FOURFOLD_RETURN_IF_ERROR(ReadBlock(block.get()));
      if (block->lines.empty()) break;
      ahead_.push_back(std::move(block));
      parsers_.Hand(ahead_.back().get());
    }
    return absl::OkStatus();
  }

  absl::Status ReadBlock(Block* block) {
    block->text.reserve(kBlockBytes + (16 << 10));
    while (block->text.size() < kBlockBytes) {
      std::string_view line;
      FOURFOLD_ASSIGN_OR_RETURN(const LineReader::Outcome outcome, lines_.Next(&line));
      if (outcome == LineReader::Outcome::kEnd) {
        at_end_ = true;
        break;
      }
      if (line.empty()) continue;
      ++lines_read_;
      block->lines.push_back({lines_.line_number(), block->text.size(), line.size(),
                              outcome == LineReader::Outcome::kTooLong});
      block->text.append(line);
    }
    return absl::OkStatus();
  }

  LineReader lines_;
  bool at_end_ = false;
  std::uint64_t lines_read_ = 0;
  std::deque<std::unique_ptr<Block>> ahead_;  // outlives parsers_, whose threads fill the blocks
  Parsers parsers_;
  const int blocks_max_;
  std::unique_ptr<Block> current_;
  std::size_t next_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenJsonlSource(const SourceOptions& options,
                                                             std::unique_ptr<ByteSource> bytes) {
  int threads = options.parser_threads;
  if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  threads = std::clamp(threads, 1, kParserThreadsMax);
  return std::make_unique<JsonlSource>(threads, std::move(bytes));
}

}  // namespace fourfold
