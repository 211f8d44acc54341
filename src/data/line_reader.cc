#include "data/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "data/limits.h"

namespace fourfold {
namespace {

constexpr std::size_t kFirstBufferBytes = 128 << 10;
constexpr std::size_t kBufferBytesMax = limits::kLineBytesMax + (256 << 10);
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)), buffer_(kFirstBufferBytes, '\0') {}

absl::StatusOr<LineReader::Outcome> LineReader::Next(std::string_view* line) {
  std::size_t searched = begin_;
  while (true) {
    const void* newline = std::memchr(buffer_.data() + searched, '\n', end_ - searched);
    if (newline != nullptr) {
      const auto end = static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data());
      SetLine(end, /*has_newline=*/true, line);
      break;
    }
    if (at_end_) {
      if (begin_ == end_) return Outcome::kEnd;
      SetLine(end_, /*has_newline=*/false, line);
      break;
    }
    if (end_ - begin_ > limits::kLineBytesMax + 1) {
      FOURFOLD_RETURN_IF_ERROR(SkipRestOfLine());
      *line = std::string_view(buffer_).substr(0, limits::kLineBytesMax);
      return Outcome::kTooLong;
    }
    const std::size_t already = end_ - begin_;
    FOURFOLD_RETURN_IF_ERROR(Fill());
    searched = begin_ + already;
  }
  if (line->size() <= limits::kLineBytesMax) return Outcome::kLine;
  *line = line->substr(0, limits::kLineBytesMax);
  return Outcome::kTooLong;
}

void LineReader::SetLine(std::size_t end, bool has_newline, std::string_view* line) {
  ++line_number_;
  *line = std::string_view(buffer_).substr(begin_, end - begin_);
  begin_ = end + (has_newline ? 1 : 0);
  line_end_ = has_newline ? "\n" : "";
  if (has_newline && line->ends_with('\r')) {
    line->remove_suffix(1);
    line_end_ = "\r\n";
  }
  if (line_number_ == 1 && line->starts_with(kByteOrderMark)) {
    line->remove_prefix(kByteOrderMark.size());
  }
}

void LineReader::MoveToFront() {
  if (begin_ == 0) return;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

absl::Status LineReader::Fill() {
  MoveToFront();
  if (end_ == buffer_.size()) buffer_.resize(std::min(2 * buffer_.size(), kBufferBytesMax));
  FOURFOLD_ASSIGN_OR_RETURN(const std::size_t count,
                            source_->Read(buffer_.data() + end_, buffer_.size() - end_));
  end_ += count;
  at_end_ = count == 0;
  return absl::OkStatus();
}

// Keeps the beginning of the line at the buffer's front and reads the rest over what is behind it.
absl::Status LineReader::SkipRestOfLine() {
  ++line_number_;
  line_end_ = "";
  MoveToFront();
  constexpr std::size_t kKept = limits::kLineBytesMax;
  buffer_.resize(kBufferBytesMax);
  begin_ = kKept;
  while (true) {
    const void* newline = std::memchr(buffer_.data() + begin_, '\n', end_ - begin_);
    if (newline != nullptr) {
      begin_ = static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data()) + 1;
      line_end_ = "\n";
      return absl::OkStatus();
    }
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t count,
                              source_->Read(buffer_.data() + kKept, buffer_.size() - kKept));
    begin_ = kKept;
    end_ = kKept + count;
    if (count == 0) {
      at_end_ = true;
      return absl::OkStatus();
    }
  }
}

}  // namespace fourfold
