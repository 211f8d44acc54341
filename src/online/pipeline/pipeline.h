#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// All that one request needs, reused for the next one. Not thread-safe.
struct RequestState {
  Query query;
  QueryColumns columns;
  CandidateTable candidates;
  RetrievalScratch retrieval;
  RankingScratch ranking;
  std::vector<Row> slate;  // best first
  std::vector<Degradation> degraded;

  // Forgets the last request. query.columns points into this object.
  void Start(const Query& asked);
};

// Stages in the order in which they run. Immutable; thread-safe.
//
//   Fetch    hydrators read the stores, without the catalogue
//   Run      hydrators resolve -> retrievers -> hydrators -> filters -> scorers -> selector -> fill
//   Observe  observers see the answer
//
// When filters leave fewer candidates than the slate wants and some retriever has more, retrieval
// is done again, deeper. When that does not help either, the fill's candidates go through the same
// filters to the end of the slate until it is full.
class Pipeline {
 public:
  absl::Status Fetch(RequestState* state) const;
  // query.catalogue must be set, and stay locked for as long as rows are read.
  absl::Status Run(RequestState* state) const;
  void Observe(const RecommendRequest& request, const ReadPoint& at,
               RecommendResponse* response) const;

  const std::vector<std::unique_ptr<Retriever>>& retrievers() const { return retrievers_; }
  const std::vector<std::unique_ptr<Filter>>& filters() const { return filters_; }
  // The first filter that drops the item, or null.
  const Filter* FilterThatDrops(const Query& query, ItemIndex item) const;

 private:
  friend class PipelineBuilder;
  class TableSink;
  class FillSink;
  Pipeline() = default;

  absl::Status Resolve(RequestState* state) const;
  absl::StatusOr<bool> Retrieve(RequestState* state) const;  // whether some list was cut off
  absl::Status Hydrate(RequestState* state) const;
  std::size_t ApplyFilters(RequestState* state) const;  // how many are kept
  absl::Status Score(RequestState* state) const;
  void Select(RequestState* state) const;
  absl::Status Fill(RequestState* state) const;

  std::vector<std::unique_ptr<Hydrator>> hydrators_;
  std::vector<std::unique_ptr<Retriever>> retrievers_;
  std::vector<std::unique_ptr<Filter>> filters_;
  std::vector<std::unique_ptr<Scorer>> scorers_;
  std::unique_ptr<Selector> selector_;
  std::unique_ptr<Retriever> fill_;
  std::vector<std::unique_ptr<Observer>> observers_;
};

// A surface is a flat list of calls of this, one line a stage, in the order in which they run.
class PipelineBuilder {
 public:
  PipelineBuilder& Hydrate(std::unique_ptr<Hydrator> stage);
  PipelineBuilder& Retrieve(std::unique_ptr<Retriever> stage);
  PipelineBuilder& Filter(std::unique_ptr<fourfold::Filter> stage);
  PipelineBuilder& Score(std::unique_ptr<Scorer> stage);
  PipelineBuilder& Select(std::unique_ptr<Selector> stage);
  PipelineBuilder& Fill(std::unique_ptr<Retriever> stage);
  PipelineBuilder& Observe(std::unique_ptr<Observer> stage);

  // InvalidArgument, naming the stage, when one reads a column that none before it writes, writes
  // one that its kind may not write, has the name of another, or when there are too many. There
  // must be a selector.
  absl::StatusOr<std::unique_ptr<const Pipeline>> Build();

 private:
  void Check(const StageInfo& info, ColumnSet may_write);

  std::unique_ptr<Pipeline> pipeline_{new Pipeline};
  ColumnSet written_{Column::kCandidates, Column::kDropped};
  std::vector<std::string> names_;
  absl::Status problem_;
};

}  // namespace fourfold
