#pragma once

#include "online/pipeline/stage.h"

namespace fourfold {

// Marks the items of the request's include_items and exclude_items.
class ListsHydrator final : public Hydrator {
 public:
  ListsHydrator();
  absl::Status Resolve(const Query& query, QueryColumns* columns) const override;
};

}  // namespace fourfold
