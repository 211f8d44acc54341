#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "simulation/logging_policy.h"
#include "simulation/world.h"

namespace fourfold::simulation {

// Who decides what a world's users are shown. Not thread-safe.
class Feed {
 public:
  virtual ~Feed() = default;
  // A slate for whom the moment (kSlateDue) is about; nothing that this session was shown before.
  // Fewer items than WorldOptions::slates.size, but at least one.
  virtual absl::Status Choose(const World& world, const Moment& moment,
                              std::vector<PlacedItem>* slate) = 0;
  // What became of the slate last chosen.
  virtual absl::Status Shown(const ShownSlate&) { return absl::OkStatus(); }
  // Everything that happens but kSlateDue, as it happens.
  virtual absl::Status Observe(const World&, const Moment&) { return absl::OkStatus(); }
};

// What most clicked lately, without what the user saw among their last 40 impressions. Learns from
// what it observes.
std::unique_ptr<Feed> MakePopularityFeed(const WorldOptions& options);

// The best possible slate for each request: the items of the highest expected value, by the truth.
// It looks no further than this slate.
std::unique_ptr<Feed> MakeTruthFeed();

// The logging policy.
std::unique_ptr<Feed> MakeLoggingFeed(const WorldOptions& options);

}  // namespace fourfold::simulation
