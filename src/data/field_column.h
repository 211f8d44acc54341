#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "data/event_check.h"
#include "data/event_source.h"

namespace re2 {
class RE2;
}

namespace fourfold {

// Cells of one column of a table as values of one field. Not changed once made; thread-safe.
class FieldColumnReader {
 public:
  // `column` is the place in the table. InvalidArgument for a list without a separator and for a
  // bad pattern.
  static absl::StatusOr<FieldColumnReader> Make(ColumnMapping::FieldColumn mapping,
                                                std::size_t column);
  FieldColumnReader(FieldColumnReader&&) noexcept;
  FieldColumnReader& operator=(FieldColumnReader&&) noexcept;
  ~FieldColumnReader();

  const std::string& field() const { return mapping_.field; }
  std::size_t column() const { return column_; }
  const std::string& list_separator() const { return mapping_.list_separator; }

  // The part of a cell that says something: all of it, or what the pattern captures. Empty:
  // nothing.
  std::string_view Said(std::string_view cell) const;
  // The value of what Said gave. A problem has no field.
  std::optional<EventProblem> Read(std::string_view said, FieldValue* value) const;

 private:
  FieldColumnReader(ColumnMapping::FieldColumn mapping, std::size_t column);

  ColumnMapping::FieldColumn mapping_;
  std::size_t column_;
  std::unique_ptr<re2::RE2> pattern_;  // null: none
};

// The elements of a list with the empty ones, so that parallel lists stay parallel. An empty cell
// has none. The separator is not empty.
void SplitParallelList(std::string_view cell, std::string_view separator,
                       std::vector<std::string_view>* elements);

}  // namespace fourfold
