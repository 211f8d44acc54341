#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/row_mapper.h"
#include "data/text_source.h"

namespace fourfold {
namespace {

constexpr char kSeparator = '\t';
constexpr char kListSeparator[] = " ";

using FieldColumn = ColumnMapping::FieldColumn;

struct Header {
  std::vector<std::string> names;
  std::vector<FieldColumn::Kind> kinds;

  bool Has(std::string_view name) const {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
};

std::vector<std::string_view> SplitColumns(std::string_view line) {
  std::vector<std::string_view> columns;
  while (true) {
    const std::size_t end = line.find(kSeparator);
    columns.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return columns;
    line.remove_prefix(end + 1);
  }
}

absl::StatusOr<Header> ParseHeader(std::string_view line) {
  Header header;
  for (const std::string_view column : SplitColumns(line)) {
    const std::size_t colon = column.rfind(':');
    const std::string_view type =
        colon == std::string_view::npos ? std::string_view() : column.substr(colon + 1);
    if (type == "token") {
      header.kinds.push_back(FieldColumn::Kind::kString);
    } else if (type == "float") {
      header.kinds.push_back(FieldColumn::Kind::kNumber);
    } else if (type == "token_seq") {
      header.kinds.push_back(FieldColumn::Kind::kList);
    } else if (type == "float_seq") {
      header.kinds.push_back(FieldColumn::Kind::kNumberList);
    } else {
      return InvalidArgument(
          "line 1: column \"", column,
          "\" is not name:type with a type of token, token_seq, float, float_seq");
    }
    header.names.emplace_back(column.substr(0, colon));
  }
  return header;
}

// What a .inter file means where the mapping leaves it open.
void FillInteractionMapping(const Header& header, const std::string& type, ColumnMapping* mapping) {
  if (mapping->user.empty()) mapping->user = "user_id";
  if (mapping->item.empty()) mapping->item = "item_id";
  if (mapping->time.empty() && header.Has("timestamp")) {
    mapping->time = "timestamp";
    mapping->time_format = "unix_s";
  }
  if (mapping->types.empty() && mapping->type.empty())
    mapping->types.push_back({type, std::nullopt});
}

// All columns of a .item or .user file but the id.
std::vector<FieldColumn> AllFieldsBut(const Header& header, std::string_view id) {
  std::vector<FieldColumn> fields;
  for (std::size_t i = 0; i < header.names.size(); ++i) {
    const std::string& name = header.names[i];
    if (name != id) fields.push_back({name, name, header.kinds[i], kListSeparator});
  }
  return fields;
}

absl::StatusOr<ColumnMapping> MappingFor(const SourceOptions& options, const Header& header) {
  ColumnMapping mapping = options.mapping;
  const std::string_view path = options.path;
  const auto is_of = [path](std::string_view extension) {
    return path.ends_with(extension) || path.ends_with(StrCat(extension, ".gz")) ||
           path.ends_with(StrCat(extension, ".zst"));
  };
  if (is_of(".inter")) {
    FillInteractionMapping(header, options.sequence_type, &mapping);
    return mapping;
  }
  ColumnMapping entity;
  entity.missing_values = mapping.missing_values;
  if (is_of(".item")) {
    entity.item = header.Has(mapping.item) ? mapping.item : "item_id";
    entity.item_upper_case = mapping.item_upper_case;
    entity.item_fields = AllFieldsBut(header, entity.item);
    return entity;
  }
  if (is_of(".user")) {
    entity.user = header.Has(mapping.user) ? mapping.user : "user_id";
    entity.user_fields = AllFieldsBut(header, entity.user);
    return entity;
  }
  return InvalidArgument("a RecBole atomic file ends in .inter, .item or .user");
}

class RecBoleSource final : public TextSource {
 public:
  explicit RecBoleSource(std::unique_ptr<ByteSource> bytes) : TextSource(std::move(bytes)) {}

  absl::Status Open(const SourceOptions& options) {
    std::string_view line;
    FOURFOLD_ASSIGN_OR_RETURN(const LineReader::Outcome outcome, lines().Next(&line));
    if (outcome != LineReader::Outcome::kLine)
      return InvalidArgument("the file has no header line");
    FOURFOLD_ASSIGN_OR_RETURN(Header header, ParseHeader(line));
    columns_ = header.names.size();
    FOURFOLD_ASSIGN_OR_RETURN(ColumnMapping mapping, MappingFor(options, header));
    FOURFOLD_ASSIGN_OR_RETURN(mapper_,
                              RowMapper::Make(std::move(mapping), std::move(header.names)));
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<bool> ReadRecord() override {
    std::string_view line;
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_line, ReadLine(&line));
    if (!has_line) return false;
    const std::vector<std::string_view> cells = SplitColumns(line);
    events_.clear();
    std::optional<EventProblem> problem;
    if (cells.size() != columns_) {
      problem = EventProblem{"", StrCat("has ", cells.size(), " columns instead of ", columns_)};
    } else {
      problem = mapper_->Map(cells, &events_);
    }
    if (problem) {
      Reject(MakeRejectedLine(lines().line_number(), problem->field, problem->reason, line));
      return true;
    }
    if (events_.empty()) CountSkipped();
    for (Event& event : events_) Emit(std::move(event));
    return true;
  }

  std::optional<RowMapper> mapper_;
  std::size_t columns_ = 0;
  std::vector<Event> events_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenRecBoleSource(const SourceOptions& options,
                                                               std::unique_ptr<ByteSource> bytes) {
  auto source = std::make_unique<RecBoleSource>(std::move(bytes));
  FOURFOLD_RETURN_IF_ERROR(source->Open(options));
  return source;
}

}  // namespace fourfold
