#include "offline/retrieval/ease.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/parallel.h"
#include "base/status_macros.h"
#include "math/symmetric_inverse.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {
namespace {

constexpr std::size_t kRowsPerPiece = 32;
constexpr std::uint32_t kNoRow = 0xffffffffu;

// The items that take part, and for each item of the table its row among them.
struct Rows {
  std::vector<std::uint32_t> items;  // ascending
  std::vector<std::uint32_t> row_of;
};

Rows ChooseRows(const InvertedIndex& places_of_item, std::size_t items, std::size_t items_max) {
  const auto users = [&](std::uint32_t item) { return places_of_item.PlacesOf(item).size(); };
  Rows rows;
  for (std::uint32_t item = 0; item < items; ++item) {
    if (users(item) > 0) rows.items.push_back(item);
  }
  if (rows.items.size() > items_max) {
    std::stable_sort(rows.items.begin(), rows.items.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return users(a) > users(b); });
    rows.items.resize(items_max);
    std::sort(rows.items.begin(), rows.items.end());
  }
  rows.row_of.assign(items, kNoRow);
  for (std::uint32_t row = 0; row < rows.items.size(); ++row) rows.row_of[rows.items[row]] = row;
  return rows;
}

// X'X + regularization I: how many users two items share. Each row by one thread, in whole
// numbers: the same for any number of threads.
SymmetricMatrix GramMatrix(const UserItems& pairs, const InvertedIndex& places_of_item,
                           const Rows& rows, double regularization, int threads,
                           Cancellation* cancellation) {
  std::vector<std::size_t> user_of_place(pairs.item.size());
  for (std::size_t user = 0; user < pairs.users(); ++user) {
    std::fill(user_of_place.begin() + static_cast<std::ptrdiff_t>(pairs.user_begin[user]),
              user_of_place.begin() + static_cast<std::ptrdiff_t>(pairs.user_begin[user + 1]),
              user);
  }
  SymmetricMatrix gram(rows.items.size());
  ForEachPiece(rows.items.size(), kRowsPerPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end && !cancellation->Ask(); ++row) {
      for (const std::size_t place : places_of_item.PlacesOf(rows.items[row])) {
        const std::size_t user = user_of_place[place];
        for (std::size_t other = pairs.user_begin[user]; other < pairs.user_begin[user + 1];
             ++other) {
          const std::uint32_t other_row = rows.row_of[pairs.item[other]];
          if (other_row != kNoRow && other_row >= row) gram.at(other_row, row) += 1;
        }
      }
      gram.at(row, row) += static_cast<float>(regularization);
    }
  });
  return gram;
}

void KeepLargest(std::size_t limit, std::vector<Neighbour>* row) {
  if (limit == 0 || row->size() <= limit) return;
  std::nth_element(row->begin(), row->begin() + static_cast<std::ptrdiff_t>(limit), row->end(),
                   [](const Neighbour& a, const Neighbour& b) {
                     const float a_size = std::abs(a.score), b_size = std::abs(b.score);
                     return a_size > b_size || (a_size == b_size && a.item < b.item);
                   });
  row->resize(limit);
}

std::vector<Neighbour> RowOf(std::size_t row, const SymmetricMatrix& inverse, const Rows& rows,
                             std::size_t neighbours) {
  std::vector<Neighbour> made;
  made.reserve(rows.items.size());
  for (std::size_t other = 0; other < rows.items.size(); ++other) {
    const float score = -inverse.at(row, other) / inverse.at(other, other);
    if (other != row && score != 0) made.push_back({rows.items[other], score});
  }
  KeepLargest(neighbours, &made);
  std::sort(made.begin(), made.end(), StandsBefore);
  made.shrink_to_fit();
  return made;
}

}  // namespace

absl::StatusOr<ItemToItemMap> TrainEase(const TrainingActions& actions, const RetrieverSpec& spec,
                                        int threads, std::size_t items_max,
                                        const CancellationCheck& is_cancelled) {
  const UserItems pairs = DistinctUserItems(actions);
  const InvertedIndex places_of_item = Invert(pairs.item, actions.items);
  const Rows rows = ChooseRows(places_of_item, actions.items, items_max);
  Cancellation cancellation(is_cancelled);
  SymmetricMatrix matrix =
      GramMatrix(pairs, places_of_item, rows, spec.regularization, threads, &cancellation);
  const absl::Status inverted = Invert(&matrix, threads, [&] { return cancellation.Ask(); });
  if (cancellation.is_cancelled()) return Cancelled();
  FOURFOLD_RETURN_IF_ERROR(inverted);
  std::vector<std::vector<Neighbour>> map(actions.items);
  ForEachPiece(rows.items.size(), kRowsPerPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end && !cancellation.Ask(); ++row) {
      map[rows.items[row]] = RowOf(row, matrix, rows, static_cast<std::size_t>(spec.neighbours));
    }
  });
  if (cancellation.is_cancelled()) return Cancelled();
  matrix.values = {};
  return ItemToItemMap::FromRows(map);
}

}  // namespace fourfold
