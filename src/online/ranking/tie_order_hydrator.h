#pragma once

#include "online/pipeline/stage.h"

namespace fourfold {

// Fills the columns of the tie rule: all-time popularity in the servable, then StableHash of the
// id, which is a fixed random order.
class TieOrderHydrator final : public Hydrator {
 public:
  TieOrderHydrator();
  absl::Status Hydrate(const Query& query, const CandidateTable& candidates,
                       HydratedColumns columns) const override;
};

}  // namespace fourfold
