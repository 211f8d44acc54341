#include "online/retrieval/item_to_item_retriever.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/strings.h"
#include "math/exp2.h"
#include "online/retrieval/best_candidates.h"
#include "online/retrieval/candidate_limit.h"

namespace fourfold {
namespace {

void AddNeighbours(std::span<const std::uint32_t> neighbours, std::span<const float> similarities,
                   double weight, std::uint32_t action, RetrievalScratch* scratch) {
  RetrievalScratch::Sum* const sums = scratch->sums.data();
  for (std::size_t n = 0; n < neighbours.size(); ++n) {
    RetrievalScratch::Sum& sum = sums[neighbours[n]];
    const double share = weight * similarities[n];
    if (sum.trigger == kNoTrigger) {
      scratch->touched.push_back(neighbours[n]);
      sum = {share, static_cast<float>(share), action};
      continue;
    }
    sum.score += share;
    if (static_cast<float>(share) > sum.most) {
      sum.most = static_cast<float>(share);
      sum.trigger = action;
    }
  }
}

}  // namespace

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
  scratch->acted_on.Reset(query.catalogue->size());

  const QueryColumns& columns = *query.columns;
  double place_weight = 1;
  int place = 0;
  for (std::uint32_t a = 0; a < columns.history.size() && place < spec_.history_actions; ++a) {
    const HistoryEntry& action = columns.history[a];
    const ItemIndex item = columns.history_items[a];
    if (item == kNoItem || !Counts(spec_, action) || scratch->acted_on.Get(item) != 0) continue;
    scratch->acted_on.Set(item, 1);
    const double weight = place_weight * HalfLifeDecay(query.at.as_of_ms - action.event_time_ms,
                                                       spec_.history_half_life_ms);
    place_weight *= spec_.history_decay;
    ++place;
    const std::uint32_t index = bound.VocabularyIndex(item);
    if (index == kNotInVocabulary) continue;
    AddNeighbours(map.NeighboursOf(index), map.ScoresOf(index), weight, a, scratch);
  }

  BestCandidates best(CandidateLimit(spec_, query), &scratch->best);
  for (const std::uint32_t index : scratch->touched) {
    RetrievalScratch::Sum& sum = scratch->sums[index];
    if (sum.score > 0) best.Offer({sum.score, bound.TieRank(index), index, sum.trigger});
    sum = {};
  }
  if (best.Finish()) sink->MarkCutOff();
  for (const auto& scored : scratch->best) {
    if (!sink->Add(bound.CatalogueItem(scored.item), scored.score, scored.trigger)) break;
  }
  return absl::OkStatus();
}

}  // namespace fourfold
