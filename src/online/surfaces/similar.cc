#include "online/policy/history_hydrator.h"
#include "online/policy/lists_hydrator.h"
#include "online/policy/mark_filter.h"
#include "online/policy/recipe_filter.h"
#include "online/policy/request_filter.h"
#include "online/ranking/best_first_selector.h"
#include "online/ranking/blend_scorer.h"
#include "online/ranking/tie_order_hydrator.h"
#include "online/retrieval/fill_retriever.h"
#include "online/retrieval/retrievers.h"
#include "online/surfaces/surfaces.h"

namespace fourfold {

absl::StatusOr<std::unique_ptr<const Pipeline>> BuildSimilar(const SurfaceParts& parts,
                                                             const Servable* servable) {
  using std::make_unique;
  const PolicyOptions& policy = *parts.policy;
  const std::vector<RetrieverSpec> specs = SimilarItemRetrieversOf(servable);

  PipelineBuilder similar;
  similar.Hydrate(make_unique<HistoryHydrator>(nullptr, 1));
  similar.Hydrate(make_unique<ListsHydrator>());
  for (const RetrieverSpec& spec : specs) similar.Retrieve(MakeRetriever(spec));
  similar.Hydrate(make_unique<TieOrderHydrator>());
  similar.Filter(make_unique<ExistenceFilter>());
  similar.Filter(make_unique<MarkFilter>("the_item_itself", Column::kLists, mark::kExcluded,
                                         "is the item that was asked about"));
  if (policy.filter) similar.Filter(make_unique<RecipeFilter>(*policy.filter, parts.catalogue));
  similar.Filter(make_unique<RequestFilter>());
  similar.Score(make_unique<BlendScorer>(NamesOf(specs)));
  similar.Select(make_unique<BestFirstSelector>());
  similar.Fill(make_unique<FillRetriever>());
  return similar.Build();
}

}  // namespace fourfold
