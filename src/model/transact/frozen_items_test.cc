#include "model/transact/frozen_items.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace fourfold {
namespace {

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

class FrozenItemsTest : public testing::Test {
 protected:
  static constexpr std::size_t kDimension = 8, kFields = 3, kCodes = 4;

  // Of each field the codes 0, 2, 4, ... are known.
  FrozenItemsTest() {
    parts_.dimension = kDimension;
    parts_.items = {"b", "a", "c"};
    parts_.vectors = Draw(3 * kDimension);
    parts_.fields = {"kind", "colour", "year"};
    parts_.codes_per_field = kCodes;
    for (std::size_t field = 0; field < kFields; ++field) {
      for (int code = 0; code < 20; code += 2) {
        parts_.keys.push_back(FrozenItems::KeyOf(field, static_cast<float>(code)));
        by_code_[{field, code}] = Draw(kDimension);
        const std::vector<float>& vector = by_code_[{field, code}];
        parts_.side_vectors.insert(parts_.side_vectors.end(), vector.begin(), vector.end());
      }
    }
  }
  std::vector<float> Draw(std::size_t size) {
    std::normal_distribution<float> normal;
    std::vector<float> values(size);
    for (float& value : values) value = normal(random_);
    return values;
  }
  std::vector<float> VectorOf(const FrozenItems& frozen, std::string_view item,
                              const std::vector<float>& codes) const {
    std::vector<float> vector(kDimension, 7);
    frozen.Fill(frozen.RowOf(item), codes, vector);
    return vector;
  }

  std::mt19937_64 random_{3};
  FrozenItems::Parts parts_;
  std::map<std::pair<std::size_t, int>, std::vector<float>> by_code_;
};

TEST_F(FrozenItemsTest, AnItemThatWasTrainedHasItsOwnVectorWhateverItsFieldsSay) {
  const auto frozen = *FrozenItems::Make(parts_);
  std::vector<float> codes(kFields * kCodes, kNone);
  const std::vector<float> a(parts_.vectors.begin() + kDimension,
                             parts_.vectors.begin() + 2 * kDimension);
  EXPECT_EQ(VectorOf(*frozen, "a", codes), a);
  codes[0] = 2;
  EXPECT_EQ(VectorOf(*frozen, "a", codes), a);
  EXPECT_FALSE(frozen->RowOf("d").has_value());
  EXPECT_FALSE(frozen->RowOf("").has_value());
}

TEST_F(FrozenItemsTest, AnyOtherHasTheMeanOfItsFieldsEachTheMeanOfItsValues) {
  const auto frozen = *FrozenItems::Make(parts_);
  int without = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<float> codes(kFields * kCodes, kNone);
    std::vector<double> sum(kDimension);
    for (std::size_t field = 0; field < kFields; ++field) {
      std::vector<int> known;
      for (std::size_t i = 0; i < kCodes; ++i) {
        const int code = static_cast<int>(random_() % 40) - 5;
        if (random_() % 3 != 0) continue;
        codes[field * kCodes + i] = static_cast<float>(code);
        if (by_code_.contains({field, code})) known.push_back(code);
      }
      for (const int code : known) {
        for (std::size_t d = 0; d < kDimension; ++d) {
          sum[d] += double{by_code_[{field, code}][d]} / static_cast<double>(known.size());
        }
      }
    }
    double squares = 0;
    for (const double value : sum) squares += value * value;
    if (squares == 0) ++without;
    const std::vector<float> vector = VectorOf(*frozen, "nobody", codes);
    for (std::size_t d = 0; d < kDimension; ++d) {
      EXPECT_NEAR(vector[d], squares == 0 ? 0 : sum[d] / std::sqrt(squares), 1e-5);
    }
  }
  EXPECT_GT(without, 10);
  EXPECT_LT(without, 300);
}

TEST_F(FrozenItemsTest, WhatIsNoCodeSaysNothing) {
  const auto frozen = *FrozenItems::Make(parts_);
  const std::vector<float> zeros(kDimension);
  for (const float none : {kNone, -1.0F, 16'777'216.0F, INFINITY, -INFINITY, 1.0F}) {
    EXPECT_EQ(VectorOf(*frozen, "nobody", std::vector<float>(kFields * kCodes, none)), zeros);
  }
}

TEST_F(FrozenItemsTest, WithoutFieldsOnlyItemsAreKnown) {
  FrozenItems::Parts parts = parts_;
  parts.fields.clear();
  parts.keys.clear();
  parts.side_vectors.clear();
  parts.codes_per_field = 0;
  const auto frozen = FrozenItems::Make(parts);
  ASSERT_TRUE(frozen.ok()) << frozen.status();
  EXPECT_EQ((*frozen)->item_codes(), 0u);
  EXPECT_EQ(VectorOf(**frozen, "nobody", {}), std::vector<float>(kDimension));
  EXPECT_EQ(VectorOf(**frozen, "b", {})[0], parts_.vectors[0]);
}

TEST_F(FrozenItemsTest, PartsThatDoNotFitAreRefused) {
  const auto refused = [&](const auto& change) {
    FrozenItems::Parts parts = parts_;
    change(parts);
    EXPECT_EQ(FrozenItems::Make(std::move(parts)).status().code(),
              absl::StatusCode::kInvalidArgument);
  };
  ASSERT_TRUE(FrozenItems::Make(parts_).ok());
  refused([](auto& parts) { parts.dimension = 0; });
  refused([](auto& parts) { parts.vectors.pop_back(); });
  refused([](auto& parts) { parts.vectors[3] = kNone; });
  refused([](auto& parts) { parts.side_vectors.push_back(1); });
  refused([](auto& parts) { parts.side_vectors[0] = INFINITY; });
  refused([](auto& parts) { parts.items[2] = "b"; });
  refused([](auto& parts) { std::swap(parts.keys[0], parts.keys[1]); });
  refused([](auto& parts) { parts.keys[1] = parts.keys[0]; });
  refused([](auto& parts) { parts.keys.back() = FrozenItems::KeyOf(kFields, 0); });
  refused([](auto& parts) { parts.codes_per_field = 0; });
  refused([](auto& parts) { parts.codes_per_field = FrozenItems::kCodesPerFieldMax + 1; });
  refused([](auto& parts) { parts.fields.resize(FrozenItems::kFieldsMax + 1); });
}

}  // namespace
}  // namespace fourfold
