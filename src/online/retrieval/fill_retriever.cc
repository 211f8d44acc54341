#include "online/retrieval/fill_retriever.h"

namespace fourfold {

FillRetriever::FillRetriever()
    : Retriever({.name = "fill",
                 .reads = {Column::kSlate},
                 .writes = {Column::kSlate, Column::kCandidates},
                 .on_failure = OnFailure::kSkipStage}) {}

absl::Status FillRetriever::Retrieve(const Query& query, RetrievalScratch*,
                                     CandidateSink* sink) const {
  const BoundServable& bound = *query.servable;
  for (const ItemIndex item : bound.by_popularity()) {
    if (!sink->Add(item, 0)) return absl::OkStatus();
  }
  query.catalogue->VisitInHashOrder([&](ItemIndex item) {
    if (bound.Popularity(item) > 0) return true;
    return sink->Add(item, 0);
  });
  return absl::OkStatus();
}

}  // namespace fourfold
