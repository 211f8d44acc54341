#include "model/transact/frozen_items.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "base/check.h"
#include "model/transact/code_table.h"

namespace fourfold {
namespace {

bool AreFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

std::uint32_t FrozenItems::KeyOf(std::size_t field, float code) {
  return static_cast<std::uint32_t>(field * CodeTable::kCodesMax) +
         static_cast<std::uint32_t>(code);
}

absl::StatusOr<std::shared_ptr<const FrozenItems>> FrozenItems::Make(Parts parts) {
  if (parts.dimension == 0 || parts.fields.size() > kFieldsMax ||
      parts.codes_per_field > kCodesPerFieldMax ||
      (parts.codes_per_field == 0) != parts.fields.empty()) {
    return InvalidArgument("frozen items: no dimension, or other fields than codes");
  }
  if (parts.vectors.size() != parts.items.size() * parts.dimension ||
      parts.side_vectors.size() != parts.keys.size() * parts.dimension) {
    return InvalidArgument("frozen items: not one vector an item and code");
  }
  if (!AreFinite(parts.vectors) || !AreFinite(parts.side_vectors)) {
    return InvalidArgument("frozen items: a number is not finite");
  }
  if (!std::is_sorted(parts.keys.begin(), parts.keys.end(), std::less_equal<>()) ||
      (!parts.keys.empty() && parts.keys.back() >= parts.fields.size() * CodeTable::kCodesMax)) {
    return InvalidArgument("frozen items: codes do not rise, or are of no field");
  }
  auto frozen = std::shared_ptr<FrozenItems>(new FrozenItems(std::move(parts)));
  const std::vector<std::string>& items = frozen->parts_.items;
  for (std::size_t row = 0; row < items.size(); ++row) {
    if (!frozen->rows_.emplace(items[row], row).second) {
      return InvalidArgument("frozen items: ", items[row], " stands twice");
    }
  }
  return std::shared_ptr<const FrozenItems>(std::move(frozen));
}

std::optional<std::size_t> FrozenItems::RowOf(std::string_view item) const {
  const auto found = rows_.find(item);
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

bool FrozenItems::AddField(std::size_t field, std::span<const float> codes,
                           std::span<float> vector) const {
  std::size_t known[kCodesPerFieldMax], count = 0;
  for (const float code : codes) {
    // NaN is no code.
    if (!(code >= 0 && code < static_cast<float>(CodeTable::kCodesMax))) continue;
    const std::uint32_t key = KeyOf(field, code);
    const auto found = std::lower_bound(parts_.keys.begin(), parts_.keys.end(), key);
    if (found == parts_.keys.end() || *found != key) continue;
    known[count++] = static_cast<std::size_t>(found - parts_.keys.begin());
  }
  for (std::size_t i = 0; i < count; ++i) {
    const float* const of_code = parts_.side_vectors.data() + known[i] * parts_.dimension;
    for (std::size_t d = 0; d < parts_.dimension; ++d) {
      vector[d] += of_code[d] / static_cast<float>(count);
    }
  }
  return count > 0;
}

void FrozenItems::Fill(std::optional<std::size_t> row, std::span<const float> codes,
                       std::span<float> vector) const {
  FOURFOLD_CHECK(codes.size() == item_codes() && vector.size() == parts_.dimension);
  if (row.has_value()) {
    const float* const own = parts_.vectors.data() + *row * parts_.dimension;
    std::copy_n(own, parts_.dimension, vector.begin());
    return;
  }
  std::fill(vector.begin(), vector.end(), 0.0F);
  bool is_known = false;
  for (std::size_t field = 0; field < parts_.fields.size(); ++field) {
    is_known |= AddField(
        field, codes.subspan(field * parts_.codes_per_field, parts_.codes_per_field), vector);
  }
  if (!is_known) return;
  // The sum over the fields has the direction of their mean.
  double squares = 0;
  for (const float value : vector) squares += double{value} * double{value};
  if (!(squares > 0)) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(double{value} * scale);
}

}  // namespace fourfold
