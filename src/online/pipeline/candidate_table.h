#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"
#include "feature/catalogue.h"
#include "online/pipeline/item_marks.h"

namespace fourfold {

// A place in the candidate table.
using Row = std::uint32_t;

// No action of the history made a retriever find this.
inline constexpr std::uint32_t kNoTrigger = 0xffffffffu;

inline constexpr std::size_t kRetrieversMax = 32;  // bits of CandidateTable::retrieved_by

// What one retriever said of one candidate. Its place in the list is its rank, 0 first.
struct Retrieved {
  Row row = 0;
  std::uint32_t trigger = kNoTrigger;  // the action that weighed most: an index into the history
  double score = 0;
};

// The candidates of one request as columns, a row for each item, once. Rows are only ever added;
// stages write the columns that are theirs through the types of stage.h. Reused from request to
// request, so that nothing is allocated per candidate. Not thread-safe.
class CandidateTable {
 public:
  void Reset(std::size_t catalogue_size, std::size_t retrievers) {
    rows_of_items_.Reset(catalogue_size);
    items_.clear();
    retrieved_by_.clear();
    popularity_.clear();
    order_hash_.clear();
    dropped_by_.clear();
    score_.clear();
    score_before_.clear();
    if (lists_.size() < retrievers) lists_.resize(retrievers);
    for (auto& list : lists_) list.clear();
  }

  std::size_t size() const { return items_.size(); }
  std::span<const ItemIndex> items() const { return items_; }
  // A bit for each retriever that found it, in the order of the pipeline; 0: found by the fill.
  std::uint32_t retrieved_by(Row row) const { return retrieved_by_[row]; }
  // What a retriever handed on, best first.
  std::span<const Retrieved> list(std::size_t retriever) const { return lists_[retriever]; }
  // The tie rule's columns.
  float popularity(Row row) const { return popularity_[row]; }
  std::uint64_t order_hash(Row row) const { return order_hash_[row]; }
  // 0: kept; else 1 + the place of the filter in the pipeline.
  std::uint8_t dropped_by(Row row) const { return dropped_by_[row]; }
  double score(Row row) const { return score_[row]; }
  // What it was before the last scorer; 0 before and of the first.
  double score_before(Row row) const { return score_before_[row]; }

  static constexpr Row kNoRow = 0xffffffffu;
  Row RowOf(ItemIndex item) const { return rows_of_items_.Get(item) - 1; }

 private:
  friend class Pipeline;  // hands the columns to the stages

  Row FindOrAdd(ItemIndex item) {
    if (const Row row = RowOf(item); row != kNoRow) return row;
    const auto row = static_cast<Row>(items_.size());
    rows_of_items_.Set(item, row + 1);
    items_.push_back(item);
    retrieved_by_.push_back(0);
    popularity_.push_back(0);
    order_hash_.push_back(0);
    dropped_by_.push_back(0);
    score_.push_back(0);
    score_before_.push_back(0);
    return row;
  }

  // Forgets the rows from `size` on; no list may name them.
  void Truncate(std::size_t size) {
    for (std::size_t row = size; row < items_.size(); ++row) rows_of_items_.Set(items_[row], 0);
    items_.resize(size);
    retrieved_by_.resize(size);
    popularity_.resize(size);
    order_hash_.resize(size);
    dropped_by_.resize(size);
    score_.resize(size);
    score_before_.resize(size);
  }

  ItemMarks rows_of_items_;  // row + 1
  std::vector<ItemIndex> items_;
  std::vector<std::uint32_t> retrieved_by_;
  std::vector<float> popularity_;
  std::vector<std::uint64_t> order_hash_;
  std::vector<std::uint8_t> dropped_by_;
  std::vector<double> score_;
  std::vector<double> score_before_;
  std::vector<std::vector<Retrieved>> lists_;  // by retriever
};

}  // namespace fourfold
