#include "online/ranking/ranker_scorer.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace fourfold {

void StartFeatureRequest(const Query& query, FeatureRequest* request) {
  request->user.assign(query.user);
  request->session.assign(query.session);
  request->surface.assign(query.surface);
  request->fields.assign(query.fields.begin(), query.fields.end());
  request->at = query.at;
  request->now_ms = query.at.as_of_ms;
}

RankerScorer::RankerScorer(std::shared_ptr<const LiveRanker> ranker,
                           const std::vector<std::string>& retrievers)
    : Scorer({.name = "ranker",
              .reads = {Column::kCandidates, Column::kDropped, Column::kScore, Column::kTieOrder},
              .writes = {Column::kScore},
              .on_failure = OnFailure::kSkipStage}),
      ranker_(std::move(ranker)),
      retrieval_fields_(*ranker_->trained->plan, retrievers) {}

absl::Status RankerScorer::Score(const Query& query, const CandidateTable& candidates,
                                 RankingScratch* scratch, std::span<double> scores) const {
  if (!query.ranked || !query.only_retriever.empty()) return absl::OkStatus();
  std::vector<Row>& rows = scratch->rows;
  BestRows(candidates, static_cast<std::size_t>(ranker_->trained->candidates), &rows);
  if (rows.empty()) return absl::OkStatus();
  StartFeatureRequest(query, &scratch->request);
  scratch->request.at = ranker_->Clip(query.at);
  scratch->request.learned = ranker_->learned;
  retrieval_fields_.Tell(candidates, *query.catalogue, rows, &scratch->places,
                         &scratch->request.candidates);
  scratch->scores.resize(rows.size());
  const std::span<float> ranked(scratch->scores);
  absl::Status status = ranker_->Score(scratch->request, &scratch->ranker, ranked);
  // The scratch outlives the request, and would keep the servable.
  scratch->request.learned = nullptr;
  if (!status.ok()) {
    rows.clear();
    return status;
  }
  // What was not ranked stays below, in the order of the blend, which settles equal scores.
  const double below = double{*std::min_element(ranked.begin(), ranked.end())} - 1;
  std::fill(scores.begin(), scores.end(), below);
  for (std::size_t c = 0; c < rows.size(); ++c) scores[rows[c]] = ranked[c];
  return absl::OkStatus();
}

}  // namespace fourfold
