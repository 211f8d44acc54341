#pragma once

#include <memory>

#include "absl/status/status.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/learned_items.h"
#include "servable/servable.h"

namespace fourfold {

// The item-to-item maps and the embeddings of a servable as features read them. Keeps the servable;
// null: nothing was learned.
std::shared_ptr<const LearnedItems> LearnedItemsOf(std::shared_ptr<const Servable> servable);

// InvalidArgument, naming the feature and the retriever, where a feature of the plan reads what the
// servable does not have.
absl::Status CheckLearned(const FeaturePlan& plan, const Servable& servable);

// Whether training leaves that of a retriever.
inline bool Leaves(const RetrieverSpec& spec, LearnedRead::What what) {
  return what == LearnedRead::What::kNeighbours ? HasItemToItemMap(spec) : HasEmbeddings(spec);
}

}  // namespace fourfold
