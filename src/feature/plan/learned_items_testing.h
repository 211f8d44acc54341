#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feature/plan/learned_items.h"

namespace fourfold {

// What tests say that retrievers learned.
class GivenItems final : public LearnedItems {
 public:
  class Neighbours final : public ItemNeighbours {
   public:
    std::span<const std::uint32_t> NeighboursOf(std::uint32_t item) const override {
      return item < items.size() ? std::span(items[item]) : std::span<const std::uint32_t>();
    }
    std::span<const float> ScoresOf(std::uint32_t item) const override {
      return item < scores.size() ? std::span(scores[item]) : std::span<const float>();
    }
    std::vector<std::vector<std::uint32_t>> items;
    std::vector<std::vector<float>> scores;
  };
  class Vectors final : public ItemVectors {
   public:
    std::span<const float> VectorOf(std::uint32_t item) const override {
      return item < of_item.size() ? std::span(of_item[item]) : std::span<const float>();
    }
    std::vector<std::vector<float>> of_item;
  };

  std::uint32_t Find(std::string_view item) const override {
    const auto found = std::find(items.begin(), items.end(), item);
    return found == items.end() ? kUnknown : static_cast<std::uint32_t>(found - items.begin());
  }
  const ItemNeighbours* FindNeighbours(std::string_view retriever) const override {
    const auto found = neighbours.find(retriever);
    return found == neighbours.end() ? nullptr : &found->second;
  }
  const ItemVectors* FindVectors(std::string_view retriever) const override {
    const auto found = vectors.find(retriever);
    return found == vectors.end() ? nullptr : &found->second;
  }

  std::vector<std::string> items;
  std::map<std::string, Neighbours, std::less<>> neighbours;
  std::map<std::string, Vectors, std::less<>> vectors;
};

}  // namespace fourfold
