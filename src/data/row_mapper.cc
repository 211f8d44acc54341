#include "data/row_mapper.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace fourfold {
namespace {

using Problem = std::optional<EventProblem>;
using Kind = ColumnMapping::FieldColumn::Kind;

Problem ReadNumber(std::string_view cell, FieldValue* value) {
  double number = 0;
  const char* const end = cell.data() + cell.size();
  const auto [parsed_to, error] = std::from_chars(cell.data(), end, number);
  if (error != std::errc() || parsed_to != end || !std::isfinite(number)) {
    return EventProblem{"", StrCat("\"", cell, "\" is not a number")};
  }
  *value = number;
  return std::nullopt;
}

Problem ReadBoolean(std::string_view cell, FieldValue* value) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(cell));
  const bool is_true = lower == "true" || lower == "1";
  if (!is_true && lower != "false" && lower != "0") {
    return EventProblem{"", StrCat("\"", cell, "\" is none of true, false, 1, 0")};
  }
  *value = is_true;
  return std::nullopt;
}

std::vector<std::string> SplitList(std::string_view cell, std::string_view separator) {
  std::vector<std::string> elements;
  while (!cell.empty()) {
    const std::size_t end = cell.find(separator);
    if (end != 0) elements.emplace_back(cell.substr(0, end));
    if (end == std::string_view::npos) break;
    cell.remove_prefix(end + separator.size());
  }
  return elements;
}

Problem ReadNumberList(std::string_view cell, std::string_view separator, FieldValue* value) {
  std::vector<double> numbers;
  for (const std::string& element : SplitList(cell, separator)) {
    FieldValue number;
    if (Problem problem = ReadNumber(element, &number)) return problem;
    numbers.push_back(std::get<double>(number));
  }
  *value = std::move(numbers);
  return std::nullopt;
}

// Never 0, which stands for nothing said.
std::uint64_t HashOf(std::string_view text) { return StableHash(text) | 1; }

}  // namespace

void RowMapper::Remembered::Configure(std::size_t fields, std::size_t entities_max) {
  fields_ = fields;
  entities_max_ = entities_max;
}

absl::Span<std::uint64_t> RowMapper::Remembered::Find(std::string_view entity, bool* is_new) {
  auto known = entities_.find(entity);
  *is_new = known == entities_.end();
  if (*is_new) {
    if (entities_.size() == entities_max_) {
      entities_.clear();
      hashes_.clear();
    }
    known = entities_.emplace(entity, hashes_.size()).first;
    hashes_.resize(hashes_.size() + fields_);
  }
  return absl::MakeSpan(hashes_).subspan(known->second, fields_);
}

void RowMapper::Remembered::Forget(std::string_view entity) {
  entities_.erase(entities_.find(entity));
  hashes_.resize(hashes_.size() - fields_);
}

absl::StatusOr<RowMapper> RowMapper::Make(ColumnMapping mapping, std::vector<std::string> columns,
                                          std::size_t remembered_max) {
  RowMapper mapper;
  mapper.columns_ = std::move(columns);
  std::vector<std::string> sorted = mapper.columns_;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) return InvalidArgument("column \"", *twice, "\" stands twice");
  mapper.values_.resize(mapper.columns_.size());
  mapper.is_in_condition_.resize(mapper.columns_.size());
  FOURFOLD_RETURN_IF_ERROR(mapper.Bind(std::move(mapping)));
  mapper.items_.Configure(mapper.item_fields_.size() + mapper.derived_item_fields_.size(),
                          remembered_max);
  mapper.users_.Configure(mapper.user_fields_.size(), remembered_max);
  return mapper;
}

absl::Status RowMapper::Bind(ColumnMapping mapping) {
  const std::pair<const std::string*, std::size_t*> roles[] = {
      {&mapping.user, &user_},         {&mapping.session, &session_},     {&mapping.item, &item_},
      {&mapping.time, &time_},         {&mapping.tie_group, &tie_group_}, {&mapping.step, &step_},
      {&mapping.event_id, &event_id_}, {&mapping.ranking, &ranking_}};
  for (const auto& [name, column] : roles) {
    if (name->empty()) continue;
    FOURFOLD_ASSIGN_OR_RETURN(*column, FindColumn(*name, "the mapping"));
  }
  FOURFOLD_ASSIGN_OR_RETURN(time_format_, TimeFormat::Make(mapping.time_format));
  item_upper_case_ = mapping.item_upper_case;
  missing_values_ = std::move(mapping.missing_values);
  for (ColumnMapping::TypeRule& rule : mapping.types) {
    FOURFOLD_ASSIGN_OR_RETURN(Condition when,
                              BindCondition(std::move(rule.when), StrCat("type ", rule.type)));
    types_.push_back({std::move(rule.type), std::move(when)});
  }
  FOURFOLD_RETURN_IF_ERROR(BindFields(std::move(mapping.interaction_fields), "interaction_fields",
                                      &interaction_fields_));
  FOURFOLD_RETURN_IF_ERROR(
      BindFields(std::move(mapping.item_fields), "item_fields", &item_fields_));
  FOURFOLD_RETURN_IF_ERROR(
      BindFields(std::move(mapping.user_fields), "user_fields", &user_fields_));
  FOURFOLD_ASSIGN_OR_RETURN(item_fields_when_,
                            BindCondition(std::move(mapping.item_fields_when), "item_fields_when"));
  for (ColumnMapping::DerivedField& derived : mapping.derived_item_fields) {
    DerivedField& bound = derived_item_fields_.emplace_back();
    bound.field = std::move(derived.field);
    for (ColumnMapping::DerivedField::Rule& rule : derived.rules) {
      FOURFOLD_ASSIGN_OR_RETURN(
          Condition when,
          BindCondition(std::move(rule.when), StrCat("derived item field ", bound.field)));
      bound.rules.push_back({std::move(rule.value), std::move(when)});
    }
  }
  if (!types_.empty()) {
    if (item_ == kNoColumn) return InvalidArgument("the mapping names no column for the item");
    if (time_ == kNoColumn) return InvalidArgument("the mapping names no column for the time");
    if (user_ == kNoColumn && session_ == kNoColumn) {
      return InvalidArgument("the mapping names no column for the user or the session");
    }
  }
  if (item_ == kNoColumn && !(item_fields_.empty() && derived_item_fields_.empty())) {
    return InvalidArgument("the mapping has item fields but names no column for the item");
  }
  if (user_ == kNoColumn && !user_fields_.empty()) {
    return InvalidArgument("the mapping has user fields but names no column for the user");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> RowMapper::FindColumn(std::string_view name,
                                                  std::string_view what) const {
  const auto column = std::find(columns_.begin(), columns_.end(), name);
  if (column != columns_.end()) return static_cast<std::size_t>(column - columns_.begin());
  std::string known;
  for (const std::string& other : columns_) StrAppend(&known, known.empty() ? "" : ", ", other);
  return InvalidArgument(what, ": no column \"", name, "\"; the file has: ", known);
}

absl::StatusOr<RowMapper::Condition> RowMapper::BindCondition(std::optional<Expression> expression,
                                                              std::string_view what) {
  Condition condition;
  if (!expression) return condition;
  for (const std::string& name : expression->field_names()) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t column,
                              FindColumn(name, StrCat(what, ": ", expression->text())));
    is_in_condition_[column] = true;
    condition.columns.push_back(column);
  }
  condition.expression = std::move(expression);
  return condition;
}

absl::Status RowMapper::BindFields(std::vector<ColumnMapping::FieldColumn> fields,
                                   std::string_view what, std::vector<BoundField>* bound) {
  for (ColumnMapping::FieldColumn& field : fields) {
    const bool is_list = field.kind == Kind::kList || field.kind == Kind::kNumberList;
    if (is_list && field.list_separator.empty()) {
      return InvalidArgument(what, ": field ", field.field, " has an empty list_separator");
    }
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t column, FindColumn(field.column, what));
    bound->push_back({std::move(field.field), column, field.kind, std::move(field.list_separator)});
  }
  return absl::OkStatus();
}

void RowMapper::SetCells(absl::Span<const std::string_view> cells) {
  cells_ = cells;
  for (std::size_t column = 0; column < cells.size(); ++column) {
    if (!is_in_condition_[column]) continue;
    const std::string_view cell = Cell(column);
    if (cell.empty()) {
      values_[column] = std::monostate();
    } else if (auto* text = std::get_if<std::string>(&values_[column])) {
      text->assign(cell);
    } else {
      values_[column] = std::string(cell);
    }
  }
  item_id_.assign(Cell(item_));
  if (item_upper_case_) absl::AsciiStrToUpper(&item_id_);
}

// Empty where the mapping names no column, or the cell counts as empty.
std::string_view RowMapper::Cell(std::size_t column) const {
  if (column == kNoColumn) return {};
  const std::string_view cell = cells_[column];
  const bool is_missing =
      std::find(missing_values_.begin(), missing_values_.end(), cell) != missing_values_.end();
  return is_missing ? std::string_view() : cell;
}

bool RowMapper::Holds(const Condition& condition) {
  if (!condition.expression) return true;
  arguments_.clear();
  for (const std::size_t column : condition.columns) arguments_.push_back(&values_[column]);
  return condition.expression->EvaluateValues(arguments_);
}

Problem RowMapper::Map(absl::Span<const std::string_view> cells, std::vector<Event>* events) {
  SetCells(cells);
  std::int64_t time_ms = kNoTimeMs;
  if (Problem problem = ReadTime(&time_ms)) return problem;
  const std::size_t first = events->size();
  News item_news;
  News user_news;
  Problem problem = MakeItem(time_ms, &item_news, events);
  if (!problem) problem = MakeUser(time_ms, &user_news, events);
  if (!problem) problem = MakeInteraction(time_ms, events);
  if (!problem) problem = CheckRow(absl::MakeSpan(*events).subspan(first));
  if (problem) {
    events->resize(first);
    if (item_news.is_new_entity) items_.Forget(item_id_);
    if (user_news.is_new_entity) users_.Forget(Cell(user_));
    return problem;
  }
  for (const News* news : {&item_news, &user_news}) {
    for (const auto& [field, hash] : news->hashes) news->remembered[field] = hash;
  }
  return std::nullopt;
}

Problem RowMapper::ReadTime(std::int64_t* time_ms) const {
  const std::string_view cell = Cell(time_);
  if (cell.empty()) return std::nullopt;
  const auto parsed = time_format_->Parse(cell);
  if (!parsed.ok()) return EventProblem{columns_[time_], std::string(MessageOf(parsed.status()))};
  *time_ms = *parsed;
  return std::nullopt;
}

Problem RowMapper::ReadField(const BoundField& bound, Field* field) const {
  const std::string_view cell = Cell(bound.column);
  field->name = bound.field;
  Problem problem;
  switch (bound.kind) {
    case Kind::kString:
      field->value = std::string(cell);
      break;
    case Kind::kNumber:
      problem = ReadNumber(cell, &field->value);
      break;
    case Kind::kBoolean:
      problem = ReadBoolean(cell, &field->value);
      break;
    case Kind::kList:
      field->value = SplitList(cell, bound.list_separator);
      break;
    case Kind::kNumberList:
      problem = ReadNumberList(cell, bound.list_separator, &field->value);
      break;
  }
  if (problem) problem->field = columns_[bound.column];
  return problem;
}

Problem RowMapper::ReadNews(const std::vector<BoundField>& fields, std::string_view entity,
                            Remembered* remembered, News* news) const {
  news->remembered = remembered->Find(entity, &news->is_new_entity);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view cell = Cell(fields[i].column);
    if (cell.empty()) continue;
    const std::uint64_t hash = HashOf(cell);
    if (news->remembered[i] == hash) continue;
    news->hashes.emplace_back(i, hash);
    if (Problem problem = ReadField(fields[i], &news->fields.emplace_back())) return problem;
  }
  return std::nullopt;
}

void RowMapper::AddDerived(News* news) {
  for (std::size_t i = 0; i < derived_item_fields_.size(); ++i) {
    const DerivedField& derived = derived_item_fields_[i];
    for (std::size_t r = 0; r < derived.rules.size(); ++r) {
      if (!Holds(derived.rules[r].when)) continue;
      // The rule stands for its value.
      const std::uint64_t hash = r + 1;
      const std::size_t slot = item_fields_.size() + i;
      if (news->remembered[slot] != hash) {
        news->hashes.emplace_back(slot, hash);
        news->fields.push_back({derived.field, derived.rules[r].value});
      }
      break;
    }
  }
}

Problem RowMapper::MakeItem(std::int64_t time_ms, News* news, std::vector<Event>* events) {
  if (item_fields_.empty() && derived_item_fields_.empty() && !types_.empty()) return std::nullopt;
  if (item_ == kNoColumn || !Holds(item_fields_when_)) return std::nullopt;
  if (item_id_.empty()) return EventProblem{columns_[item_], "is empty"};
  if (Problem problem = ReadNews(item_fields_, item_id_, &items_, news)) return problem;
  AddDerived(news);
  if (!news->is_new_entity && news->fields.empty()) return std::nullopt;
  Event& event = events->emplace_back();
  event.kind = EventKind::kItem;
  event.event_time_ms = time_ms;
  event.item = item_id_;
  event.fields = std::move(news->fields);
  return std::nullopt;
}

Problem RowMapper::MakeUser(std::int64_t time_ms, News* news, std::vector<Event>* events) {
  if (user_ == kNoColumn || (user_fields_.empty() && !types_.empty())) return std::nullopt;
  const std::string_view user = Cell(user_);
  if (user.empty()) {
    if (!types_.empty()) return std::nullopt;
    return EventProblem{columns_[user_], "is empty"};
  }
  if (Problem problem = ReadNews(user_fields_, user, &users_, news)) return problem;
  if (!news->is_new_entity && news->fields.empty()) return std::nullopt;
  Event& event = events->emplace_back();
  event.kind = EventKind::kUser;
  event.event_time_ms = time_ms;
  event.user = user;
  event.fields = std::move(news->fields);
  return std::nullopt;
}

Problem RowMapper::MakeInteraction(std::int64_t time_ms, std::vector<Event>* events) {
  const auto rule = std::find_if(types_.begin(), types_.end(),
                                 [this](const TypeRule& type) { return Holds(type.when); });
  if (rule == types_.end()) return std::nullopt;
  if (time_ms == kNoTimeMs) return EventProblem{columns_[time_], "is empty"};
  Event& event = events->emplace_back();
  event.kind = EventKind::kInteraction;
  event.event_time_ms = time_ms;
  event.type = rule->type;
  event.item = item_id_;
  event.id = Cell(event_id_);
  event.user = Cell(user_);
  event.session = Cell(session_);
  event.ranking = Cell(ranking_);
  event.tie_group = Cell(tie_group_);
  if (const std::string_view step = Cell(step_); !step.empty()) {
    const char* const end = step.data() + step.size();
    const auto [parsed_to, error] = std::from_chars(step.data(), end, event.step);
    if (error != std::errc() || parsed_to != end) {
      return EventProblem{columns_[step_], StrCat("\"", step, "\" is not a whole number")};
    }
  }
  for (const BoundField& bound : interaction_fields_) {
    if (Cell(bound.column).empty()) continue;
    if (Problem problem = ReadField(bound, &event.fields.emplace_back())) return problem;
  }
  return std::nullopt;
}

Problem RowMapper::CheckRow(absl::Span<const Event> events) const {
  for (const Event& event : events) {
    if (Problem problem = FindProblem(event)) {
      problem->field = ColumnOf(problem->field);
      return problem;
    }
  }
  return std::nullopt;
}

// The column that a key of the event was read from, or the key where there is none.
std::string RowMapper::ColumnOf(std::string_view event_field) const {
  const std::pair<std::string_view, std::size_t> roles[] = {
      {"user", user_},           {"session", session_}, {"item", item_},   {"timestamp", time_},
      {"tie_group", tie_group_}, {"step", step_},       {"id", event_id_}, {"ranking", ranking_}};
  for (const auto& [field, column] : roles) {
    if (field == event_field && column != kNoColumn) return columns_[column];
  }
  constexpr std::string_view kFieldsPrefix = "fields.";
  if (event_field.starts_with(kFieldsPrefix)) {
    const std::string_view name = event_field.substr(kFieldsPrefix.size());
    for (const auto* fields : {&interaction_fields_, &item_fields_, &user_fields_}) {
      for (const BoundField& bound : *fields) {
        if (bound.field == name) return columns_[bound.column];
      }
    }
  }
  return std::string(event_field);
}

}  // namespace fourfold
