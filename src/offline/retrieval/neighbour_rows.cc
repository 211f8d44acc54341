#include "offline/retrieval/neighbour_rows.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace fourfold {
namespace {

// Small enough to share out popular items, large enough to make an accumulator over all items worth
// its while.
std::size_t ItemsPerPiece(std::size_t items) { return std::max<std::size_t>(256, items / 64); }

}  // namespace

bool StandsBefore(const Neighbour& a, const Neighbour& b) {
  return a.score > b.score || (a.score == b.score && a.item < b.item);
}

void KeepBest(std::size_t limit, std::vector<Neighbour>* row) {
  std::erase_if(*row, [](const Neighbour& neighbour) {
    return !(neighbour.score > 0) || !std::isfinite(neighbour.score);
  });
  if (limit > 0 && row->size() > limit) {
    std::nth_element(row->begin(), row->begin() + static_cast<std::ptrdiff_t>(limit), row->end(),
                     StandsBefore);
    row->resize(limit);
  }
  std::sort(row->begin(), row->end(), StandsBefore);
  row->shrink_to_fit();
}

ItemToItemMap BuildItemToItemMap(std::size_t items, int neighbours, int threads,
                                 const RowFunction& row_of) {
  std::vector<std::vector<Neighbour>> rows(items);
  ForEachPiece(items, ItemsPerPiece(items), threads, [&](std::size_t begin, std::size_t end) {
    SparseSums sums(items);
    for (std::size_t item = begin; item < end; ++item) {
      rows[item] = row_of(static_cast<std::uint32_t>(item), &sums);
      KeepBest(static_cast<std::size_t>(std::max(neighbours, 0)), &rows[item]);
    }
  });
  return ItemToItemMap::FromRows(rows);
}

}  // namespace fourfold
