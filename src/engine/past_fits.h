#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/learning.h"
#include "feature/plan/learned_items.h"
#include "offline/dataset/interaction_table.h"

namespace fourfold {

// What retrievers know in the past, for a ranker's training rows: from each of some moments on, and
// until the next, they know nothing of what happened from that moment on. Immutable; thread-safe.
class PastFits {
 public:
  // `from_ms` rises. Fits these retrievers of the recipe. InvalidArgument: no action of the table
  // lies before the first moment.
  static absl::StatusOr<std::shared_ptr<const PastFits>> Make(
      const Learning& learning, const InteractionTable& table, const BlendSpec& blend,
      const std::vector<RetrieverSpec>& retrievers, const std::vector<std::int64_t>& from_ms);

  // By where each begins.
  using Servables = std::map<std::int64_t, std::shared_ptr<const Servable>>;
  const Servables& servables() const { return servables_; }
  // What was learned before `now_ms`, which is not before the first moment.
  const std::shared_ptr<const LearnedItems>& LearnedBefore(std::int64_t now_ms) const;

 private:
  PastFits() = default;

  Servables servables_;
  std::map<std::int64_t, std::shared_ptr<const LearnedItems>> learned_;  // the same moments
};

}  // namespace fourfold
