#include "engine/past_retrieval.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "offline/evaluation/evaluation_protocol.h"
#include "online/retrieval/retrievers.h"

namespace fourfold {

PastRetrieval::PastRetrieval(const Learning& learning)
    : recommender_(&learning.store, &learning.catalogue,
                   {.policy = learning.recipe.policy, .log_slates = false}),
      fields_(*learning.recipe.features, NamesOf(learning.recipe.retrievers)),
      candidates_(static_cast<std::size_t>(learning.recipe.ranker->candidates)) {}

absl::StatusOr<std::shared_ptr<const PastRetrieval>> PastRetrieval::Make(const Learning& learning,
                                                                         const PastFits& fits) {
  auto retrieval = std::shared_ptr<PastRetrieval>(new PastRetrieval(learning));
  for (const auto& [from_ms, servable] : fits.servables()) {
    FOURFOLD_ASSIGN_OR_RETURN(auto bound, retrieval->recommender_.Bind(servable));
    retrieval->bound_.emplace(from_ms, std::move(bound));
  }
  return std::shared_ptr<const PastRetrieval>(std::move(retrieval));
}

absl::Status PastRetrieval::Retrieve(const FeatureRequest& request,
                                     std::vector<FeatureCandidate>* candidates) const {
  Recommender::AsOfRequest asked;
  asked.user = request.user;
  asked.session = request.session;
  asked.at = request.at;
  const auto after = bound_.upper_bound(request.now_ms);
  FOURFOLD_CHECK(after != bound_.begin());
  return recommender_.RetrieveAsOf(asked, *std::prev(after)->second, fields_, candidates_,
                                   candidates);
}

}  // namespace fourfold
