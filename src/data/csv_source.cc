#include <simdjson.h>

#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/csv_parser.h"
#include "data/limits.h"
#include "data/row_mapper.h"
#include "data/text_source.h"

namespace fourfold {
namespace {

class CsvSource final : public TextSource {
 public:
  CsvSource(SourceOptions options, std::unique_ptr<ByteSource> bytes)
      : TextSource(std::move(bytes)), options_(std::move(options)), parser_(options_.separator) {}

  // Reads the header, or without one the first record, which then waits for ReadRecord.
  absl::Status Open() {
    FOURFOLD_ASSIGN_OR_RETURN(const Outcome outcome, ReadFields());
    if (outcome == Outcome::kRejected) {
      return InvalidArgument("the first line cannot be read as CSV");
    }
    std::vector<std::string> columns;
    if (outcome == Outcome::kRecord) {
      for (std::size_t i = 0; i < parser_.size(); ++i) {
        columns.push_back(options_.header ? std::string(parser_[i]) : StrCat("column", i + 1));
      }
      if (!options_.header) {
        is_waiting_ = true;
        CountLines(record_lines_);
      }
    } else if (options_.header) {
      return InvalidArgument("the file is empty: no header line");
    } else {
      return absl::OkStatus();
    }
    columns_ = columns.size();
    FOURFOLD_ASSIGN_OR_RETURN(mapper_,
                              RowMapper::Make(std::move(options_.mapping), std::move(columns)));
    return absl::OkStatus();
  }

 private:
  enum class Outcome : std::uint8_t { kRecord, kRejected, kEnd };

  absl::StatusOr<bool> ReadRecord() override {
    if (!std::exchange(is_waiting_, false)) {
      FOURFOLD_ASSIGN_OR_RETURN(const Outcome outcome, ReadFields());
      if (outcome == Outcome::kEnd) return false;
      CountLines(record_lines_);
      if (outcome == Outcome::kRejected) return true;
    }
    if (parser_.size() != columns_) {
      RejectRecord("", StrCat("has ", parser_.size(), " columns instead of ", columns_));
      return true;
    }
    cells_.clear();
    for (std::size_t i = 0; i < columns_; ++i) cells_.push_back(parser_[i]);
    events_.clear();
    if (std::optional<EventProblem> problem = mapper_->Map(cells_, &events_)) {
      RejectRecord(problem->field, problem->reason);
      return true;
    }
    if (events_.empty()) CountSkipped();
    for (Event& event : events_) Emit(std::move(event));
    return true;
  }

  // Reads the lines of one record into parser_ and record_text_.
  absl::StatusOr<Outcome> ReadFields() {
    std::string_view line;
    LineReader::Outcome outcome;
    do {
      FOURFOLD_ASSIGN_OR_RETURN(outcome, lines().Next(&line));
      if (outcome == LineReader::Outcome::kEnd) return Outcome::kEnd;
    } while (outcome == LineReader::Outcome::kLine && line.empty());
    record_line_ = lines().line_number();
    record_lines_ = 1;
    if (outcome == LineReader::Outcome::kTooLong) {
      Reject(MakeTooLongLine(record_line_, line));
      return Outcome::kRejected;
    }
    record_text_.assign(line);
    bool is_whole = parser_.Start(line);
    while (!is_whole) {
      const std::string_view line_end = lines().line_end();
      FOURFOLD_ASSIGN_OR_RETURN(outcome, lines().Next(&line));
      if (outcome == LineReader::Outcome::kEnd) {
        return RejectRecord("",
                            StrCat("a quoted field does not end up to the end of the file, line ",
                                   lines().line_number()));
      }
      ++record_lines_;
      is_whole = parser_.Continue(line_end, line);
      StrAppend(&record_text_, line_end, line);
      if (outcome == LineReader::Outcome::kTooLong || parser_.bytes() > limits::kLineBytesMax) {
        return RejectRecord("", StrCat("a quoted field does not end within ", limits::kLineBytesMax,
                                       " bytes, up to line ", lines().line_number()));
      }
    }
    if (parser_.is_bad()) {
      return RejectRecord(
          "", StrCat("text follows the closing quote of column ", parser_.bad_field() + 1));
    }
    if (!simdjson::validate_utf8(record_text_.data(), record_text_.size())) {
      return RejectRecord("", "the line is not valid UTF-8");
    }
    return Outcome::kRecord;
  }

  Outcome RejectRecord(std::string_view field, std::string_view reason) {
    Reject(MakeRejectedLine(record_line_, field, reason, record_text_));
    return Outcome::kRejected;
  }

  SourceOptions options_;
  CsvParser parser_;
  std::optional<RowMapper> mapper_;
  std::size_t columns_ = 0;
  bool is_waiting_ = false;  // the record in parser_ has not been given out
  std::uint64_t record_line_ = 0;
  std::uint64_t record_lines_ = 0;
  std::string record_text_;
  std::vector<std::string_view> cells_;
  std::vector<Event> events_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenCsvSource(SourceOptions options,
                                                           std::unique_ptr<ByteSource> bytes) {
  if (options.separator == '"' || options.separator == '\n' || options.separator == '\r') {
    return InvalidArgument("the separator cannot be a quote or a newline");
  }
  auto source = std::make_unique<CsvSource>(std::move(options), std::move(bytes));
  FOURFOLD_RETURN_IF_ERROR(source->Open());
  return source;
}

}  // namespace fourfold
