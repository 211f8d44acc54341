#include "data/row_mapper.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "data/event_id.h"

namespace fourfold {
namespace {

using Problem = std::optional<EventProblem>;
using Kind = ColumnMapping::FieldColumn::Kind;

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
  ranking_id_.assign(Cell(ranking_));
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
  if (!problem) problem = MakeRanking(time_ms, events);
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

Problem RowMapper::ReadFields(const std::vector<FieldColumnReader>& columns,
                              std::vector<Field>* fields) const {
  for (const FieldColumnReader& column : columns) {
    const std::string_view said = column.Said(Cell(column.column()));
    if (said.empty()) continue;
    Field& field = fields->emplace_back(Field{column.field(), {}});
    if (Problem problem = column.Read(said, &field.value)) {
      problem->field = columns_[column.column()];
      return problem;
    }
  }
  return std::nullopt;
}

Problem RowMapper::ReadNews(const std::vector<FieldColumnReader>& fields, std::string_view entity,
                            Remembered* remembered, News* news) const {
  news->remembered = remembered->Find(entity, &news->is_new_entity);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view said = fields[i].Said(Cell(fields[i].column()));
    if (said.empty()) continue;
    const std::uint64_t hash = HashOf(said);
    if (news->remembered[i] == hash) continue;
    news->hashes.emplace_back(i, hash);
    Field& field = news->fields.emplace_back(Field{fields[i].field(), {}});
    if (Problem problem = fields[i].Read(said, &field.value)) {
      problem->field = columns_[fields[i].column()];
      return problem;
    }
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
  if (item_fields_.empty() && derived_item_fields_.empty() && makes_actions()) {
    return std::nullopt;
  }
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
  if (user_ == kNoColumn || (user_fields_.empty() && makes_actions())) return std::nullopt;
  const std::string_view user = Cell(user_);
  if (user.empty()) {
    if (makes_actions()) return std::nullopt;
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

Problem RowMapper::SetMoment(std::int64_t time_ms, Event* event) const {
  if (time_ms == kNoTimeMs) return EventProblem{columns_[time_], "is empty"};
  event->event_time_ms = time_ms;
  event->user = Cell(user_);
  event->session = Cell(session_);
  event->tie_group = Cell(tie_group_);
  if (const std::string_view step = Cell(step_); !step.empty()) {
    const char* const end = step.data() + step.size();
    const auto [parsed_to, error] = std::from_chars(step.data(), end, event->step);
    if (error != std::errc() || parsed_to != end) {
      return EventProblem{columns_[step_], StrCat("\"", step, "\" is not a whole number")};
    }
  }
  return std::nullopt;
}

Problem RowMapper::MakeRanking(std::int64_t time_ms, std::vector<Event>* events) {
  if (Cell(impressions_).empty()) return std::nullopt;
  Event& event = events->emplace_back();
  event.kind = EventKind::kRanking;
  if (Problem problem = SetMoment(time_ms, &event)) return problem;
  if (Problem problem = ReadImpressions(&event.items)) return problem;
  if (Problem problem = ReadFields(slate_fields_, &event.fields)) return problem;
  if (ranking_id_.empty()) ranking_id_ = ContentId(event, 0);
  event.id = ranking_id_;
  return std::nullopt;
}

Problem RowMapper::ReadImpressions(std::vector<RankedItem>* items) {
  SplitParallelList(Cell(impressions_), impressions_separator_, &elements_);
  items->resize(elements_.size());
  for (std::size_t i = 0; i < items->size(); ++i) {
    RankedItem& item = (*items)[i];
    item.item = elements_[i];
    if (item_upper_case_) absl::AsciiStrToUpper(&item.item);
  }
  for (const FieldColumnReader& column : impression_fields_) {
    SplitParallelList(Cell(column.column()), column.list_separator(), &elements_);
    if (elements_.empty()) continue;
    if (elements_.size() != items->size()) {
      return EventProblem{columns_[column.column()],
                          StrCat("has ", elements_.size(), " elements, but ",
                                 columns_[impressions_], " has ", items->size())};
    }
    for (std::size_t i = 0; i < items->size(); ++i) {
      const std::string_view said = column.Said(elements_[i]);
      if (said.empty()) continue;
      Field& field = (*items)[i].fields.emplace_back(Field{column.field(), {}});
      if (Problem problem = column.Read(said, &field.value)) {
        problem->field = columns_[column.column()];
        problem->reason = StrCat("element ", i + 1, ": ", problem->reason);
        return problem;
      }
    }
  }
  return std::nullopt;
}

// Empty where the row makes no interaction.
std::string_view RowMapper::TypeOfRow() {
  if (types_.empty()) return Cell(type_);
  const auto rule = std::find_if(types_.begin(), types_.end(),
                                 [this](const TypeRule& type) { return Holds(type.when); });
  return rule == types_.end() ? std::string_view() : rule->type;
}

Problem RowMapper::MakeInteraction(std::int64_t time_ms, std::vector<Event>* events) {
  const std::string_view type = TypeOfRow();
  if (type.empty()) return std::nullopt;
  Event& event = events->emplace_back();
  event.kind = EventKind::kInteraction;
  if (Problem problem = SetMoment(time_ms, &event)) return problem;
  event.type = type;
  event.item = item_id_;
  event.id = Cell(event_id_);
  event.ranking = ranking_id_;
  return ReadFields(interaction_fields_, &event.fields);
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
      {"user", user_},           {"session", session_},  {"item", item_},   {"timestamp", time_},
      {"tie_group", tie_group_}, {"step", step_},        {"id", event_id_}, {"ranking", ranking_},
      {"type", type_},           {"items", impressions_}};
  for (const auto& [field, column] : roles) {
    if (field == event_field && column != kNoColumn) return columns_[column];
  }
  const bool of_impression = event_field.starts_with("items[");
  constexpr std::string_view kFields = "fields.";
  if (const std::size_t at = event_field.find(kFields); at != std::string_view::npos) {
    const std::string_view name = event_field.substr(at + kFields.size());
    const auto groups = of_impression ? std::vector{&impression_fields_}
                                      : std::vector{&interaction_fields_, &slate_fields_,
                                                    &item_fields_, &user_fields_};
    for (const auto* fields : groups) {
      for (const FieldColumnReader& column : *fields) {
        if (column.field() == name) return columns_[column.column()];
      }
    }
  }
  return of_impression ? columns_[impressions_] : std::string(event_field);
}

}  // namespace fourfold
