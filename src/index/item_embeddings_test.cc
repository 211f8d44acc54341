#include "index/item_embeddings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Item 0 is trained and red and green, item 1 is trained without a colour, item 2 was never acted
// on and is green, item 3 neither acted on nor coloured.
ItemEmbeddings::Parts SmallParts() {
  const float half_weight = std::log(3.0F);  // softmax(log 3, 0) = (3/4, 1/4)
  ItemEmbeddings::Parts parts{.dimension = 8,
                              .trained = {1, 1, 0, 0},
                              .rows = std::vector<float>(4 * 8, 0.0F),
                              .weights = {half_weight, 0, 0, 0, 0, 0, 0, 0},
                              .fields = {{.name = "colour",
                                          .values = {"green", "red"},
                                          .begin = {0, 2, 2, 3, 3},
                                          .value = {0, 1, 0},
                                          .vectors = std::vector<float>(2 * 8, 0.0F)}}};
  parts.rows[0] = 4;                   // item 0
  parts.rows[8 + 1] = 2;               // item 1
  parts.rows[2 * 8 + 7] = 9;           // item 2: not trained, so it does not count
  parts.fields[0].vectors[2] = 8;      // green
  parts.fields[0].vectors[8 + 2] = 8;  // red
  parts.fields[0].vectors[8 + 3] = 4;  // red
  return parts;
}

class ItemEmbeddingsTest : public testing::Test {
 protected:
  ItemEmbeddingsTest()
      : path_(StrCat(testing::TempDir(), "fourfold_embeddings_", static_cast<int>(getpid()))) {}
  ~ItemEmbeddingsTest() override { std::filesystem::remove(path_); }

  const std::string path_;
};

TEST_F(ItemEmbeddingsTest, ValuesThatNoTrainedItemHadDoNotCount) {
  ItemEmbeddings::Parts parts = SmallParts();
  // Item 2, which was never acted on, is blue.
  ItemEmbeddings::Field& field = parts.fields[0];
  field.values = {"blue", "green", "red"};
  field.value = {1, 2, 0};
  field.vectors.insert(field.vectors.begin(), 8, 5.0F);
  const ItemEmbeddings embeddings = ItemEmbeddings::FromParts(parts);
  std::vector<std::string> told;
  embeddings.VisitValues(0, [&](std::string_view value, std::span<const float> vector) {
    told.push_back(StrCat(value, " ", vector[2], " ", vector[3]));
  });
  EXPECT_THAT(told, ElementsAre("green 8 0", "red 8 4"));
  EXPECT_THAT(embeddings.VectorOf(2), IsEmpty());
  EXPECT_TRUE(embeddings.AreThoseOf(2, {{"blue"}}));
  ASSERT_TRUE(embeddings.Save(path_).ok());
  const auto opened = ItemEmbeddings::Open(path_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  for (const ItemEmbeddings* each : {&embeddings, &*opened}) {
    EXPECT_THAT(each->Compose(ItemEmbeddings::kNoItemRow, {{"blue"}}), IsEmpty());
    EXPECT_THAT(each->Compose(ItemEmbeddings::kNoItemRow, {{"blue", "green"}}),
                ElementsAre(0, 0, 1, 0, 0, 0, 0, 0));
  }
}

void ExpectSmall(const ItemEmbeddings& embeddings) {
  ASSERT_EQ(embeddings.items(), 4u);
  ASSERT_EQ(embeddings.dimension(), 8u);
  ASSERT_EQ(embeddings.fields(), 1u);
  EXPECT_EQ(embeddings.FieldName(0), "colour");
  // 3/4 (4, 0, 0, 0) + 1/4 (0, 0, 8, 2) = (3, 0, 2, 1/2), of length sqrt(13.25).
  const float length = std::sqrt(13.25F);
  EXPECT_THAT(embeddings.VectorOf(0),
              ElementsAre(testing::FloatEq(3 / length), 0, testing::FloatEq(2 / length),
                          testing::FloatEq(0.5F / length), 0, 0, 0, 0));
  EXPECT_THAT(embeddings.VectorOf(1), ElementsAre(0, 1, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(embeddings.VectorOf(2), ElementsAre(0, 0, 1, 0, 0, 0, 0, 0));
  EXPECT_THAT(embeddings.VectorOf(3), IsEmpty());
  EXPECT_TRUE(embeddings.IsTrained(0) && embeddings.IsTrained(1));
  EXPECT_FALSE(embeddings.IsTrained(2) || embeddings.IsTrained(3));
}

TEST_F(ItemEmbeddingsTest, IsTheWeightedSumByHand) {
  ExpectSmall(ItemEmbeddings::FromParts(SmallParts()));
}

TEST_F(ItemEmbeddingsTest, IsTheSameFromItsFile) {
  ASSERT_TRUE(ItemEmbeddings::FromParts(SmallParts()).Save(path_).ok());
  const auto opened = ItemEmbeddings::Open(path_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ExpectSmall(*opened);
  EXPECT_THAT(opened->Compose(ItemEmbeddings::kNoItemRow, {{"green"}}),
              ElementsAre(0, 0, 1, 0, 0, 0, 0, 0));
}

TEST_F(ItemEmbeddingsTest, AnItemThatCameLaterIsTheMeanOfItsSideVectors) {
  const ItemEmbeddings embeddings = ItemEmbeddings::FromParts(SmallParts());
  const float length = std::sqrt(8.0F * 8 + 2 * 2);
  EXPECT_THAT(
      embeddings.Compose(ItemEmbeddings::kNoItemRow, {{"red", "green", "blue", "red"}}),
      ElementsAre(0, 0, testing::FloatEq(8 / length), testing::FloatEq(2 / length), 0, 0, 0, 0));
  EXPECT_THAT(embeddings.Compose(ItemEmbeddings::kNoItemRow, {{"blue"}}), IsEmpty());
}

TEST_F(ItemEmbeddingsTest, AnItemThatChangedKeepsItsOwnRow) {
  const ItemEmbeddings embeddings = ItemEmbeddings::FromParts(SmallParts());
  EXPECT_TRUE(embeddings.AreThoseOf(0, {{"red", "green", "blue"}}));
  EXPECT_FALSE(embeddings.AreThoseOf(0, {{"red"}}));
  EXPECT_TRUE(embeddings.AreThoseOf(1, {{}}));
  // 3/4 (4, ...) + 1/4 (0, 0, 8, 4) = (3, 0, 2, 1).
  const float length = std::sqrt(14.0F);
  EXPECT_THAT(embeddings.Compose(0, {{"red"}}),
              ElementsAre(testing::FloatEq(3 / length), 0, testing::FloatEq(2 / length),
                          testing::FloatEq(1 / length), 0, 0, 0, 0));
  EXPECT_THAT(embeddings.Compose(0, {{}}), ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
}

// Whatever byte is changed: it opens and works, or says why not.
TEST_F(ItemEmbeddingsTest, AnyChangedByteIsReadSafely) {
  ASSERT_TRUE(ItemEmbeddings::FromParts(SmallParts()).Save(path_).ok());
  std::ifstream file(path_, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  int refused = 0;
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string changed = bytes;
    changed[place] = static_cast<char>(changed[place] ^ 0x81);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << changed;
    const auto opened = ItemEmbeddings::Open(path_);
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(MessageOf(opened.status())), HasSubstr(path_));
      ++refused;
      continue;
    }
    for (std::uint32_t item = 0; item < opened->items(); ++item) {
      opened->Compose(item, ItemEmbeddings::SideValues(opened->fields(), {"red"}));
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace fourfold
