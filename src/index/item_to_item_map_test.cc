#include "index/item_to_item_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "storage/safetensors.h"

namespace fourfold {
namespace {

std::string TemporaryPath(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / ("item_to_item_map_test_" + name);
}

std::vector<std::vector<Neighbour>> ThreeRows() {
  return {{{2, 0.75f}, {1, 0.5f}}, {}, {{0, 0.25f}, {1, 0.25f}}};
}

void ExpectThreeRows(const ItemToItemMap& map) {
  ASSERT_EQ(map.items(), 3u);
  const auto neighbours = map.NeighboursOf(0);
  EXPECT_EQ(std::vector(neighbours.begin(), neighbours.end()), (std::vector<std::uint32_t>{2, 1}));
  const auto scores = map.ScoresOf(0);
  EXPECT_EQ(std::vector(scores.begin(), scores.end()), (std::vector<float>{0.75f, 0.5f}));
  EXPECT_TRUE(map.NeighboursOf(1).empty());
  EXPECT_TRUE(map.ScoresOf(1).empty());
  const auto ties = map.NeighboursOf(2);
  EXPECT_EQ(std::vector(ties.begin(), ties.end()), (std::vector<std::uint32_t>{0, 1}));
}

TEST(ItemToItemMapTest, KeepsRowsInMemoryAndOnDisk) {
  const ItemToItemMap made = ItemToItemMap::FromRows(ThreeRows());
  ExpectThreeRows(made);
  const std::string path = TemporaryPath("round");
  ASSERT_TRUE(made.Save(path).ok());
  const auto opened = ItemToItemMap::Open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ExpectThreeRows(*opened);
}

TEST(ItemToItemMapTest, SurvivesAMoveAfterOpening) {
  const std::string path = TemporaryPath("move");
  ASSERT_TRUE(ItemToItemMap::FromRows(ThreeRows()).Save(path).ok());
  auto opened = ItemToItemMap::Open(path);
  ASSERT_TRUE(opened.ok());
  const ItemToItemMap moved = *std::move(opened);
  ExpectThreeRows(moved);
}

TEST(ItemToItemMapTest, OfNoItemsIsAMap) {
  const std::string path = TemporaryPath("none");
  ASSERT_TRUE(ItemToItemMap::FromRows({}).Save(path).ok());
  const auto opened = ItemToItemMap::Open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->items(), 0u);
}

struct BadColumns {
  std::string name;
  std::vector<std::int64_t> offsets;
  std::vector<std::uint32_t> neighbours;
  std::vector<float> scores;
};

TEST(ItemToItemMapTest, RefusesColumnsThatDoNotMakeAMap) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<BadColumns> cases = {
      {"no offsets", {}, {}, {}},
      {"offsets begin late", {1, 2}, {0, 0}, {1, 0.5f}},
      {"offsets end early", {0, 1}, {0, 0}, {1, 0.5f}},
      {"offsets past the end", {0, 3}, {0, 0}, {1, 0.5f}},
      {"offsets fall", {0, 2, 1, 2}, {0, 1}, {1, 0.5f}},
      {"negative offsets", {0, -1, 2}, {0, 1}, {1, 0.5f}},
      {"neighbour past the end", {0, 1}, {1}, {1}},
      {"lengths differ", {0, 1}, {0}, {1, 1}},
      {"score not finite", {0, 1}, {0}, {nan}},
      {"worse first", {0, 2, 2}, {0, 1}, {0.5f, 1}},
      {"larger index first in a tie", {0, 2, 2}, {1, 0}, {1, 1}},
      {"neighbour twice", {0, 2, 2}, {1, 1}, {1, 1}},
  };
  for (const BadColumns& bad : cases) {
    const std::string path = TemporaryPath("bad");
    ASSERT_TRUE(WriteSafetensors(
                    path, {MakeTensor<std::int64_t>("offsets", Dtype::kI64, bad.offsets),
                           MakeTensor<std::uint32_t>("neighbours", Dtype::kU32, bad.neighbours),
                           MakeTensor<float>("scores", Dtype::kF32, bad.scores)})
                    .ok());
    const auto opened = ItemToItemMap::Open(path);
    ASSERT_FALSE(opened.ok()) << bad.name;
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << bad.name;
    EXPECT_NE(opened.status().ToString().find(path), std::string::npos) << opened.status();
  }
}

TEST(ItemToItemMapTest, RefusesOtherTensors) {
  const std::string path = TemporaryPath("other");
  const std::vector<float> values = {1};
  ASSERT_TRUE(WriteSafetensors(path, {MakeTensor<float>("offsets", Dtype::kF32, values)}).ok());
  EXPECT_EQ(ItemToItemMap::Open(path).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace fourfold
