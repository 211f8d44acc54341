#include "online/retrieval/popular_retriever.h"

#include <algorithm>

#include "base/strings.h"
#include "online/retrieval/candidate_limit.h"

namespace fourfold {

PopularRetriever::PopularRetriever(RetrieverSpec spec)
    : Retriever({.name = spec.name,
                 .reads = {},
                 .writes = {Column::kCandidates},
                 .on_failure = OnFailure::kSkipStage}),
      spec_(std::move(spec)) {}

absl::Status PopularRetriever::Retrieve(const Query& query, RetrievalScratch*,
                                        CandidateSink* sink) const {
  const BoundServable& bound = *query.servable;
  const auto found = bound.servable()->popularity_tables.find(spec_.name);
  if (found == bound.servable()->popularity_tables.end()) {
    return NotFound("the servable has no popularity table named ", spec_.name);
  }
  const PopularityTable& table = found->second;
  const std::size_t limit = CandidateLimit(spec_, query);
  if (table.by_score.size() > limit) sink->MarkCutOff();
  for (std::size_t i = 0; i < std::min(limit, table.by_score.size()); ++i) {
    const std::uint32_t index = table.by_score[i];
    if (!sink->Add(bound.CatalogueItem(index), table.scores[index])) break;
  }
  return absl::OkStatus();
}

}  // namespace fourfold
