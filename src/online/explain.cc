#include "online/explain.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "online/ranking/best_first_selector.h"
#include "online/ranking/blend_scorer.h"

namespace fourfold {
namespace {

constexpr std::size_t kDroppedItemsMax = 200;

std::string IdOf(const RequestState& state, Row row) {
  return std::string(state.query.catalogue->Id(state.candidates.items()[row]));
}

std::vector<std::string> RetrieverNames(const Pipeline& pipeline, std::uint32_t retrieved_by) {
  if (retrieved_by == 0) return {"fill"};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < pipeline.retrievers().size(); ++i) {
    if ((retrieved_by >> i & 1u) != 0) names.push_back(pipeline.retrievers()[i]->info().name);
  }
  return names;
}

std::vector<RetrieverContribution> ContributionsOf(const Pipeline& pipeline,
                                                   const RequestState& state, Row row) {
  std::vector<RetrieverContribution> contributions;
  for (std::size_t i = 0; i < pipeline.retrievers().size(); ++i) {
    const std::span<const Retrieved> list = state.candidates.list(i);
    const auto found = std::find_if(list.begin(), list.end(),
                                    [row](const Retrieved& entry) { return entry.row == row; });
    if (found == list.end()) continue;
    const auto place = static_cast<std::size_t>(found - list.begin());
    const std::string& name = pipeline.retrievers()[i]->info().name;
    RetrieverContribution contribution;
    contribution.retriever = name;
    contribution.rank = static_cast<int>(place) + 1;
    contribution.score = found->score;
    contribution.blended = BlendedScore(state.query, state.query.WeightOf(name), list, place);
    if (found->trigger != kNoTrigger) {
      const HistoryEntry& action = state.columns.history[found->trigger];
      contribution.because_item = action.item;
      contribution.because_type = action.type;
      contribution.because_time_ms = action.event_time_ms;
    }
    contributions.push_back(std::move(contribution));
  }
  return contributions;
}

// What the trained ranker made of a candidate, if it was asked.
void PresentRanked(const LiveRanker* ranker, const RequestState& state, Row row, bool explain,
                   RecommendedItem* item) {
  const RankingScratch& ranking = state.ranking;
  const auto found = std::find(ranking.rows.begin(), ranking.rows.end(), row);
  if (found == ranking.rows.end()) {
    // Below what was ranked, on the same scale.
    if (!ranking.rows.empty() && state.candidates.retrieved_by(row) != 0) {
      item->score = ranker->trained->ShownScore(static_cast<float>(item->score));
    }
    return;
  }
  const auto candidate = static_cast<std::size_t>(found - ranking.rows.begin());
  item->score = ranker->trained->ShownScore(ranking.scores[candidate]);
  item->blend_rank = static_cast<int>(candidate) + 1;
  item->retrieval_fields = ranking.request.candidates[candidate].fields;
  if (!explain) return;
  item->blend_score = state.candidates.score_before(row);
  ranker->Explain(ranking.request, ranking.ranker, candidate,
                  {&item->features, &item->feature_contributions, &item->predictions});
}

std::vector<DroppedItem> DroppedItems(const Pipeline& pipeline, const RequestState& state) {
  std::vector<DroppedItem> dropped;
  for (Row row = 0; row < state.candidates.size() && dropped.size() < kDroppedItemsMax; ++row) {
    const std::uint8_t by = state.candidates.dropped_by(row);
    if (by == 0) continue;
    const Filter& filter = *pipeline.filters()[by - 1u];
    dropped.push_back({IdOf(state, row), filter.info().name,
                       filter.Reason(state.query, state.candidates.items()[row])});
  }
  return dropped;
}

std::vector<Event> HistoryEvents(const std::vector<HistoryEntry>& history) {
  std::vector<Event> events;
  for (const HistoryEntry& entry : history) {
    Event event;
    event.kind = EventKind::kInteraction;
    event.event_time_ms = entry.event_time_ms;
    event.user = entry.user;
    event.session = entry.session;
    event.item = entry.item;
    event.type = entry.type;
    event.ranking = entry.ranking;
    event.tie_group = entry.tie_group;
    event.step = entry.step;
    events.push_back(std::move(event));
  }
  return events;
}

WhyNot Outranked(const RequestState& state, std::string_view item, Row row) {
  const CandidateTable& candidates = state.candidates;
  std::size_t before = 0, kept = 0;
  for (Row other = 0; other < candidates.size(); ++other) {
    if (candidates.dropped_by(other) != 0) continue;
    ++kept;
    before += GoesBefore(candidates, other, row) ? 1 : 0;
  }
  const double last = candidates.score(state.slate.back());
  return {std::string(item), "outranked",
          StrCat("its score of ", candidates.score(row), " makes it number ", before + 1, " of ",
                 kept, " candidates; the last of ", state.slate.size(), " shown has ", last)};
}

WhyNot ExplainAbsence(const Pipeline& pipeline, const RequestState& state, std::string_view item) {
  const ItemIndex index = state.query.catalogue->Find(item);
  if (index == kNoItem) {
    return {std::string(item), "unknown_item", "no event has ever named it"};
  }
  const Row row = state.candidates.RowOf(index);
  const auto shown = std::find(state.slate.begin(), state.slate.end(), row);
  if (row != CandidateTable::kNoRow && shown != state.slate.end()) {
    return {std::string(item), "shown",
            StrCat("it is number ", shown - state.slate.begin() + 1, " of the slate")};
  }
  if (const Filter* filter = pipeline.FilterThatDrops(state.query, index)) {
    const bool unknown = filter->info().name == "existence";
    return {std::string(item), unknown ? "unknown_item" : "dropped",
            StrCat(filter->info().name, ": it ", filter->Reason(state.query, index))};
  }
  if (row != CandidateTable::kNoRow) return Outranked(state, item, row);
  return {std::string(item), "not_retrieved",
          StrCat("no retriever had it among its best, and the slate of ", state.slate.size(),
                 " was full before the fill came to it")};
}

}  // namespace

void Present(const RecommendRequest& request, const Pipeline& pipeline, const LiveRanker* ranker,
             const RequestState& state, RecommendResponse* response) {
  response->items.reserve(state.slate.size());
  for (const Row row : state.slate) {
    RecommendedItem& item = response->items.emplace_back();
    item.item = IdOf(state, row);
    item.score = state.candidates.score(row);
    item.retrievers = RetrieverNames(pipeline, state.candidates.retrieved_by(row));
    if (request.explain) {
      item.fields = state.query.catalogue->FieldsOf(state.candidates.items()[row]);
      item.contributions = ContributionsOf(pipeline, state, row);
    }
    PresentRanked(ranker, state, row, request.explain, &item);
  }
  response->degraded = state.degraded;
  if (request.explain) {
    response->dropped = DroppedItems(pipeline, state);
    response->history = HistoryEvents(state.columns.history);
  }
  if (!request.why_not_item.empty()) {
    response->why_not = ExplainAbsence(pipeline, state, request.why_not_item);
  }
}

}  // namespace fourfold
