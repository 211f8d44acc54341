#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "data/event_source.h"
#include "data/line_reader.h"

// What the readers of text files share. Private to the sources of this folder.
namespace fourfold {

inline constexpr std::size_t kRejectedTextBytesMax = 4096;

// `text` is cut to kRejectedTextBytesMax.
RejectedLine MakeRejectedLine(std::uint64_t line, std::string_view field, std::string_view reason,
                              std::string_view text);
RejectedLine MakeTooLongLine(std::uint64_t line, std::string_view beginning);

// A source that reads record after record, each giving some results. A subclass defines one record.
class TextSource : public EventSource {
 public:
  explicit TextSource(std::unique_ptr<ByteSource> bytes) : lines_(std::move(bytes)) {}

  absl::StatusOr<std::optional<Result>> Next() final;
  std::uint64_t lines_read() const final { return lines_read_; }
  std::uint64_t lines_skipped() const final { return lines_skipped_; }
  std::uint64_t bytes_read() const final { return lines_.source().bytes_read(); }
  std::uint64_t bytes_total() const final { return lines_.source().bytes_total(); }

 protected:
  // Reads one line that is neither empty nor refused (too long, not UTF-8); refused ones become
  // results. False at the end, or when results are waiting.
  absl::StatusOr<bool> ReadLine(std::string_view* line);
  // Reads one record and emits what it gives, maybe nothing. False at the end.
  virtual absl::StatusOr<bool> ReadRecord() = 0;

  void Emit(Event event) { results_.emplace_back(std::move(event)); }
  void Reject(RejectedLine line) { results_.emplace_back(std::move(line)); }
  void CountSkipped() { ++lines_skipped_; }
  void CountLines(std::uint64_t lines) { lines_read_ += lines; }
  LineReader& lines() { return lines_; }

 private:
  LineReader lines_;
  std::vector<Result> results_;
  std::size_t next_ = 0;
  std::uint64_t lines_read_ = 0;
  std::uint64_t lines_skipped_ = 0;
};

absl::StatusOr<std::unique_ptr<EventSource>> OpenJsonlSource(const SourceOptions& options,
                                                             std::unique_ptr<ByteSource> bytes);
absl::StatusOr<std::unique_ptr<EventSource>> OpenCsvSource(SourceOptions options,
                                                           std::unique_ptr<ByteSource> bytes);
absl::StatusOr<std::unique_ptr<EventSource>> OpenRecBoleSource(const SourceOptions& options,
                                                               std::unique_ptr<ByteSource> bytes);
absl::StatusOr<std::unique_ptr<EventSource>> OpenSequenceSource(const SourceOptions& options,
                                                                std::unique_ptr<ByteSource> bytes);

}  // namespace fourfold
