#include "data/line_reader.h"

#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "data/limits.h"

namespace fourfold {
namespace {

constexpr std::size_t kBufferBytes = limits::kLineBytesMax + (256 << 10);
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)), buffer_(kBufferBytes, '\0') {}

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
      *line = std::string_view(buffer_).substr(begin_, limits::kLineBytesMax);
      FOURFOLD_RETURN_IF_ERROR(SkipRestOfLine());
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

absl::Status LineReader::Fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  FOURFOLD_ASSIGN_OR_RETURN(const std::size_t count,
                            source_->Read(buffer_.data() + end_, buffer_.size() - end_));
  end_ += count;
  at_end_ = count == 0;
  return absl::OkStatus();
}

// Keeps the beginning of the line in the buffer's front, so that *line stays good.
absl::Status LineReader::SkipRestOfLine() {
  ++line_number_;
  line_end_ = "";
  const std::size_t kept = begin_ + limits::kLineBytesMax;
  end_ = kept;
  while (true) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t count,
                              source_->Read(buffer_.data() + kept, buffer_.size() - kept));
    if (count == 0) {
      at_end_ = true;
      begin_ = end_ = kept;
      return absl::OkStatus();
    }
    const void* newline = std::memchr(buffer_.data() + kept, '\n', count);
    if (newline == nullptr) continue;
    begin_ = static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data()) + 1;
    end_ = kept + count;
    line_end_ = "\n";
    return absl::OkStatus();
  }
}

}  // namespace fourfold
