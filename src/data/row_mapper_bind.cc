#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "data/row_mapper.h"

// From a mapping's names of columns to their places in a table.
namespace fourfold {

using Kind = ColumnMapping::FieldColumn::Kind;

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
      {&mapping.event_id, &event_id_}, {&mapping.ranking, &ranking_},     {&mapping.type, &type_}};
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
  makes_interactions_ = !types_.empty() || type_ != kNoColumn;
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
  FOURFOLD_RETURN_IF_ERROR(BindImpressions(std::move(mapping.impressions)));
  return CheckRoles();
}

absl::Status RowMapper::BindImpressions(ColumnMapping::Impressions impressions) {
  if (impressions.column.empty()) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(impressions_, FindColumn(impressions.column, "impressions"));
  if (impressions.list_separator.empty()) {
    return InvalidArgument("impressions: list_separator is empty");
  }
  impressions_separator_ = std::move(impressions.list_separator);
  for (const ColumnMapping::FieldColumn& field : impressions.fields) {
    if (field.kind == Kind::kList || field.kind == Kind::kNumberList) {
      return InvalidArgument("impressions: field ", field.field,
                             ": a list of lists cannot be read");
    }
    if (field.list_separator.empty()) {
      return InvalidArgument("impressions: field ", field.field, " has an empty list_separator");
    }
  }
  FOURFOLD_RETURN_IF_ERROR(
      BindFields(std::move(impressions.fields), "impressions", &impression_fields_));
  return BindFields(std::move(impressions.slate_fields), "slate_fields", &slate_fields_);
}

// What each kind of event cannot do without.
absl::Status RowMapper::CheckRoles() const {
  if (makes_interactions_ || impressions_ != kNoColumn) {
    if (time_ == kNoColumn) return InvalidArgument("the mapping names no column for the time");
    if (user_ == kNoColumn && session_ == kNoColumn) {
      return InvalidArgument("the mapping names no column for the user or the session");
    }
  }
  if (makes_interactions_ && item_ == kNoColumn) {
    return InvalidArgument("the mapping names no column for the item");
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
                                   std::string_view what, std::vector<FieldColumnReader>* bound) {
  for (ColumnMapping::FieldColumn& field : fields) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t column, FindColumn(field.column, what));
    absl::StatusOr<FieldColumnReader> reader = FieldColumnReader::Make(std::move(field), column);
    if (!reader.ok()) return Annotate(reader.status(), what);
    bound->push_back(*std::move(reader));
  }
  return absl::OkStatus();
}

}  // namespace fourfold
