#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/strings.h"
#include "data/event_check.h"
#include "data/event_source.h"
#include "data/field_column.h"
#include "data/timestamp.h"

namespace fourfold {

// Turns rows of a table into events by a ColumnMapping. Not thread-safe.
class RowMapper {
 public:
  // Binds the mapping to a table's columns. InvalidArgument names a column that is missing, stands
  // twice, or is needed and not named.
  static absl::StatusOr<RowMapper> Make(ColumnMapping mapping, std::vector<std::string> columns,
                                        std::size_t remembered_max = kRememberedEntitiesMax);

  // Appends the row's events: of the item, of the user, the ranking, the interaction; none where no
  // rule holds and the row shows and says nothing new. A row with a problem (its `field` is the
  // column's name) makes no event and is as if it had not been read. Cells are as many as columns,
  // of UTF-8.
  std::optional<EventProblem> Map(absl::Span<const std::string_view> cells,
                                  std::vector<Event>* events);

 private:
  static constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);

  struct Condition {
    std::optional<Expression> expression;  // nothing: always
    std::vector<std::size_t> columns;      // of its field names
  };
  struct TypeRule {
    std::string type;
    Condition when;
  };
  struct DerivedRule {
    FieldValue value;
    Condition when;
  };
  struct DerivedField {
    std::string field;
    std::vector<DerivedRule> rules;
  };

  // What the rows so far said of each item or user: a hash per field, 0 where nothing was said.
  class Remembered {
   public:
    void Configure(std::size_t fields, std::size_t entities_max);
    // The hashes of an entity, to be read and written; *is_new where it was not known.
    absl::Span<std::uint64_t> Find(std::string_view entity, bool* is_new);
    void Forget(std::string_view entity);  // the entity that Find just added

   private:
    std::size_t fields_ = 0;
    std::size_t entities_max_ = 0;
    StringMap<std::size_t> entities_;
    std::vector<std::uint64_t> hashes_;
  };

  // What a row says of an entity beyond what is remembered, not yet remembered itself.
  struct News {
    bool is_new_entity = false;
    absl::Span<std::uint64_t> remembered;
    std::vector<std::pair<std::size_t, std::uint64_t>> hashes;
    std::vector<Field> fields;
  };

  RowMapper() = default;
  absl::Status Bind(ColumnMapping mapping);
  absl::StatusOr<std::size_t> FindColumn(std::string_view name, std::string_view what) const;
  absl::StatusOr<Condition> BindCondition(std::optional<Expression> expression,
                                          std::string_view what);
  absl::Status BindFields(std::vector<ColumnMapping::FieldColumn> fields, std::string_view what,
                          std::vector<FieldColumnReader>* bound);
  absl::Status BindImpressions(ColumnMapping::Impressions impressions);
  absl::Status CheckRoles() const;

  // Rows of a file without them are about items or users alone.
  bool makes_actions() const { return makes_interactions_ || impressions_ != kNoColumn; }
  void SetCells(absl::Span<const std::string_view> cells);
  std::string_view Cell(std::size_t column) const;
  bool Holds(const Condition& condition);
  std::optional<EventProblem> ReadTime(std::int64_t* time_ms) const;
  std::optional<EventProblem> ReadFields(const std::vector<FieldColumnReader>& columns,
                                         std::vector<Field>* fields) const;
  std::optional<EventProblem> ReadNews(const std::vector<FieldColumnReader>& fields,
                                       std::string_view entity, Remembered* remembered,
                                       News* news) const;
  void AddDerived(News* news);
  std::optional<EventProblem> MakeItem(std::int64_t time_ms, News* news,
                                       std::vector<Event>* events);
  std::optional<EventProblem> MakeUser(std::int64_t time_ms, News* news,
                                       std::vector<Event>* events);
  // The part that a row's ranking and its interaction have in common.
  std::optional<EventProblem> SetMoment(std::int64_t time_ms, Event* event) const;
  std::optional<EventProblem> MakeRanking(std::int64_t time_ms, std::vector<Event>* events);
  std::optional<EventProblem> ReadImpressions(std::vector<RankedItem>* items);
  std::optional<EventProblem> MakeInteraction(std::int64_t time_ms, std::vector<Event>* events);
  std::string_view TypeOfRow();
  std::optional<EventProblem> CheckRow(absl::Span<const Event> events) const;
  std::string ColumnOf(std::string_view event_field) const;

  std::vector<std::string> columns_;
  std::vector<std::string> missing_values_;
  std::size_t user_ = kNoColumn, session_ = kNoColumn, item_ = kNoColumn, time_ = kNoColumn,
              tie_group_ = kNoColumn, step_ = kNoColumn, event_id_ = kNoColumn,
              ranking_ = kNoColumn, type_ = kNoColumn, impressions_ = kNoColumn;
  std::optional<TimeFormat> time_format_;
  bool item_upper_case_ = false;
  std::vector<TypeRule> types_;
  bool makes_interactions_ = false;
  std::vector<FieldColumnReader> interaction_fields_, item_fields_, user_fields_;
  Condition item_fields_when_;
  std::vector<DerivedField> derived_item_fields_;
  std::string impressions_separator_;
  std::vector<FieldColumnReader> impression_fields_, slate_fields_;
  Remembered items_, users_;

  // The row at hand.
  absl::Span<const std::string_view> cells_;
  std::string item_id_;
  std::string ranking_id_;  // of the slate that it shows or answers
  std::vector<std::string_view> elements_;
  std::vector<FieldValue> values_;  // of the columns that conditions name
  std::vector<bool> is_in_condition_;
  std::vector<const FieldValue*> arguments_;
};

}  // namespace fourfold
