#include "online/policy/history_hydrator.h"
#include "online/policy/lists_hydrator.h"
#include "online/policy/mark_filter.h"
#include "online/policy/pages_hydrator.h"
#include "online/policy/recipe_filter.h"
#include "online/policy/request_filter.h"
#include "online/policy/seen.h"
#include "online/ranking/best_first_selector.h"
#include "online/ranking/blend_scorer.h"
#include "online/ranking/ranker_scorer.h"
#include "online/ranking/tie_order_hydrator.h"
#include "online/retrieval/fill_retriever.h"
#include "online/retrieval/retrievers.h"
#include "online/surfaces/slate_logger.h"
#include "online/surfaces/surfaces.h"

namespace fourfold {

absl::StatusOr<std::unique_ptr<const Pipeline>> BuildHome(const SurfaceParts& parts,
                                                          const Servable* servable) {
  using std::make_unique;
  const PolicyOptions& policy = *parts.policy;
  const std::vector<RetrieverSpec> specs = RetrieversOf(servable);

  PipelineBuilder home;
  const int history_actions = HistoryActions(policy, specs);
  home.Hydrate(
      make_unique<HistoryHydrator>(parts.store, history_actions, policy.history_window_ms));
  home.Hydrate(make_unique<ListsHydrator>());
  home.Hydrate(make_unique<PagesHydrator>(parts.store, parts.slate_log != nullptr));
  home.Hydrate(make_unique<SeenHydrator>(parts.store, &policy, history_actions));
  for (const RetrieverSpec& spec : specs) home.Retrieve(MakeRetriever(spec));
  home.Hydrate(make_unique<TieOrderHydrator>());
  home.Filter(make_unique<ExistenceFilter>());
  home.Filter(make_unique<IncludeFilter>());
  home.Filter(make_unique<MarkFilter>("exclude_items", Column::kLists, mark::kExcluded,
                                      "is in the request's exclude_items"));
  home.Filter(make_unique<MarkFilter>("earlier_page", Column::kPages, mark::kOnAPage,
                                      "stood on a page before this one"));
  home.Filter(make_unique<SeenFilter>(&policy));
  if (policy.filter) home.Filter(make_unique<RecipeFilter>(*policy.filter, parts.catalogue));
  home.Filter(make_unique<RequestFilter>());
  home.Score(make_unique<BlendScorer>(NamesOf(specs)));
  if (parts.ranker != nullptr && parts.ranker->trained->candidates > 0) {
    home.Score(make_unique<RankerScorer>(parts.ranker, NamesOf(specs)));
  }
  home.Select(make_unique<BestFirstSelector>());
  home.Fill(make_unique<FillRetriever>());
  if (parts.slate_log != nullptr) home.Observe(make_unique<SlateLogger>(parts.slate_log));
  return home.Build();
}

}  // namespace fourfold
