#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "online/recommender.h"
#include "online/surfaces/surfaces.h"

namespace fourfold {
namespace {

absl::StatusOr<std::vector<GoldenRequest::Answer>> Answer(const GoldenRequest& golden,
                                                          const BoundSurfaces& bound,
                                                          const Catalogue& catalogue,
                                                          RequestState* state) {
  std::optional<Expression> filter;
  if (!golden.filter.empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(filter, Expression::Parse(golden.filter));
  }
  if (golden.limit < 1) return InvalidArgument("limit is ", golden.limit);
  Query query;
  query.at.as_of_ms = golden.as_of_ms;
  query.limit = golden.limit;
  query.filter = filter ? &*filter : nullptr;
  query.servable = bound.items.get();
  query.blend = &bound.home_blend;
  state->Start(query);
  state->columns.history = golden.history;
  FOURFOLD_RETURN_IF_ERROR(bound.home->Fetch(state));

  const Catalogue::ReadLock lock(catalogue);
  state->query.catalogue = &lock;
  FOURFOLD_RETURN_IF_ERROR(bound.home->Run(state));
  std::vector<GoldenRequest::Answer> answers;
  for (const Row row : state->slate) {
    answers.push_back(
        {std::string(lock.Id(state->candidates.items()[row])), state->candidates.score(row)});
  }
  return answers;
}

}  // namespace

absl::StatusOr<std::vector<GoldenRequest>> AnswerGoldenRequests(const Servable& servable) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  for (const GoldenItem& item : servable.golden.catalogue) catalogue.Put(item.item, item.fields);
  const PolicyOptions no_policy;
  // Not owned: everything made from it ends with this call.
  const std::shared_ptr<const Servable> borrowed(std::shared_ptr<void>(), &servable);
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto bound,
      BoundSurfaces::Bind(borrowed, {.policy = &no_policy, .catalogue = &catalogue}));

  RequestState state;
  std::vector<GoldenRequest> answered = servable.golden.requests;
  for (GoldenRequest& golden : answered) {
    auto answers = Answer(golden, *bound, catalogue, &state);
    if (!answers.ok()) {
      return Annotate(answers.status(), StrCat("golden request ", golden.name));
    }
    golden.answers = *std::move(answers);
  }
  return answered;
}

}  // namespace fourfold
