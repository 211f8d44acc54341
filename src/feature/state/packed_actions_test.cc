#include "feature/state/packed_actions.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>

namespace fourfold {
namespace {

struct Action {
  ActionEntry entry;
  std::vector<double> values;
};

Action RandomAction(std::mt19937_64* random) {
  const auto draw = [&](std::uint64_t count) { return (*random)() % count; };
  Action action;
  ActionEntry& entry = action.entry;
  constexpr std::int64_t kTimes[] = {INT64_MIN, -5, 0, 1'700'000'000'000, INT64_MAX};
  entry.event_time_ms = draw(2) == 0 ? kTimes[draw(5)] : static_cast<std::int64_t>(draw(1 << 30));
  entry.known_time_ms = draw(2) == 0 ? entry.event_time_ms : kTimes[draw(5)];
  entry.position = draw(3) == 0 ? UINT64_MAX : draw(1000);
  for (std::uint8_t& byte : entry.event_digest) byte = static_cast<std::uint8_t>(draw(256));
  entry.user = draw(3) == 0 ? 0 : UINT64_MAX - draw(2);
  entry.session = draw(3);
  entry.tie_group = draw(2) * (*random)();
  entry.step = draw(2) == 0 ? 0 : static_cast<std::int64_t>((*random)());
  entry.item = static_cast<TextIndex>(draw(3) == 0 ? UINT32_MAX : draw(3));
  entry.type_name = static_cast<TextIndex>(draw(3));
  entry.type = static_cast<std::uint16_t>(draw(64));
  const double values[] = {0.0,
                           -0.0,
                           1.5,
                           -1e300,
                           std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()};
  action.values = {values[draw(6)], values[draw(6)]};
  return action;
}

TEST(PackedActionsTest, WhatWasPackedIsReadInWholeAndInPieces) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Action> actions;
    std::vector<std::size_t> ends;
    ActionPacker packer;
    std::string bytes;
    for (std::uint64_t left = random() % 60; left > 0; --left) {
      actions.push_back(RandomAction(&random));
      packer.Append(actions.back().entry, actions.back().values, &bytes);
      ends.push_back(bytes.size());
    }
    ActionUnpacker unpacker(2);
    std::size_t next = 0;
    const auto compare = [&](const ActionEntry& entry, std::span<const double> values) {
      ASSERT_LT(next, actions.size());
      EXPECT_EQ(entry, actions[next].entry);
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(std::bit_cast<std::uint64_t>(values[i]),
                  std::bit_cast<std::uint64_t>(actions[next].values[i]));
      }
      ++next;
    };
    const std::size_t middle = ends.empty() ? 0 : ends[random() % ends.size()];
    unpacker.Read(std::string_view(bytes).substr(0, middle), compare);
    unpacker.Read(std::string_view(bytes).substr(middle), compare);
    EXPECT_EQ(next, actions.size());
  }
}

TEST(PackedActionsTest, AnActionTakesAFewDozenBytes) {
  ActionPacker packer;
  std::string bytes;
  constexpr std::size_t kActions = 1000;
  for (std::size_t i = 0; i < kActions; ++i) {
    ActionEntry entry;
    entry.event_time_ms = entry.known_time_ms = 1'700'000'000'000 + static_cast<std::int64_t>(i);
    entry.position = 100 * i;
    entry.user = i * 0x9e3779b97f4a7c15;
    entry.item = 5;
    entry.type_name = 3;
    packer.Append(entry, {}, &bytes);
  }
  EXPECT_LT(bytes.size(), 32 * kActions);
  EXPECT_LT(bytes.capacity(), 36 * kActions);
}

}  // namespace
}  // namespace fourfold
