#include "engine/past_retrieval.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "offline/evaluation/evaluation_protocol.h"
#include "online/retrieval/retrievers.h"

namespace fourfold {
namespace {

InteractionTable Before(const InteractionTable& table, std::int64_t cut_ms) {
  std::vector<char> keep(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const bool known = table.known_time_ms.empty() || table.known_time_ms[row] < cut_ms;
    keep[row] = known && table.event_time_ms[row] < cut_ms ? 1 : 0;
  }
  return KeepRows(table, keep);
}

}  // namespace

PastRetrieval::PastRetrieval(const Learning& learning)
    : recommender_(&learning.store, &learning.catalogue,
                   {.policy = learning.recipe.policy, .log_slates = false}),
      fields_(*learning.recipe.features, NamesOf(learning.recipe.retrievers)),
      candidates_(static_cast<std::size_t>(learning.recipe.ranker->candidates)) {}

absl::StatusOr<std::shared_ptr<const PastRetrieval>> PastRetrieval::Make(
    const Learning& learning, const InteractionTable& table, const BlendSpec& blend,
    const std::vector<std::int64_t>& from_ms) {
  auto retrieval = std::shared_ptr<PastRetrieval>(new PastRetrieval(learning));
  for (const std::int64_t cut_ms : from_ms) {
    const InteractionTable past = Before(table, cut_ms);
    if (past.rows() == 0) {
      return InvalidArgument("the log holds too few actions to learn retrieval from before the ",
                             "rows of the ranker");
    }
    FOURFOLD_ASSIGN_OR_RETURN(
        Servable servable,
        FitServable(learning, past, cut_ms - 1, "fitting what retrieves the ranker's rows"));
    servable.manifest.blend = blend;
    FOURFOLD_ASSIGN_OR_RETURN(
        auto bound,
        retrieval->recommender_.Bind(std::make_shared<const Servable>(std::move(servable))));
    retrieval->bound_.emplace(cut_ms, std::move(bound));
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
