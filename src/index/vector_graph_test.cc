#include "index/vector_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "base/strings.h"
#include "math/vector_kernels.h"

namespace fourfold {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kDimension = 24;

std::vector<float> RandomVectors(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> vectors(count * kDimension);
  for (std::size_t row = 0; row < count; ++row) {
    double square = 0;
    for (std::size_t i = 0; i < kDimension; ++i) {
      float& value = vectors[row * kDimension + i] = normal(random);
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    for (std::size_t i = 0; i < kDimension; ++i) {
      vectors[row * kDimension + i] /= static_cast<float>(std::sqrt(square));
    }
  }
  return vectors;
}

std::span<const float> RowOf(const std::vector<float>& vectors, std::size_t row) {
  return std::span(vectors).subspan(row * kDimension, kDimension);
}

class VectorGraphTest : public testing::Test {
 protected:
  VectorGraphTest()
      : path_(StrCat(testing::TempDir(), "fourfold_graph_", static_cast<int>(getpid()))) {}
  ~VectorGraphTest() override { std::filesystem::remove(path_); }

  const std::string path_;
};

double RecallAt10(const VectorGraph& graph, const std::vector<float>& vectors,
                  const std::vector<float>& queries, std::size_t width) {
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  double hits = 0, all = 0;
  for (std::size_t q = 0; q < queries.size() / kDimension; ++q) {
    graph.Search(vectors, RowOf(queries, q), 10, width, &scratch, &found);
    std::set<std::uint32_t> right;
    for (const Neighbour& item : SearchAll(vectors, RowOf(queries, q), 10)) right.insert(item.item);
    for (const Neighbour& item : found) hits += right.contains(item.item);
    all += 10;
  }
  return hits / all;
}

TEST_F(VectorGraphTest, FindsNearlyAllOfTheNearest) {
  const std::vector<float> vectors = RandomVectors(3000, 1), queries = RandomVectors(100, 2);
  const VectorGraph graph = VectorGraph::Build(vectors, kDimension, {.threads = 1});
  EXPECT_EQ(graph.nodes(), 3000u);
  const double narrow = RecallAt10(graph, vectors, queries, 10);
  const double wide = RecallAt10(graph, vectors, queries, 200);
  EXPECT_GT(wide, 0.98);
  EXPECT_LT(narrow, wide);
  EXPECT_EQ(RecallAt10(graph, vectors, queries, 3000), 1);
}

TEST_F(VectorGraphTest, ScoresAreInnerProductsInOrder) {
  const std::vector<float> vectors = RandomVectors(500, 3), queries = RandomVectors(20, 4);
  const VectorGraph graph = VectorGraph::Build(vectors, kDimension, {.threads = 1});
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  for (std::size_t q = 0; q < 20; ++q) {
    graph.Search(vectors, RowOf(queries, q), 30, 500, &scratch, &found);
    const std::vector<Neighbour> all = SearchAll(vectors, RowOf(queries, q), 30);
    ASSERT_EQ(found.size(), 30u);
    for (std::size_t i = 0; i < 30; ++i) {
      EXPECT_EQ(found[i].item, all[i].item);
      EXPECT_EQ(found[i].score, all[i].score);
    }
  }
}

// Codes only spare reading: down to the bits and the ties nothing changes.
TEST_F(VectorGraphTest, FindsByCodesWhatItFindsByVectors) {
  std::vector<float> vectors = RandomVectors(2000, 10);
  // Some lie close together, some are the same, and one number is far larger than the others.
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 0.05F);
  for (std::size_t row = 1000; row < 2000; ++row) {
    for (std::size_t i = 0; i < kDimension; ++i) {
      vectors[row * kDimension + i] = vectors[row % 50 * kDimension + i];
      if (row % 3 != 0) vectors[row * kDimension + i] += normal(random);
    }
    if (row % 7 == 0) vectors[row * kDimension] = 3;
  }
  const VectorGraph graph = VectorGraph::Build(vectors, kDimension, {.links = 6, .threads = 1});
  const std::vector<float> others = RandomVectors(100, 12);
  VectorSearchScratch scratch;
  std::vector<Neighbour> by_codes, by_vectors;
  for (std::size_t q = 0; q < 300; ++q) {
    const auto query = q < 100 ? RowOf(others, q) : RowOf(vectors, q * 6);
    const std::size_t width = 1 + q % 90;
    graph.Search(vectors, query, 1 + q % 20, width, &scratch, &by_codes);
    graph.SearchByVectors(vectors, query, 1 + q % 20, width, &scratch, &by_vectors);
    ASSERT_EQ(by_codes.size(), by_vectors.size());
    for (std::size_t i = 0; i < by_codes.size(); ++i) {
      EXPECT_EQ(by_codes[i].item, by_vectors[i].item) << q;
      EXPECT_EQ(by_codes[i].score, by_vectors[i].score) << q;
    }
  }
}

TEST_F(VectorGraphTest, AnItemWithoutAVectorIsNotInIt) {
  std::vector<float> vectors = RandomVectors(50, 5);
  for (const std::size_t item : {0u, 17u, 49u}) {
    std::fill_n(vectors.begin() + static_cast<std::ptrdiff_t>(item * kDimension), kDimension, 0.0F);
  }
  const VectorGraph graph = VectorGraph::Build(vectors, kDimension, {.threads = 1});
  EXPECT_EQ(graph.nodes(), 47u);
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  graph.Search(vectors, RowOf(vectors, 1), 50, 50, &scratch, &found);
  EXPECT_EQ(found.size(), 47u);
  EXPECT_EQ(found[0].item, 1u);
  for (const Neighbour& item : found)
    EXPECT_TRUE(item.item != 0 && item.item != 17 && item.item != 49);
}

// Items of which nobody knows more than the same side fields have the same vector.
TEST_F(VectorGraphTest, ItemsWithTheSameVectorAreAllFoundAndHideNobody) {
  constexpr std::size_t kOthers = 400, kGroups = 4, kCopies = 100;
  std::vector<float> vectors = RandomVectors(kOthers, 11);
  const std::vector<float> places = RandomVectors(kGroups, 12);
  for (std::size_t copy = 0; copy < kGroups * kCopies; ++copy) {
    const auto place = RowOf(places, copy % kGroups);
    vectors.insert(vectors.end(), place.begin(), place.end());
  }
  const VectorGraph made = VectorGraph::Build(vectors, kDimension, {.links = 4, .threads = 1});
  EXPECT_EQ(made.nodes(), kOthers + kGroups);
  EXPECT_EQ(made.listed(), kOthers + kGroups * kCopies);
  EXPECT_EQ(made.items(), kOthers + kGroups * kCopies);
  ASSERT_TRUE(made.Save(path_).ok());
  const auto opened = VectorGraph::Open(path_, vectors, kDimension);
  ASSERT_TRUE(opened.ok()) << opened.status();
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  for (const VectorGraph* graph : {&made, &*opened}) {
    for (std::size_t group = 0; group < kGroups; ++group) {
      graph->Search(vectors, RowOf(places, group), kCopies + 20, 200, &scratch, &found);
      ASSERT_EQ(found.size(), kCopies + 20);
      for (std::uint32_t i = 0; i < kCopies; ++i) {
        EXPECT_EQ(found[i].item, kOthers + i * kGroups + group);
      }
    }
    // A part of the copies: the first. Each of the others finds itself.
    graph->Search(vectors, RowOf(places, 1), 30, 30, &scratch, &found);
    ASSERT_EQ(found.size(), 30u);
    EXPECT_EQ(found[29].item, kOthers + 29 * kGroups + 1);
    for (std::uint32_t item = 0; item < kOthers; ++item) {
      graph->Search(vectors, RowOf(vectors, item), 1, 100, &scratch, &found);
      ASSERT_EQ(found.size(), 1u);
      EXPECT_EQ(found[0].item, item);
    }
  }
}

TEST_F(VectorGraphTest, NothingIsFoundAmongNothing) {
  const std::vector<float> vectors(3 * kDimension, 0.0F), query = RandomVectors(1, 6);
  const VectorGraph graph = VectorGraph::Build(vectors, kDimension, {});
  VectorSearchScratch scratch;
  std::vector<Neighbour> found = {{1, 1}};
  graph.Search(vectors, query, 10, 10, &scratch, &found);
  EXPECT_THAT(found, IsEmpty());
  ASSERT_TRUE(graph.Save(path_).ok());
  EXPECT_TRUE(VectorGraph::Open(path_, vectors, kDimension).ok());
}

TEST_F(VectorGraphTest, IsTheSameFromItsFile) {
  const std::vector<float> vectors = RandomVectors(1000, 7), queries = RandomVectors(20, 8);
  const VectorGraph made = VectorGraph::Build(vectors, kDimension, {.links = 6, .threads = 1});
  ASSERT_TRUE(made.Save(path_).ok());
  const auto opened = VectorGraph::Open(path_, vectors, kDimension);
  ASSERT_TRUE(opened.ok()) << opened.status();
  VectorSearchScratch scratch;
  std::vector<Neighbour> from_made, from_opened;
  for (std::size_t q = 0; q < 20; ++q) {
    made.Search(vectors, RowOf(queries, q), 10, 20, &scratch, &from_made);
    opened->Search(vectors, RowOf(queries, q), 10, 20, &scratch, &from_opened);
    ASSERT_EQ(from_made.size(), from_opened.size());
    for (std::size_t i = 0; i < from_made.size(); ++i) {
      EXPECT_EQ(from_made[i].item, from_opened[i].item);
    }
  }
  const auto too_few = std::span(vectors).first(999 * kDimension);
  EXPECT_EQ(VectorGraph::Open(path_, too_few, kDimension).status().code(),
            absl::StatusCode::kDataLoss);
}

// Whatever byte is changed: it opens and stays within its bounds, or says why not.
TEST_F(VectorGraphTest, AnyChangedByteIsReadSafely) {
  std::vector<float> vectors = RandomVectors(60, 9);
  std::copy_n(vectors.begin(), 5 * kDimension, vectors.end() - 5 * kDimension);  // five copies
  ASSERT_TRUE(VectorGraph::Build(vectors, kDimension, {.links = 3, .threads = 1}).Save(path_).ok());
  std::ifstream file(path_, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  int refused = 0;
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string changed = bytes;
    changed[place] = static_cast<char>(changed[place] ^ 0x41);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << changed;
    const auto opened = VectorGraph::Open(path_, vectors, kDimension);
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(MessageOf(opened.status())), HasSubstr(path_));
      ++refused;
      continue;
    }
    opened->Search(vectors, RowOf(vectors, 3), 10, 20, &scratch, &found);
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace fourfold
