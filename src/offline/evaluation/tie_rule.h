#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The order among items of equal score: the more popular in training first, then a fixed random
// permutation. An order by id would favour whatever ids happen to mean (age, brand).
namespace fourfold {

inline constexpr std::uint64_t kTieSeed = 0x4f75'7274'6965;

// A number for each item, smaller goes first among equals: by popularity (training count)
// descending, then by StableHash(id, seed), then by id. A permutation of 0 .. items - 1. The two
// spans are parallel.
std::vector<std::uint32_t> TieOrder(std::span<const float> popularity,
                                    std::span<const std::string> items,
                                    std::uint64_t seed = kTieSeed);

// The full ranking of a score vector, cut at `limit`: indexes by score descending, then by
// tie_order. `excluded` (ascending) is left out. No score may be NaN.
std::vector<std::uint32_t> RankByScore(std::span<const float> scores,
                                       std::span<const std::uint32_t> tie_order,
                                       std::span<const std::uint32_t> excluded, std::size_t limit);

}  // namespace fourfold
