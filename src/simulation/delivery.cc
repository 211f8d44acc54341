#include "simulation/delivery.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "math/exp2.h"
#include "simulation/draws.h"

namespace fourfold::simulation {
namespace {

constexpr std::uint32_t kDuplicateWithinMs = 60'000;
constexpr double kLateSpread = 1.5;  // doublings and halvings of the median: standard deviation

}  // namespace

Delivery::Delivery(const DeliveryOptions& options, std::uint64_t seed, ByteSink* sink)
    : options_(options), key_(DeriveKey(seed, Purpose::kDelivery)), sink_(sink) {}

absl::Status Delivery::Write(std::string_view line) {
  ++counts_.lines;
  counts_.bytes += line.size();
  return sink_->Write(line);
}

void Delivery::Wait(std::int64_t arrives_ms, std::string line) {
  waiting_.push_back({arrives_ms, delivered_, std::move(line)});
  std::push_heap(waiting_.begin(), waiting_.end());
}

absl::Status Delivery::ReleaseUntil(std::int64_t time_ms) {
  while (!waiting_.empty() && waiting_.front().arrives_ms <= time_ms) {
    FOURFOLD_RETURN_IF_ERROR(Write(waiting_.front().line));
    std::pop_heap(waiting_.begin(), waiting_.end());
    waiting_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Delivery::Deliver(std::int64_t time_ms) {
  ++delivered_;
  FOURFOLD_RETURN_IF_ERROR(ReleaseUntil(time_ms));
  FOURFOLD_RETURN_IF_ERROR(Write(ready_));
  ready_.clear();
  return absl::OkStatus();
}

absl::Status Delivery::DeliverUnreliably(std::int64_t time_ms) {
  Draws draws(DeriveKey(key_, Purpose::kDelivery, delivered_));
  if (draws.Chance(options_.duplicate)) {
    ++counts_.duplicates;
    Wait(time_ms + 1 + draws.Below(kDuplicateWithinMs), ready_);
  }
  const double fate = draws.Unit();
  if (fate >= options_.late + options_.out_of_order) return Deliver(time_ms);
  std::int64_t delay_ms = 0;
  if (fate < options_.late) {
    ++counts_.late;
    const double doublings = kLateSpread * draws.Normal();
    delay_ms =
        static_cast<std::int64_t>(static_cast<double>(options_.late_by_ms) * Exp2(doublings));
  } else {
    ++counts_.out_of_order;
    delay_ms = draws.Below(static_cast<std::uint32_t>(options_.out_of_order_by_ms));
  }
  ++delivered_;
  Wait(time_ms + 1 + delay_ms, std::move(ready_));
  ready_.clear();
  return ReleaseUntil(time_ms);
}

absl::Status Delivery::Finish() {
  while (!waiting_.empty()) {
    FOURFOLD_RETURN_IF_ERROR(ReleaseUntil(waiting_.front().arrives_ms));
  }
  return absl::OkStatus();
}

}  // namespace fourfold::simulation
