#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"

namespace fourfold {

// Vectors of items that a retriever learned once, of what came before a ranker's rows, and that the
// ranker takes as they are in place of learned ones:
//   an item that the retriever was trained on has its own;
//   any other the mean over its side fields of the mean of its values' vectors, of length 1, where
//     the retriever knows some of them;
//   one of which nothing is known has zeros.
// Values stand in a row as codes of the item (CodeTable), as many of each field as of the others,
// field after field. Immutable; thread-safe.
class FrozenItems {
 public:
  struct Parts {
    std::size_t dimension = 0;
    std::vector<std::string> items;  // each once
    std::vector<float> vectors;      // [items, dimension]
    std::vector<std::string> fields;
    std::size_t codes_per_field = 0;  // 0 without fields
    std::vector<std::uint32_t> keys;  // KeyOf the codes that are known, rising
    std::vector<float> side_vectors;  // [keys, dimension]
    friend bool operator==(const Parts&, const Parts&) = default;
  };
  static constexpr std::size_t kFieldsMax = 16, kCodesPerFieldMax = 16;
  // Of a code of the field at this place, which is below kFieldsMax.
  static std::uint32_t KeyOf(std::size_t field, float code);

  // InvalidArgument where the parts do not fit each other.
  static absl::StatusOr<std::shared_ptr<const FrozenItems>> Make(Parts parts);

  const Parts& parts() const { return parts_; }
  std::size_t dimension() const { return parts_.dimension; }
  std::size_t item_codes() const { return parts_.fields.size() * parts_.codes_per_field; }

  // None for an item that the retriever was not trained on.
  std::optional<std::size_t> RowOf(std::string_view item) const;
  // The vector of an item with this row and these item_codes().
  void Fill(std::optional<std::size_t> row, std::span<const float> codes,
            std::span<float> vector) const;

 private:
  explicit FrozenItems(Parts parts) : parts_(std::move(parts)) {}
  // Adds the mean of the vectors of the field's codes; false where none is known.
  bool AddField(std::size_t field, std::span<const float> codes, std::span<float> vector) const;

  const Parts parts_;
  StringMap<std::size_t> rows_;
};

}  // namespace fourfold
