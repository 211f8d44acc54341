#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "data/byte_source.h"

namespace fourfold {

// The lines of a text, one at a time, with bounded memory. A UTF-8 byte order mark at the start is
// passed over. Not thread-safe.
class LineReader {
 public:
  explicit LineReader(std::unique_ptr<ByteSource> source);

  enum class Outcome : std::uint8_t {
    kLine,
    kTooLong,  // over limits::kLineBytesMax: *line holds its beginning; the rest is passed over
    kEnd,
  };
  // *line is without its \n or \r\n and holds until the next call.
  absl::StatusOr<Outcome> Next(std::string_view* line);

  std::uint64_t line_number() const { return line_number_; }  // 1-based, of the last line
  // What ended the last line: "\n", "\r\n", or nothing at the end of the file.
  std::string_view line_end() const { return line_end_; }
  const ByteSource& source() const { return *source_; }

 private:
  void MoveToFront();
  absl::Status Fill();
  absl::Status SkipRestOfLine();
  void SetLine(std::size_t end, bool has_newline, std::string_view* line);

  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not yet given out, in buffer_
  std::size_t end_ = 0;
  bool at_end_ = false;
  std::uint64_t line_number_ = 0;
  std::string_view line_end_;
};

}  // namespace fourfold
