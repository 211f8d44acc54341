#include "online/retrieval/repeats_retriever.h"

#include <algorithm>
#include <cstdint>

#include "math/exp2.h"
#include "online/retrieval/best_candidates.h"
#include "online/retrieval/candidate_limit.h"

namespace fourfold {
namespace {

// What the retriever's own table says of an item; 0 where it has none.
float RecentPopularity(const BoundServable& bound, const PopularityTable* table, ItemIndex item) {
  const std::uint32_t index = bound.VocabularyIndex(item);
  return table == nullptr || index == kNotInVocabulary ? 0 : table->scores[index];
}

// Ties go by the retriever's own popularity table where it has one, then by the tie rule, here for
// items that may lie outside the vocabulary; as ranks from 0.
void RankTies(const Query& query, const PopularityTable* table,
              std::vector<RetrievalScratch::Scored>* items) {
  std::sort(items->begin(), items->end(), [&](const auto& a, const auto& b) {
    const float recent_a = RecentPopularity(*query.servable, table, a.item);
    const float recent_b = RecentPopularity(*query.servable, table, b.item);
    if (recent_a != recent_b) return recent_a > recent_b;
    const float popularity_a = query.servable->Popularity(a.item);
    const float popularity_b = query.servable->Popularity(b.item);
    if (popularity_a != popularity_b) return popularity_a > popularity_b;
    return query.catalogue->OrderHash(a.item) < query.catalogue->OrderHash(b.item);
  });
  std::uint32_t rank = 0;
  for (auto& item : *items) item.tie_rank = rank++;
}

const PopularityTable* TableOf(const Query& query, const std::string& retriever) {
  const Servable* servable = query.servable->servable();
  if (servable == nullptr) return nullptr;
  const auto found = servable->popularity_tables.find(retriever);
  return found == servable->popularity_tables.end() ? nullptr : &found->second;
}

}  // namespace

RepeatsRetriever::RepeatsRetriever(RetrieverSpec spec)
    : Retriever({.name = spec.name,
                 .reads = {Column::kHistory},
                 .writes = {Column::kCandidates},
                 .on_failure = OnFailure::kSkipStage}),
      spec_(std::move(spec)) {}

absl::Status RepeatsRetriever::Retrieve(const Query& query, RetrievalScratch* scratch,
                                        CandidateSink* sink) const {
  const QueryColumns& columns = *query.columns;
  auto& occurrences = scratch->occurrences;
  occurrences.clear();
  int actions = 0;
  for (std::uint32_t a = 0; a < columns.history.size() && actions < spec_.history_actions; ++a) {
    if (!Counts(spec_, columns.history[a])) continue;
    ++actions;
    if (columns.history_items[a] != kNoItem) occurrences.push_back({columns.history_items[a], a});
  }
  const auto basket_of = [&](const auto& occurrence) -> const std::string& {
    return columns.history[occurrence.action].tie_group;
  };
  std::sort(occurrences.begin(), occurrences.end(), [&](const auto& a, const auto& b) {
    if (a.item != b.item) return a.item < b.item;
    const int baskets = basket_of(a).compare(basket_of(b));
    return baskets != 0 ? baskets < 0 : a.action < b.action;
  });

  auto& best = scratch->best;
  best.clear();
  for (std::size_t begin = 0, end = 0; begin < occurrences.size(); begin = end) {
    std::uint32_t newest = occurrences[begin].action;
    double times = 0;  // two lines of one basket are one time
    for (; end < occurrences.size() && occurrences[end].item == occurrences[begin].item; ++end) {
      newest = std::min(newest, occurrences[end].action);
      const bool same_basket = end > begin && !basket_of(occurrences[end]).empty() &&
                               basket_of(occurrences[end]) == basket_of(occurrences[end - 1]);
      if (!same_basket) ++times;
    }
    const std::int64_t age_ms = query.at.as_of_ms - columns.history[newest].event_time_ms;
    best.push_back({.score = times * HalfLifeDecay(age_ms, spec_.history_half_life_ms),
                    .item = occurrences[begin].item,
                    .trigger = newest});
  }
  RankTies(query, TableOf(query, spec_.name), &best);
  std::sort(best.begin(), best.end(), IsBetter());

  const std::size_t limit = CandidateLimit(spec_, query);
  if (best.size() > limit) sink->MarkCutOff();
  for (std::size_t i = 0; i < std::min(limit, best.size()); ++i) {
    if (!sink->Add(best[i].item, best[i].score, best[i].trigger)) break;
  }
  return absl::OkStatus();
}

}  // namespace fourfold
