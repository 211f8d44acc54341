#include "online/surfaces/surfaces.h"

#include <utility>

#include "base/status_macros.h"
#include "online/retrieval/retrievers.h"

namespace fourfold {
namespace {

// The weights of those that say what goes with an item as in the blend of the home feed or, where
// that asks none of them, all alike.
BlendSpec SimilarBlend(const Servable* servable) {
  BlendSpec blend;
  if (servable == nullptr) return blend;
  blend = servable->manifest.blend;
  blend.weights.clear();
  const std::vector<RetrieverSpec> specs = SimilarItemRetrieversOf(servable);
  for (const RetrieverSpec& spec : specs) {
    const auto weight = servable->manifest.blend.weights.find(spec.name);
    if (weight != servable->manifest.blend.weights.end() && weight->second > 0) {
      blend.weights.insert(*weight);
    }
  }
  if (blend.weights.empty()) {
    for (const RetrieverSpec& spec : specs) blend.weights[spec.name] = 1;
  }
  return blend;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const BoundSurfaces>> BoundSurfaces::Bind(
    std::shared_ptr<const Servable> servable, const SurfaceParts& parts) {
  auto bound = std::make_shared<BoundSurfaces>();
  bound->ranker = parts.ranker;
  if (servable != nullptr) bound->home_blend = servable->manifest.blend;
  bound->similar_blend = SimilarBlend(servable.get());
  FOURFOLD_ASSIGN_OR_RETURN(bound->home, BuildHome(parts, servable.get()));
  FOURFOLD_ASSIGN_OR_RETURN(bound->similar, BuildSimilar(parts, servable.get()));
  FOURFOLD_ASSIGN_OR_RETURN(bound->items,
                            BoundServable::Bind(std::move(servable), parts.catalogue, parts.store));
  return bound;
}

}  // namespace fourfold
