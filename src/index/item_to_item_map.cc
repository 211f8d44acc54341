#include "index/item_to_item_map.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

// The order of a row: better first, ties by smaller index. Strict, so no item stands twice.
bool StandsBefore(float score, std::uint32_t item, float next_score, std::uint32_t next_item) {
  return score > next_score || (score == next_score && item < next_item);
}

absl::Status CheckRows(std::span<const std::int64_t> offsets,
                       std::span<const std::uint32_t> neighbours, std::span<const float> scores) {
  if (offsets.empty() || offsets.size() - 1 > 0xffffffffu) return DataLoss("bad number of items");
  if (neighbours.size() != scores.size()) return DataLoss("neighbours and scores differ in length");
  const std::size_t items = offsets.size() - 1;
  if (offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(neighbours.size())) {
    return DataLoss("offsets do not span the neighbours");
  }
  for (std::size_t item = 0; item < items; ++item) {
    if (offsets[item] > offsets[item + 1]) return DataLoss("offsets fall at item ", item);
  }
  for (std::size_t item = 0; item < items; ++item) {
    const auto end = static_cast<std::size_t>(offsets[item + 1]);
    for (auto n = static_cast<std::size_t>(offsets[item]); n < end; ++n) {
      if (neighbours[n] >= items) return DataLoss("item ", item, " has a neighbour past the end");
      if (!std::isfinite(scores[n])) return DataLoss("item ", item, " has a score not finite");
      if (n + 1 < end &&
          !StandsBefore(scores[n], neighbours[n], scores[n + 1], neighbours[n + 1])) {
        return DataLoss("neighbours of item ", item, " are not in order");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct ItemToItemMap::Storage {
  // The elements lie in the file or, for a map made in memory, in the vectors.
  std::optional<SafetensorsFile> file;
  std::vector<std::int64_t> owned_offsets;
  std::vector<std::uint32_t> owned_neighbours;
  std::vector<float> owned_scores;

  std::span<const std::int64_t> offsets;
  std::span<const std::uint32_t> neighbours;
  std::span<const float> scores;

  template <typename T>
  std::span<const T> RowOf(std::uint32_t item, std::span<const T> column) const {
    FOURFOLD_CHECK(item + std::size_t{1} < offsets.size());
    const auto begin = static_cast<std::size_t>(offsets[item]);
    return column.subspan(begin, static_cast<std::size_t>(offsets[item + 1]) - begin);
  }
};

ItemToItemMap::ItemToItemMap(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
ItemToItemMap::ItemToItemMap(ItemToItemMap&&) noexcept = default;
ItemToItemMap& ItemToItemMap::operator=(ItemToItemMap&&) noexcept = default;
ItemToItemMap::~ItemToItemMap() = default;

ItemToItemMap ItemToItemMap::FromRows(const std::vector<std::vector<Neighbour>>& rows) {
  auto storage = std::make_unique<Storage>();
  std::size_t total = 0;
  for (const auto& row : rows) total += row.size();
  storage->owned_offsets.reserve(rows.size() + 1);
  storage->owned_neighbours.reserve(total);
  storage->owned_scores.reserve(total);
  storage->owned_offsets.push_back(0);
  for (const auto& row : rows) {
    for (const Neighbour& neighbour : row) {
      storage->owned_neighbours.push_back(neighbour.item);
      storage->owned_scores.push_back(neighbour.score);
    }
    storage->owned_offsets.push_back(static_cast<std::int64_t>(storage->owned_neighbours.size()));
  }
  storage->offsets = storage->owned_offsets;
  storage->neighbours = storage->owned_neighbours;
  storage->scores = storage->owned_scores;
  FOURFOLD_CHECK(CheckRows(storage->offsets, storage->neighbours, storage->scores).ok());
  return ItemToItemMap(std::move(storage));
}

absl::StatusOr<ItemToItemMap> ItemToItemMap::Open(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  const auto offsets = file.Find("offsets", Dtype::kI64);
  if (!offsets.ok()) return Annotate(offsets.status(), path);
  const auto neighbours = file.Find("neighbours", Dtype::kU32);
  if (!neighbours.ok()) return Annotate(neighbours.status(), path);
  const auto scores = file.Find("scores", Dtype::kF32);
  if (!scores.ok()) return Annotate(scores.status(), path);

  auto storage = std::make_unique<Storage>();
  storage->offsets = offsets->As<std::int64_t>();
  storage->neighbours = neighbours->As<std::uint32_t>();
  storage->scores = scores->As<float>();
  storage->file = std::move(file);
  const absl::Status sound = CheckRows(storage->offsets, storage->neighbours, storage->scores);
  if (!sound.ok()) return Annotate(sound, path);
  return ItemToItemMap(std::move(storage));
}

absl::Status ItemToItemMap::Save(const std::string& path) const {
  return WriteSafetensors(path, {MakeTensor("offsets", Dtype::kI64, storage_->offsets),
                                 MakeTensor("neighbours", Dtype::kU32, storage_->neighbours),
                                 MakeTensor("scores", Dtype::kF32, storage_->scores)});
}

std::uint32_t ItemToItemMap::items() const {
  return static_cast<std::uint32_t>(storage_->offsets.size() - 1);
}
std::span<const std::uint32_t> ItemToItemMap::NeighboursOf(std::uint32_t item) const {
  return storage_->RowOf(item, storage_->neighbours);
}
std::span<const float> ItemToItemMap::ScoresOf(std::uint32_t item) const {
  return storage_->RowOf(item, storage_->scores);
}

}  // namespace fourfold
