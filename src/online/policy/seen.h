#pragma once

#include "feature/event_store.h"
#include "online/pipeline/stage.h"
#include "online/policy/policy_options.h"

namespace fourfold {

// Marks what the seen rules of the recipe say has been acted on or shown enough. Where the history,
// of at most `history_actions`, does not reach back as far as they do, it is read anew. Without a
// store nothing is read. `policy` outlives the stage.
class SeenHydrator final : public Hydrator {
 public:
  SeenHydrator(const EventStore* store, const PolicyOptions* policy, int history_actions);
  absl::Status Fetch(const Query& query, QueryColumns* columns) const override;
  absl::Status Resolve(const Query& query, QueryColumns* columns) const override;

 private:
  absl::Status FetchSeenBefore(const Query& query, QueryColumns* columns) const;
  absl::Status FetchSlates(const Query& query, QueryColumns* columns) const;

  const EventStore* store_;
  const PolicyOptions* policy_;
  const std::size_t history_actions_;
};

// Drops what is marked so.
class SeenFilter final : public Filter {
 public:
  explicit SeenFilter(const PolicyOptions* policy);
  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;

 private:
  const PolicyOptions* policy_;
};

}  // namespace fourfold
