#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fourfold/event.h"
#include "fourfold/recommend.h"
#include "online/pipeline/candidate_table.h"
#include "online/pipeline/query.h"
#include "online/pipeline/ranking_scratch.h"
#include "online/pipeline/retrieval_scratch.h"

// The vocabulary of the online path: six kinds of stages, each with the one thing that it may do
// in its signature. All stages are immutable and thread-safe; what changes belongs to the request.
namespace fourfold {

// What stages read and write. A pipeline is refused when a stage reads what none before it wrote.
enum class Column : std::uint8_t {
  kHistory,      // QueryColumns::history, history_items
  kShownSlates,  // QueryColumns::slates
  kLists,        // marks kIncluded and kExcluded
  kPages,        // mark kOnAPage
  kSeen,         // QueryColumns::seen_before, marks kActedOn and kShownOften
  kCandidates,   // CandidateTable: items, retrieved_by, lists; there from the start, empty
  kTieOrder,     // CandidateTable: popularity, order_hash
  kDropped,      // CandidateTable: dropped_by; there from the start, nothing dropped
  kScore,        // CandidateTable: score
  kSlate,        // the rows chosen, best first
};

class ColumnSet {
 public:
  constexpr ColumnSet() = default;
  constexpr ColumnSet(std::initializer_list<Column> columns) {
    for (const Column column : columns) bits_ |= 1u << static_cast<unsigned>(column);
  }
  constexpr bool Contains(Column column) const {
    return (bits_ >> static_cast<unsigned>(column) & 1u) != 0;
  }
  constexpr void Add(ColumnSet other) { bits_ |= other.bits_; }
  constexpr bool IsSubsetOf(ColumnSet other) const { return (bits_ & ~other.bits_) == 0; }

 private:
  std::uint32_t bits_ = 0;
};

enum class OnFailure : std::uint8_t {
  kSkipStage,    // the answer comes without it and says so (Degradation)
  kFailRequest,  // the stage's status is the answer
};

// Declared once; checked when the pipeline is built.
struct StageInfo {
  std::string name;
  ColumnSet reads;
  ColumnSet writes;
  OnFailure on_failure = OnFailure::kSkipStage;
};

class Stage {
 public:
  explicit Stage(StageInfo info) : info_(std::move(info)) {}
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  const StageInfo& info() const { return info_; }

 private:
  const StageInfo info_;
};

// Columns that a hydrator may fill for candidates, parallel to CandidateTable::items().
struct HydratedColumns {
  std::span<float> popularity;
  std::span<std::uint64_t> order_hash;
};

// Adds what others read. Cannot add, drop or reorder candidates.
class Hydrator : public Stage {
 public:
  using Stage::Stage;
  // First, before the catalogue is locked (query.catalogue is null): the only place where a request
  // reads stores.
  virtual absl::Status Fetch(const Query&, QueryColumns*) const { return absl::OkStatus(); }
  // Then, under the lock; skipped when Fetch failed.
  virtual absl::Status Resolve(const Query&, QueryColumns*) const { return absl::OkStatus(); }
  // Last, once there are candidates.
  virtual absl::Status Hydrate(const Query&, const CandidateTable&, HydratedColumns) const {
    return absl::OkStatus();
  }
};

// Takes the candidates of one retriever, best first, each item once.
class CandidateSink {
 public:
  virtual ~CandidateSink() = default;
  // False: enough, hand on no more.
  virtual bool Add(ItemIndex item, double score, std::uint32_t trigger = kNoTrigger) = 0;
  // There would have been more at a greater Query::depth.
  virtual void MarkCutOff() = 0;
};

class Retriever : public Stage {
 public:
  using Stage::Stage;
  virtual absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                                CandidateSink* sink) const = 0;
};

// Can only drop, and only what is not dropped yet: the first filter that drops an item names it.
class DropMask {
 public:
  DropMask(std::span<std::uint8_t> dropped_by, std::uint8_t filter)
      : dropped_by_(dropped_by), filter_(filter) {}
  bool IsDropped(std::size_t i) const { return dropped_by_[i] != 0; }
  void Drop(std::size_t i) {
    if (dropped_by_[i] == 0) dropped_by_[i] = filter_;
  }

 private:
  std::span<std::uint8_t> dropped_by_;
  std::uint8_t filter_;
};

// A pure mask: decides about each item alone, from the query and the item. Cannot fail.
class Filter : public Stage {
 public:
  using Stage::Stage;
  virtual void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const = 0;
  // In words, why an item that this filter drops is dropped.
  virtual std::string Reason(const Query& query, ItemIndex item) const = 0;
};

// Writes a number for each candidate: greater is better. Cannot drop or reorder. `scores` holds
// what the scorers before it wrote, and holds it again when this one fails.
class Scorer : public Stage {
 public:
  using Stage::Stage;
  virtual absl::Status Score(const Query& query, const CandidateTable& candidates,
                             RankingScratch* scratch, std::span<double> scores) const = 0;
};

// Chooses at most query.limit of the kept rows, best first.
class Selector : public Stage {
 public:
  using Stage::Stage;
  virtual void Select(const Query& query, const CandidateTable& candidates,
                      std::vector<Row>* slate) const = 0;
};

// Sees the finished answer, outside the catalogue's lock, just before it is handed out.
class Observer : public Stage {
 public:
  using Stage::Stage;
  virtual absl::Status Observe(const RecommendRequest& request, const ReadPoint& at,
                               const RecommendResponse& response) const = 0;
};

}  // namespace fourfold
