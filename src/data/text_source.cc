#include "data/text_source.h"

#include <simdjson.h>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"

namespace fourfold {

RejectedLine MakeRejectedLine(std::uint64_t line, std::string_view field, std::string_view reason,
                              std::string_view text) {
  return {line, std::string(field), std::string(reason),
          std::string(text.substr(0, kRejectedTextBytesMax))};
}

RejectedLine MakeTooLongLine(std::uint64_t line, std::string_view beginning) {
  return MakeRejectedLine(
      line, "", StrCat("the line has more than ", limits::kLineBytesMax, " bytes"), beginning);
}

absl::StatusOr<std::optional<EventSource::Result>> TextSource::Next() {
  while (next_ == results_.size()) {
    results_.clear();
    next_ = 0;
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, ReadRecord());
    if (!more && results_.empty()) return std::nullopt;
  }
  return std::move(results_[next_++]);
}

absl::StatusOr<bool> TextSource::ReadLine(std::string_view* line) {
  while (true) {
    FOURFOLD_ASSIGN_OR_RETURN(const LineReader::Outcome outcome, lines_.Next(line));
    if (outcome == LineReader::Outcome::kEnd) return false;
    if (outcome == LineReader::Outcome::kLine && line->empty()) continue;
    ++lines_read_;
    if (outcome == LineReader::Outcome::kTooLong) {
      Reject(MakeTooLongLine(lines_.line_number(), *line));
      return false;
    }
    if (!simdjson::validate_utf8(line->data(), line->size())) {
      Reject(MakeRejectedLine(lines_.line_number(), "", "the line is not valid UTF-8", *line));
      return false;
    }
    return true;
  }
}

absl::StatusOr<std::unique_ptr<EventSource>> OpenEventSource(SourceOptions options) {
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> bytes, ByteSource::Open(options.path));
  const std::string path = options.path;
  absl::StatusOr<std::unique_ptr<EventSource>> source;
  switch (options.format) {
    case SourceOptions::Format::kJsonl:
      source = OpenJsonlSource(options, std::move(bytes));
      break;
    case SourceOptions::Format::kCsv:
      source = OpenCsvSource(std::move(options), std::move(bytes));
      break;
    case SourceOptions::Format::kRecBole:
      source = OpenRecBoleSource(options, std::move(bytes));
      break;
    case SourceOptions::Format::kSequences:
      source = OpenSequenceSource(options, std::move(bytes));
      break;
  }
  if (!source.ok()) {
    const bool names_file = MessageOf(source.status()).starts_with(path);
    return names_file ? source.status() : Annotate(source.status(), path);
  }
  return source;
}

}  // namespace fourfold
