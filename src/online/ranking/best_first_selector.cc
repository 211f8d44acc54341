#include "online/ranking/best_first_selector.h"

#include <algorithm>

namespace fourfold {

bool GoesBefore(const CandidateTable& candidates, Row a, Row b) {
  if (candidates.score(a) != candidates.score(b)) return candidates.score(a) > candidates.score(b);
  if (candidates.score_before(a) != candidates.score_before(b)) {
    return candidates.score_before(a) > candidates.score_before(b);
  }
  if (candidates.popularity(a) != candidates.popularity(b)) {
    return candidates.popularity(a) > candidates.popularity(b);
  }
  return candidates.order_hash(a) < candidates.order_hash(b);
}

BestFirstSelector::BestFirstSelector()
    : Selector({.name = "best_first",
                .reads = {Column::kCandidates, Column::kDropped, Column::kScore, Column::kTieOrder},
                .writes = {Column::kSlate},
                .on_failure = OnFailure::kFailRequest}) {}

void BestFirstSelector::Select(const Query& query, const CandidateTable& candidates,
                               std::vector<Row>* slate) const {
  slate->clear();
  for (Row row = 0; row < candidates.size(); ++row) {
    if (candidates.dropped_by(row) == 0) slate->push_back(row);
  }
  const std::size_t wanted = std::min(slate->size(), static_cast<std::size_t>(query.limit));
  if (!query.only_retriever.empty()) {
    // One list alone fills the table in its own order, whose ties it may settle by its own rule.
    slate->resize(wanted);
    return;
  }
  std::partial_sort(slate->begin(), slate->begin() + static_cast<std::ptrdiff_t>(wanted),
                    slate->end(), [&](Row a, Row b) { return GoesBefore(candidates, a, b); });
  slate->resize(wanted);
}

}  // namespace fourfold
