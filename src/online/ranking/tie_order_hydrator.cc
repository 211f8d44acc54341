#include "online/ranking/tie_order_hydrator.h"

#include "online/retrieval/bound_servable.h"

namespace fourfold {

TieOrderHydrator::TieOrderHydrator()
    : Hydrator({.name = "tie_order",
                .reads = {},
                .writes = {Column::kTieOrder},
                .on_failure = OnFailure::kFailRequest}) {}

absl::Status TieOrderHydrator::Hydrate(const Query& query, const CandidateTable& candidates,
                                       HydratedColumns columns) const {
  const std::span<const ItemIndex> items = candidates.items();
  for (std::size_t row = 0; row < items.size(); ++row) {
    columns.popularity[row] = query.servable->Popularity(items[row]);
    columns.order_hash[row] = query.catalogue->OrderHash(items[row]);
  }
  return absl::OkStatus();
}

}  // namespace fourfold
