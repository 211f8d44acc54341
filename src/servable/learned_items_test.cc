#include "servable/learned_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace fourfold {
namespace {

using testing::IsEmpty;
using testing::Not;

// What it knows of an item by its side fields alone would tell apart who was acted on later: only
// they have a number.
TEST(LearnedItemsTest, AnItemNobodyHadActedOnHasNoVector) {
  ItemEmbeddings::Parts parts{.dimension = 8,
                              .trained = {1, 0, 1},
                              .rows = std::vector<float>(3 * 8, 1.0F),
                              .weights = std::vector<float>(3 * 2, 0.0F),
                              .fields = {{.name = "colour",
                                          .values = {"green"},
                                          .begin = {0, 1, 2, 2},
                                          .value = {0, 0},
                                          .vectors = std::vector<float>(8, 2.0F)}}};
  auto servable = std::make_shared<Servable>();
  servable->embeddings.emplace("eges", ItemEmbeddings::FromParts(std::move(parts)));
  ASSERT_THAT(servable->embeddings.at("eges").VectorOf(1), Not(IsEmpty()));
  const auto learned = LearnedItemsOf(servable);
  const ItemVectors* vectors = learned->FindVectors("eges");
  ASSERT_NE(vectors, nullptr);
  EXPECT_THAT(vectors->VectorOf(0), Not(IsEmpty()));
  EXPECT_THAT(vectors->VectorOf(1), IsEmpty());
  EXPECT_THAT(vectors->VectorOf(2), Not(IsEmpty()));
  EXPECT_EQ(learned->FindVectors("other"), nullptr);
}

TEST(LearnedItemsTest, WithoutAServableNothingIsKnown) {
  const auto learned = LearnedItemsOf(nullptr);
  EXPECT_EQ(learned->Find("anything"), LearnedItems::kUnknown);
  EXPECT_EQ(learned->FindNeighbours("item_cf"), nullptr);
  EXPECT_EQ(learned->FindVectors("eges"), nullptr);
}

}  // namespace
}  // namespace fourfold
