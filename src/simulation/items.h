#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "simulation/alias_table.h"
#include "simulation/world_options.h"

namespace fourfold::simulation {

inline constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

struct Item {
  std::uint32_t number = 0;  // counts up from 1; its id is "i" and this
  std::uint8_t main_topic = 0;
  std::uint8_t second_topic = 0;
  float main_weight = 1;  // the two make a vector of length 1
  float second_weight = 0;
  float quality = 0;  // mean 0, standard deviation 1
};

// The items alive, each in a slot, which is its exposure rank from 0. Whoever dies leaves slot and
// main topic to a newborn, so exposure is the same every day.
class Items {
 public:
  Items(const WorldOptions& options, std::uint64_t seed);

  std::uint32_t size() const { return static_cast<std::uint32_t>(items_.size()); }
  const Item& operator[](std::uint32_t slot) const { return items_[slot]; }
  // kNoSlot: no longer alive, or never was.
  std::uint32_t SlotOf(std::uint32_t number) const {
    const auto found = slot_of_.find(number);
    return found == slot_of_.end() ? kNoSlot : found->second;
  }
  const Item& Replace(std::uint32_t slot);

  // How exposure falls with the rank: shares of all items, and of those with the same main topic.
  double Exposure(std::uint32_t slot) const { return exposure_[slot]; }
  double TopicExposure(std::uint32_t slot) const { return topic_exposure_[slot]; }
  std::uint32_t DrawByExposure(Draws* draws) const { return by_exposure_.Draw(draws); }
  std::uint32_t DrawOfTopic(int topic, Draws* draws) const {
    const Topic& chosen = topics_[static_cast<std::size_t>(topic)];
    return chosen.slots[chosen.by_exposure.Draw(draws)];
  }
  // How common each topic is among items and interests; the weights of a draw.
  std::span<const double> topic_weights() const { return topic_weights_; }

 private:
  struct Topic {
    std::vector<std::uint32_t> slots;
    AliasTable by_exposure;
  };

  Item MakeItem(std::uint32_t slot, int main_topic);

  std::uint64_t seed_;
  double second_topic_;
  double quality_exposure_;
  std::vector<double> topic_weights_;
  AliasTable by_topic_;
  std::vector<double> exposure_;  // by slot
  AliasTable by_exposure_;
  std::vector<double> topic_exposure_;
  std::vector<Topic> topics_;
  std::uint32_t born_ = 0;
  std::vector<Item> items_;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> slot_of_;
};

}  // namespace fourfold::simulation
