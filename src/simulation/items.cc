#include "simulation/items.h"

#include <cmath>
#include <numeric>

#include "math/exp2.h"
#include "math/log2.h"

namespace fourfold::simulation {
namespace {

// 1, 2^-exponent, 3^-exponent, ...
std::vector<double> PowerLaw(int count, double exponent) {
  std::vector<double> weights;
  for (int i = 1; i <= count; ++i) weights.push_back(Exp2(-exponent * Log2(i)));
  return weights;
}

std::vector<double> Shares(std::vector<double> weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace

Items::Items(const WorldOptions& options, std::uint64_t seed)
    : seed_(seed),
      second_topic_(options.items.second_topic),
      quality_exposure_(options.items.quality_exposure),
      topic_weights_(Shares(PowerLaw(options.topics, options.items.topic_skew))),
      by_topic_(topic_weights_),
      exposure_(Shares(PowerLaw(options.items.alive, options.items.zipf))),
      by_exposure_(exposure_),
      topic_exposure_(exposure_.size()) {
  Draws draws(DeriveKey(seed, Purpose::kWorld));
  const auto topics = static_cast<std::uint32_t>(options.topics);
  const auto slots = static_cast<std::uint32_t>(options.items.alive);
  std::vector<std::vector<std::uint32_t>> slots_of(topics);
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    // The tail holds one of each, so that no topic is empty.
    const std::uint32_t from_end = slots - 1 - slot;
    const std::uint32_t topic = from_end < topics ? from_end : by_topic_.Draw(&draws);
    slots_of[topic].push_back(slot);
    items_.push_back(MakeItem(slot, static_cast<int>(topic)));
    slot_of_[items_.back().number] = slot;
  }
  for (std::vector<std::uint32_t>& of_topic : slots_of) {
    std::vector<double> shares;
    shares.reserve(of_topic.size());
    for (const std::uint32_t slot : of_topic) shares.push_back(exposure_[slot]);
    shares = Shares(std::move(shares));
    for (std::size_t i = 0; i < shares.size(); ++i) topic_exposure_[of_topic[i]] = shares[i];
    topics_.push_back({std::move(of_topic), AliasTable(shares)});
  }
}

Item Items::MakeItem(std::uint32_t slot, int main_topic) {
  Item item;
  item.number = ++born_;
  Draws draws(DeriveKey(seed_, Purpose::kItem, item.number));
  item.main_topic = static_cast<std::uint8_t>(main_topic);
  int second_topic = main_topic;
  while (second_topic == main_topic && by_topic_.size() > 1) {
    second_topic = static_cast<int>(by_topic_.Draw(&draws));
  }
  item.second_topic = static_cast<std::uint8_t>(second_topic);
  const double second_weight = second_topic == main_topic ? 0 : second_topic_;
  const double length = std::sqrt(1 + second_weight * second_weight);
  item.main_weight = static_cast<float>(1 / length);
  item.second_weight = static_cast<float>(second_weight / length);
  // The place in the exposure as a number of mean 0 and standard deviation 1, highest first.
  const double place = (slot + 0.5) / static_cast<double>(exposure_.size());
  const double exposed = std::sqrt(3.0) * (1 - 2 * place);
  const double rho = quality_exposure_;
  item.quality = static_cast<float>(rho * exposed + std::sqrt(1 - rho * rho) * draws.Normal());
  return item;
}

const Item& Items::Replace(std::uint32_t slot) {
  const Item& dead = items_[slot];
  slot_of_.erase(dead.number);
  items_[slot] = MakeItem(slot, dead.main_topic);
  slot_of_[items_[slot].number] = slot;
  return items_[slot];
}

}  // namespace fourfold::simulation
