#pragma once

#include <cstdint>
#include <span>

#include "math/exp2.h"
#include "online/pipeline/query.h"
#include "online/pipeline/retrieval_scratch.h"
#include "online/pipeline/stage.h"
#include "online/retrieval/candidate_limit.h"

namespace fourfold {

// What a user did last, as what goes with it is looked for: the newest action on each of the latest
// `history_actions` distinct items that the spec counts, newest first. Calls visit(action, item,
// weight), with the action's place in the history and weight = history_decay^(place among these) *
// 2^(-age / history_half_life).
template <typename Visit>
void VisitTriggers(const RetrieverSpec& spec, const Query& query, RetrievalScratch* scratch,
                   const Visit& visit) {
  scratch->acted_on.Reset(query.catalogue->size());
  const QueryColumns& columns = *query.columns;
  double place_weight = 1;
  int place = 0;
  for (std::uint32_t a = 0; a < columns.history.size() && place < spec.history_actions; ++a) {
    const HistoryEntry& action = columns.history[a];
    const ItemIndex item = columns.history_items[a];
    if (item == kNoItem || !Counts(spec, action) || scratch->acted_on.Get(item) != 0) continue;
    scratch->acted_on.Set(item, 1);
    const double weight = place_weight * HalfLifeDecay(query.at.as_of_ms - action.event_time_ms,
                                                       spec.history_half_life_ms);
    place_weight *= spec.history_decay;
    ++place;
    visit(a, item, weight);
  }
}

// Adds what one action says for a candidate, and remembers which action said most.
inline void AddShare(std::uint32_t candidate, double share, std::uint32_t action,
                     RetrievalScratch* scratch) {
  RetrievalScratch::Sum& sum = scratch->sums[candidate];
  if (sum.trigger == kNoTrigger) {
    scratch->touched.push_back(candidate);
    sum = {share, static_cast<float>(share), action};
    return;
  }
  sum.score += share;
  if (static_cast<float>(share) > sum.most) {
    sum.most = static_cast<float>(share);
    sum.trigger = action;
  }
}

// The same for a row of an item-to-item map.
inline void AddRow(std::span<const std::uint32_t> neighbours, std::span<const float> similarities,
                   double weight, std::uint32_t action, RetrievalScratch* scratch) {
  for (std::size_t n = 0; n < neighbours.size(); ++n) {
    AddShare(neighbours[n], weight * static_cast<double>(similarities[n]), action, scratch);
  }
}

}  // namespace fourfold
