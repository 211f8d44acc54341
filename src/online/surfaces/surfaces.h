#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "online/pipeline/pipeline.h"
#include "online/policy/policy_options.h"
#include "online/ranking/live_ranker.h"
#include "online/retrieval/bound_servable.h"
#include "servable/servable.h"

// Where slates are shown, each as one flat list of stages.
namespace fourfold {

// What surfaces are made of; all of it outlives them.
struct SurfaceParts {
  const PolicyOptions* policy = nullptr;  // never null
  Catalogue* catalogue = nullptr;         // never null
  const EventStore* store = nullptr;      // null: histories are given, and there are no pages
  EventStore* slate_log = nullptr;        // null: slates are not logged
  // Null: the blend alone orders the slate. Of the servable that is bound.
  std::shared_ptr<const LiveRanker> ranker = nullptr;
};

// For a user or a session: what goes with their history, their own items, what is popular.
absl::StatusOr<std::unique_ptr<const Pipeline>> BuildHome(const SurfaceParts& parts,
                                                          const Servable* servable);
// For one item, given as the history: what goes with it.
absl::StatusOr<std::unique_ptr<const Pipeline>> BuildSimilar(const SurfaceParts& parts,
                                                             const Servable* servable);

// Everything that a request on one servable needs; immutable and thread-safe.
struct BoundSurfaces {
  std::unique_ptr<const BoundServable> items;
  BlendSpec home_blend;
  BlendSpec similar_blend;  // of those that say what goes with an item
  std::unique_ptr<const Pipeline> home;
  std::unique_ptr<const Pipeline> similar;
  std::shared_ptr<const LiveRanker> ranker;  // null: none

  // `servable` may be null. FailedPrecondition or InvalidArgument when it does not fit together.
  static absl::StatusOr<std::shared_ptr<const BoundSurfaces>> Bind(
      std::shared_ptr<const Servable> servable, const SurfaceParts& parts);
};

}  // namespace fourfold
