#include "online/pipeline/pipeline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

// How much deeper each further round of retrieval goes.
constexpr int kDeeper = 8;
constexpr int kDepthMax = 1 << 24;

// What to do about a stage that failed: an error only when the request has to fail.
absl::Status Settle(const StageInfo& stage, const absl::Status& status,
                    std::vector<Degradation>* degraded) {
  if (status.ok()) return status;
  if (stage.on_failure == OnFailure::kFailRequest) return status;
  const bool known = std::any_of(degraded->begin(), degraded->end(),
                                 [&](const Degradation& d) { return d.stage == stage.name; });
  if (!known) degraded->push_back({stage.name, std::string(MessageOf(status))});
  return absl::OkStatus();
}

}  // namespace

void RequestState::Start(const Query& asked) {
  query = asked;
  query.columns = &columns;
  columns.history.clear();
  columns.history_items.clear();
  columns.slates.clear();
  columns.seen_before.clear();
  columns.page_items.clear();
  ranking.rows.clear();
  slate.clear();
  degraded.clear();
}

// Puts the candidates of one retriever into the table.
class Pipeline::TableSink final : public CandidateSink {
 public:
  TableSink(CandidateTable* table, std::size_t retriever)
      : table_(table),
        rows_before_(table->size()),
        bit_(1u << retriever),
        list_(&table->lists_[retriever]) {}

  bool Add(ItemIndex item, double score, std::uint32_t trigger) override {
    const Row row = table_->FindOrAdd(item);
    FOURFOLD_CHECK((table_->retrieved_by_[row] & bit_) == 0);
    table_->retrieved_by_[row] |= bit_;
    list_->push_back({row, trigger, score});
    return true;
  }
  void MarkCutOff() override { cut_off_ = true; }
  bool cut_off() const { return cut_off_; }

  // A retriever that failed half-way found nothing.
  void TakeBack() {
    for (const Retrieved& retrieved : *list_) table_->retrieved_by_[retrieved.row] &= ~bit_;
    list_->clear();
    table_->Truncate(rows_before_);
    cut_off_ = false;
  }

 private:
  CandidateTable* table_;
  std::size_t rows_before_;
  std::uint32_t bit_;
  std::vector<Retrieved>* list_;
  bool cut_off_ = false;
};

// Puts what passes the filters straight at the end of the slate.
class Pipeline::FillSink final : public CandidateSink {
 public:
  FillSink(const Pipeline* pipeline, RequestState* state) : pipeline_(pipeline), state_(state) {}

  bool Add(ItemIndex item, double, std::uint32_t) override {
    // What stands in the table is in the slate already, or dropped.
    if (state_->candidates.RowOf(item) == CandidateTable::kNoRow &&
        pipeline_->FilterThatDrops(state_->query, item) == nullptr) {
      state_->slate.push_back(state_->candidates.FindOrAdd(item));
    }
    return state_->slate.size() < static_cast<std::size_t>(state_->query.limit);
  }
  void MarkCutOff() override {}

 private:
  const Pipeline* pipeline_;
  RequestState* state_;
};

absl::Status Pipeline::Fetch(RequestState* state) const {
  for (const auto& hydrator : hydrators_) {
    const absl::Status status = hydrator->Fetch(state->query, &state->columns);
    FOURFOLD_RETURN_IF_ERROR(Settle(hydrator->info(), status, &state->degraded));
  }
  return absl::OkStatus();
}

absl::Status Pipeline::Run(RequestState* state) const {
  Query& query = state->query;
  FOURFOLD_CHECK(query.catalogue != nullptr && query.limit > 0);
  FOURFOLD_RETURN_IF_ERROR(Resolve(state));
  for (query.depth = 1;; query.depth *= kDeeper) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool cut_off, Retrieve(state));
    FOURFOLD_RETURN_IF_ERROR(Hydrate(state));
    const std::size_t kept = ApplyFilters(state);
    if (kept >= static_cast<std::size_t>(query.limit) || !cut_off || query.depth >= kDepthMax) {
      break;
    }
  }
  FOURFOLD_RETURN_IF_ERROR(Score(state));
  Select(state);
  return Fill(state);
}

absl::Status Pipeline::Resolve(RequestState* state) const {
  state->columns.marks.Reset(state->query.catalogue->size());
  for (const auto& hydrator : hydrators_) {
    const absl::Status status = hydrator->Resolve(state->query, &state->columns);
    FOURFOLD_RETURN_IF_ERROR(Settle(hydrator->info(), status, &state->degraded));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Pipeline::Retrieve(RequestState* state) const {
  state->candidates.Reset(state->query.catalogue->size(), retrievers_.size());
  bool cut_off = false;
  for (std::size_t i = 0; i < retrievers_.size(); ++i) {
    const Retriever& retriever = *retrievers_[i];
    if (!(state->query.WeightOf(retriever.info().name) > 0)) continue;
    TableSink sink(&state->candidates, i);
    const absl::Status status = retriever.Retrieve(state->query, &state->retrieval, &sink);
    if (!status.ok()) sink.TakeBack();
    FOURFOLD_RETURN_IF_ERROR(Settle(retriever.info(), status, &state->degraded));
    cut_off |= sink.cut_off();
  }
  return cut_off;
}

absl::Status Pipeline::Hydrate(RequestState* state) const {
  CandidateTable& table = state->candidates;
  const HydratedColumns columns{table.popularity_, table.order_hash_};
  for (const auto& hydrator : hydrators_) {
    const absl::Status status = hydrator->Hydrate(state->query, table, columns);
    FOURFOLD_RETURN_IF_ERROR(Settle(hydrator->info(), status, &state->degraded));
  }
  return absl::OkStatus();
}

std::size_t Pipeline::ApplyFilters(RequestState* state) const {
  CandidateTable& table = state->candidates;
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    DropMask drop(table.dropped_by_, static_cast<std::uint8_t>(i + 1));
    filters_[i]->Mark(state->query, table.items_, &drop);
  }
  return static_cast<std::size_t>(
      std::count(table.dropped_by_.begin(), table.dropped_by_.end(), std::uint8_t{0}));
}

absl::Status Pipeline::Score(RequestState* state) const {
  CandidateTable& table = state->candidates;
  for (const auto& scorer : scorers_) {
    table.score_before_ = table.score_;
    const absl::Status status = scorer->Score(state->query, table, &state->ranking, table.score_);
    if (!status.ok()) table.score_ = table.score_before_;
    FOURFOLD_RETURN_IF_ERROR(Settle(scorer->info(), status, &state->degraded));
  }
  // A score that is no number would leave no order: it goes to the bottom.
  for (double& score : table.score_) {
    if (!std::isfinite(score)) score = std::numeric_limits<double>::lowest();
  }
  return absl::OkStatus();
}

void Pipeline::Select(RequestState* state) const {
  selector_->Select(state->query, state->candidates, &state->slate);
  FOURFOLD_CHECK(state->slate.size() <= static_cast<std::size_t>(state->query.limit));
  for (const Row row : state->slate) {
    FOURFOLD_CHECK(row < state->candidates.size() && state->candidates.dropped_by(row) == 0);
  }
}

absl::Status Pipeline::Fill(RequestState* state) const {
  if (fill_ == nullptr || !state->query.only_retriever.empty() ||
      state->slate.size() >= static_cast<std::size_t>(state->query.limit)) {
    return absl::OkStatus();
  }
  FillSink sink(this, state);
  const absl::Status status = fill_->Retrieve(state->query, &state->retrieval, &sink);
  return Settle(fill_->info(), status, &state->degraded);
}

void Pipeline::Observe(const RecommendRequest& request, const ReadPoint& at,
                       RecommendResponse* response) const {
  for (const auto& observer : observers_) {
    const absl::Status status = observer->Observe(request, at, *response);
    if (!status.ok()) {
      response->degraded.push_back({observer->info().name, std::string(MessageOf(status))});
    }
  }
}

const Filter* Pipeline::FilterThatDrops(const Query& query, ItemIndex item) const {
  for (const auto& filter : filters_) {
    std::uint8_t dropped = 0;
    DropMask drop({&dropped, 1}, 1);
    filter->Mark(query, {&item, 1}, &drop);
    if (dropped != 0) return filter.get();
  }
  return nullptr;
}

PipelineBuilder& PipelineBuilder::Hydrate(std::unique_ptr<Hydrator> stage) {
  Check(stage->info(), {Column::kHistory, Column::kShownSlates, Column::kLists, Column::kPages,
                        Column::kSeen, Column::kTieOrder});
  pipeline_->hydrators_.push_back(std::move(stage));
  return *this;
}

PipelineBuilder& PipelineBuilder::Retrieve(std::unique_ptr<Retriever> stage) {
  Check(stage->info(), {Column::kCandidates});
  pipeline_->retrievers_.push_back(std::move(stage));
  return *this;
}

PipelineBuilder& PipelineBuilder::Filter(std::unique_ptr<fourfold::Filter> stage) {
  Check(stage->info(), {Column::kDropped});
  pipeline_->filters_.push_back(std::move(stage));
  return *this;
}

PipelineBuilder& PipelineBuilder::Score(std::unique_ptr<Scorer> stage) {
  Check(stage->info(), {Column::kScore});
  pipeline_->scorers_.push_back(std::move(stage));
  return *this;
}

PipelineBuilder& PipelineBuilder::Select(std::unique_ptr<Selector> stage) {
  Check(stage->info(), {Column::kSlate});
  pipeline_->selector_ = std::move(stage);
  return *this;
}

PipelineBuilder& PipelineBuilder::Fill(std::unique_ptr<Retriever> stage) {
  Check(stage->info(), {Column::kCandidates, Column::kSlate});
  pipeline_->fill_ = std::move(stage);
  return *this;
}

PipelineBuilder& PipelineBuilder::Observe(std::unique_ptr<Observer> stage) {
  Check(stage->info(), {});
  pipeline_->observers_.push_back(std::move(stage));
  return *this;
}

absl::StatusOr<std::unique_ptr<const Pipeline>> PipelineBuilder::Build() {
  FOURFOLD_RETURN_IF_ERROR(problem_);
  if (pipeline_->selector_ == nullptr) return InvalidArgument("the pipeline has no selector");
  if (pipeline_->retrievers_.size() > kRetrieversMax) {
    return InvalidArgument("the pipeline has ", pipeline_->retrievers_.size(),
                           " retrievers, more than ", kRetrieversMax);
  }
  FOURFOLD_CHECK(pipeline_->filters_.size() < 255);
  return std::unique_ptr<const Pipeline>(std::move(pipeline_));
}

void PipelineBuilder::Check(const StageInfo& info, ColumnSet may_write) {
  if (!problem_.ok()) return;
  if (!info.reads.IsSubsetOf(written_)) {
    problem_ =
        InvalidArgument("stage ", info.name, " reads a column that no stage before it writes");
  } else if (!info.writes.IsSubsetOf(may_write)) {
    problem_ =
        InvalidArgument("stage ", info.name, " writes a column that is not its kind's to write");
  } else if (std::find(names_.begin(), names_.end(), info.name) != names_.end()) {
    problem_ = InvalidArgument("two stages are named ", info.name);
  }
  written_.Add(info.writes);
  names_.push_back(info.name);
}

}  // namespace fourfold
