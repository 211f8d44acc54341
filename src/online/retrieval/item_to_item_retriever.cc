#include "online/retrieval/item_to_item_retriever.h"

#include <cstdint>

#include "base/strings.h"
#include "online/retrieval/best_candidates.h"
#include "online/retrieval/triggers.h"

namespace fourfold {

ItemToItemRetriever::ItemToItemRetriever(RetrieverSpec spec)
    : Retriever({.name = spec.name,
                 .reads = {Column::kHistory},
                 .writes = {Column::kCandidates},
                 .on_failure = OnFailure::kSkipStage}),
      spec_(std::move(spec)) {}

absl::Status ItemToItemRetriever::Retrieve(const Query& query, RetrievalScratch* scratch,
                                           CandidateSink* sink) const {
  const BoundServable& bound = *query.servable;
  const auto found = bound.servable()->item_to_item.find(spec_.name);
  if (found == bound.servable()->item_to_item.end()) {
    return NotFound("the servable has no item-to-item map named ", spec_.name);
  }
  const ItemToItemMap& map = found->second;
  if (scratch->sums.size() < bound.vocabulary_size()) scratch->sums.resize(bound.vocabulary_size());
  scratch->touched.clear();
  VisitTriggers(spec_, query, scratch, [&](std::uint32_t action, ItemIndex item, double weight) {
    const std::uint32_t index = bound.VocabularyIndex(item);
    if (index == kNotInVocabulary) return;
    AddRow(map.NeighboursOf(index), map.ScoresOf(index), weight, action, scratch);
  });

  BestCandidates best(CandidateLimit(spec_, query), &scratch->best);
  for (const std::uint32_t index : scratch->touched) {
    RetrievalScratch::Sum& sum = scratch->sums[index];
    if (sum.score > 0) best.Offer({sum.score, bound.TieRank(index), index, sum.trigger});
    sum = {};
  }
  best.HandOn(sink, [&](std::uint32_t index) { return bound.CatalogueItem(index); });
  return absl::OkStatus();
}

}  // namespace fourfold
