#include "engine/freeze_items.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "feature/kinds/field_codes.h"
#include "offline/dataset/side_fields.h"
#include "servable/side_values.h"

namespace fourfold {
namespace {

constexpr std::size_t kItems = 60, kDimension = 8, kCodes = 4;

// What items are by three fields: a text, a list of texts, a number; each may be missing.
struct Fields {
  FieldValue maker, genres, year;
};

Fields RandomFields(std::mt19937_64* random) {
  const auto draw = [&](int below) { return static_cast<int>((*random)() % below); };
  Fields fields;
  if (draw(4) != 0) fields.maker = StrCat("maker ", draw(5));
  if (draw(4) != 0) {
    std::vector<std::string> genres;
    for (int i = draw(4); i >= 0; --i) genres.push_back(StrCat("genre ", draw(8)));
    fields.genres = genres;
  }
  if (draw(4) != 0) fields.year = 1990 + draw(6) * 0.5;
  return fields;
}

ItemEmbeddings::SideValues ValuesOf(const Fields& fields) {
  return {SideValuesOf(fields.maker), SideValuesOf(fields.genres), SideValuesOf(fields.year)};
}

ItemEmbeddings::Field FieldOf(const std::string& name, std::size_t place,
                              const std::vector<Fields>& items, std::mt19937_64* random) {
  std::vector<std::vector<std::string>> values;
  for (const Fields& item : items) values.push_back(ValuesOf(item)[place]);
  const SideField side = MakeSideField(name, values);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(side.values.size() * kDimension);
  for (float& value : vectors) value = normal(*random);
  return {name, side.values, {side.begin.begin(), side.begin.end()}, side.value, vectors};
}

class FrozenPartsTest : public testing::Test {
 protected:
  FrozenPartsTest() {
    for (std::size_t i = 0; i < kItems; ++i) {
      fields_.push_back(RandomFields(&random_));
      ids_.push_back(StrCat("i", i));
    }
    ItemEmbeddings::Parts parts;
    parts.dimension = kDimension;
    parts.trained.assign(kItems, 1);
    parts.trained[7] = 0;
    std::normal_distribution<float> normal;
    parts.rows.resize(kItems * kDimension);
    parts.weights.resize(kItems * 4);
    for (auto* values : {&parts.rows, &parts.weights}) {
      for (float& value : *values) value = normal(random_);
    }
    parts.fields = {FieldOf("maker", 0, fields_, &random_), FieldOf("genres", 1, fields_, &random_),
                    FieldOf("year", 2, fields_, &random_)};
    embeddings_.emplace(ItemEmbeddings::FromParts(std::move(parts)));
    // Another order than that of the embeddings.
    frozen_ =
        *FrozenItems::Make(FrozenPartsOf(*embeddings_, ids_, {"year", "maker", "genres"}, kCodes));
  }

  // As a row has them.
  static std::vector<float> CodesOf(const Fields& fields) {
    std::vector<float> codes(3 * kCodes);
    const std::span<float> all(codes);
    FillFieldCodes("year", fields.year, all.subspan(0, kCodes));
    FillFieldCodes("maker", fields.maker, all.subspan(kCodes, kCodes));
    FillFieldCodes("genres", fields.genres, all.subspan(2 * kCodes, kCodes));
    return codes;
  }
  std::vector<float> FrozenVector(const std::string& item, const Fields& fields) const {
    std::vector<float> vector(kDimension);
    frozen_->Fill(frozen_->RowOf(item), CodesOf(fields), vector);
    return vector;
  }

  std::mt19937_64 random_{11};
  std::vector<Fields> fields_;
  std::vector<std::string> ids_;
  std::optional<ItemEmbeddings> embeddings_;
  std::shared_ptr<const FrozenItems> frozen_;
};

TEST_F(FrozenPartsTest, AnItemThatWasTrainedHasTheRetrieversVectorBitForBit) {
  for (std::uint32_t i = 0; i < kItems; ++i) {
    if (i == 7) continue;
    const std::span<const float> vector = embeddings_->VectorOf(i);
    EXPECT_EQ(FrozenVector(ids_[i], {}), std::vector<float>(vector.begin(), vector.end()));
  }
  EXPECT_FALSE(frozen_->RowOf("i7").has_value());
  EXPECT_EQ(frozen_->parts().items.size(), kItems - 1);
}

TEST_F(FrozenPartsTest, AnyOtherHasTheVectorThatTheRetrieverWouldGiveIt) {
  int known = 0;
  for (int round = 0; round < 300; ++round) {
    const Fields fields = RandomFields(&random_);
    std::vector<float> expected =
        embeddings_->Compose(ItemEmbeddings::kNoItemRow, ValuesOf(fields));
    known += expected.empty() ? 0 : 1;
    expected.resize(kDimension);
    const std::vector<float> vector = FrozenVector("put later", fields);
    for (std::size_t d = 0; d < kDimension; ++d) EXPECT_NEAR(vector[d], expected[d], 1e-6F);
  }
  EXPECT_GT(known, 200);
  EXPECT_LT(known, 300);
}

TEST_F(FrozenPartsTest, AValueThatNoTrainedItemHadSaysNothing) {
  Fields fields;
  fields.maker = std::string("nobody knows");
  EXPECT_EQ(FrozenVector("put later", fields), std::vector<float>(kDimension));
}

}  // namespace
}  // namespace fourfold
