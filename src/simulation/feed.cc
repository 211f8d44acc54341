#include "simulation/feed.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "math/exp2.h"

namespace fourfold::simulation {
namespace {

constexpr std::int64_t kPopularityHalfLifeMs = 7 * kDayMs;

bool WasShown(const Session& session, std::uint32_t item) {
  return std::find(session.shown.begin(), session.shown.end(), item) != session.shown.end();
}

// The slots of the highest scores first; ties go to the greater exposure.
void TakeBest(std::vector<std::pair<double, std::uint32_t>>* scored, int size,
              std::vector<PlacedItem>* slate) {
  const auto better = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  const auto count = std::min(static_cast<std::size_t>(size), scored->size());
  std::partial_sort(scored->begin(), scored->begin() + static_cast<std::ptrdiff_t>(count),
                    scored->end(), better);
  slate->clear();
  for (std::size_t i = 0; i < count; ++i) slate->push_back({.slot = (*scored)[i].second});
}

class PopularityFeed final : public Feed {
 public:
  explicit PopularityFeed(const WorldOptions& options)
      : start_ms_(options.start_ms), clicks_(static_cast<std::size_t>(options.items.alive)) {}

  absl::Status Choose(const World& world, const Moment& moment,
                      std::vector<PlacedItem>* slate) override {
    scored_.clear();
    for (std::uint32_t slot = 0; slot < world.items().size(); ++slot) {
      const std::uint32_t item = world.items()[slot].number;
      if (WasShown(*moment.session, item) || moment.user->TimesSeen(item) > 0) continue;
      scored_.emplace_back(clicks_[slot].item == item ? clicks_[slot].weight : 0, slot);
    }
    TakeBest(&scored_, world.options().slates.size, slate);
    return absl::OkStatus();
  }

  absl::Status Observe(const World& world, const Moment& moment) override {
    if (moment.kind != Moment::Kind::kAction || moment.action.kind != ActionKind::kClick) {
      return absl::OkStatus();
    }
    const std::uint32_t slot = world.items().SlotOf(moment.action.item);
    if (slot == kNoSlot) return absl::OkStatus();
    Clicks& clicks = clicks_[slot];
    if (clicks.item != moment.action.item) clicks = {.item = moment.action.item};
    // Later clicks weigh more, which is the same as that earlier ones fade.
    clicks.weight += Exp2(static_cast<double>(moment.time_ms - start_ms_) /
                          static_cast<double>(kPopularityHalfLifeMs));
    return absl::OkStatus();
  }

 private:
  struct Clicks {
    std::uint32_t item = 0;
    double weight = 0;
  };

  std::int64_t start_ms_;
  std::vector<Clicks> clicks_;  // by slot
  std::vector<std::pair<double, std::uint32_t>> scored_;
};

class TruthFeed final : public Feed {
 public:
  absl::Status Choose(const World& world, const Moment& moment,
                      std::vector<PlacedItem>* slate) override {
    scored_.clear();
    for (std::uint32_t slot = 0; slot < world.items().size(); ++slot) {
      const Item& item = world.items()[slot];
      if (WasShown(*moment.session, item.number)) continue;
      const Attraction attraction = world.preference().Of(*moment.user, item, world.trend());
      scored_.emplace_back(world.preference().Value(attraction), slot);
    }
    TakeBest(&scored_, world.options().slates.size, slate);
    return absl::OkStatus();
  }

 private:
  std::vector<std::pair<double, std::uint32_t>> scored_;
};

class LoggingFeed final : public Feed {
 public:
  explicit LoggingFeed(const WorldOptions& options) : policy_(options.slates) {}
  absl::Status Choose(const World& world, const Moment& moment,
                      std::vector<PlacedItem>* slate) override {
    policy_.Choose(world, moment, slate);
    return absl::OkStatus();
  }

 private:
  LoggingPolicy policy_;
};

}  // namespace

std::unique_ptr<Feed> MakePopularityFeed(const WorldOptions& options) {
  return std::make_unique<PopularityFeed>(options);
}
std::unique_ptr<Feed> MakeTruthFeed() { return std::make_unique<TruthFeed>(); }
std::unique_ptr<Feed> MakeLoggingFeed(const WorldOptions& options) {
  return std::make_unique<LoggingFeed>(options);
}

}  // namespace fourfold::simulation
