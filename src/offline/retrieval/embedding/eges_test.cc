#include "offline/retrieval/embedding/eges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "math/vector_kernels.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {
namespace {

constexpr std::uint32_t kItems = 600, kGroups = 6;

// Users stay within the group (item % kGroups) where they began.
ItemGraph GroupGraph() {
  std::mt19937 random(2);
  std::vector<WeightedEdge> edges;
  for (std::uint32_t item = 0; item + kGroups < kItems; ++item) {
    for (int i = 0; i < 6; ++i) {
      const auto to =
          static_cast<std::uint32_t>(random() % (kItems / kGroups)) * kGroups + item % kGroups;
      edges.push_back({item, to, 1});
    }
  }
  // The last of each group has no edge: nobody acted on it.
  std::erase_if(edges, [](const WeightedEdge& edge) { return edge.to + kGroups >= kItems; });
  return MakeItemGraph(edges, kItems);
}

std::vector<SideField> GroupFields() {
  std::vector<std::vector<std::string>> group(kItems), noise(kItems);
  for (std::uint32_t item = 0; item < kItems; ++item) {
    group[item] = {StrCat("group", item % kGroups)};
    noise[item] = {StrCat("noise", item * 7919 % 13)};
  }
  return {MakeSideField("group", group), MakeSideField("noise", noise)};
}

RetrieverSpec SpecOf() {
  RetrieverSpec spec;
  spec.kind = RetrieverSpec::Kind::kEges;
  spec.dimension = 16;
  spec.learning_rate = 0.1;
  return spec;
}

TrainedEmbeddings Train(std::span<const SideField> fields, const RetrieverSpec& spec, int threads) {
  auto trained = TrainEges(GroupGraph(), fields, spec, threads);
  EXPECT_TRUE(trained.ok()) << trained.status();
  return *std::move(trained);
}

// The share of an item's ten nearest that are of its group.
double ShareOfOwnGroup(const ItemEmbeddings& embeddings, std::uint32_t begin, std::uint32_t end) {
  const ItemToItemMap map = *NearestByCosine(embeddings, 10, 1);
  int same = 0, all = 0;
  for (std::uint32_t item = begin; item < end; ++item) {
    for (const std::uint32_t other : map.NeighboursOf(item)) {
      same += other % kGroups == item % kGroups;
      ++all;
    }
  }
  return all == 0 ? 0 : static_cast<double>(same) / all;
}

TEST(EgesTest, ItemsOfOneGroupOfSessionsComeTogether) {
  const TrainedEmbeddings trained = Train({}, SpecOf(), 2);
  EXPECT_GT(ShareOfOwnGroup(trained.embeddings, 0, kItems - kGroups), 0.95) << trained.report;
  EXPECT_TRUE(trained.embeddings.VectorOf(kItems - 1).empty());
}

TEST(EgesTest, AnItemNobodyActedOnIsFoundByItsSideInformation) {
  const std::vector<SideField> fields = GroupFields();
  const TrainedEmbeddings trained = Train(fields, SpecOf(), 2);
  EXPECT_GT(ShareOfOwnGroup(trained.embeddings, kItems - kGroups, kItems), 0.9) << trained.report;
  const std::vector<float> vector =
      trained.embeddings.Compose(ItemEmbeddings::kNoItemRow, {{"group3"}, {"unheard of"}});
  const VectorKernels& kernels = FastVectorKernels();
  for (std::uint32_t item = 0; item < kGroups; ++item) {
    const float cosine = kernels.dot(vector.data(), trained.embeddings.VectorOf(item).data(), 16);
    if (item == 3) {
      EXPECT_GT(cosine, 0.5);
    } else {
      EXPECT_LT(cosine, 0.5) << item;
    }
  }
}

TEST(EgesTest, NoFiniteLearningRateDiverges) {
  RetrieverSpec spec = SpecOf();
  spec.learning_rate = 1e9;
  EXPECT_TRUE(TrainEges(GroupGraph(), {}, spec, 1).ok());
}

TEST(EgesTest, NumbersThatAreNotFiniteAreToldSo) {
  RetrieverSpec spec = SpecOf();
  spec.name = "it";
  spec.learning_rate = HUGE_VAL;
  const auto trained = TrainEges(GroupGraph(), {}, spec, 1);
  EXPECT_EQ(trained.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(trained.status())), testing::HasSubstr("learning_rate"));
}

TEST(EgesTest, OneThreadTrainsTheSameEachTime) {
  const std::vector<SideField> fields = GroupFields();
  RetrieverSpec spec = SpecOf();
  spec.threads = 1;
  const TrainedEmbeddings a = Train(fields, spec, 2);
  const TrainedEmbeddings b = Train(fields, spec, 0);
  EXPECT_TRUE(std::equal(a.embeddings.vectors().begin(), a.embeddings.vectors().end(),
                         b.embeddings.vectors().begin()));
}

TEST(CheckedGraphTest, AGraphThatFindsTooLittleIsRefused) {
  const TrainedEmbeddings trained = Train({}, SpecOf(), 1);
  RetrieverSpec spec = SpecOf();
  spec.name = "near";
  spec.search = RetrieverSpec::Search::kActions;
  spec.threads = 1;
  const auto graph = BuildCheckedGraph(trained.embeddings, spec, 1);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(graph->report, testing::HasSubstr("recall@200"));
  EXPECT_THAT(graph->report, testing::HasSubstr("by a search of 201"));
  spec.neighbours = 10;
  spec.graph_links = 2;
  spec.build_width = 1;
  spec.search_width = 1;
  spec.least_recall = 1;
  const auto refused = BuildCheckedGraph(trained.embeddings, spec, 1);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(refused.status())), testing::HasSubstr("below least_recall 1"));
}

// The share of what serving should find that it does find: of every second item, as many items as
// BuildCheckedGraph asks with at most 500.
double PlainRecall(const VectorGraph& graph, const ItemEmbeddings& embeddings, std::size_t depth,
                   std::size_t width) {
  VectorSearchScratch scratch;
  std::vector<Neighbour> found;
  double right = 0, all = 0;
  for (std::uint32_t item = 0; item < kItems; item += 2) {
    const auto query = embeddings.VectorOf(item);
    if (query.empty()) continue;
    std::vector<Neighbour> exact;
    for (std::uint32_t other = 0; other < kItems; ++other) {
      const auto vector = embeddings.VectorOf(other);
      if (other == item || vector.empty()) continue;
      exact.push_back({other, FastVectorKernels().dot(query.data(), vector.data(), query.size())});
    }
    KeepBest(depth, &exact);
    graph.Search(embeddings.vectors(), query, depth + 1, width, &scratch, &found);
    std::erase_if(found, [&](const Neighbour& one) { return one.item == item; });
    if (found.size() > depth) found.resize(depth);
    for (const Neighbour& one : found) right += one.score >= exact.back().score;
    all += static_cast<double>(exact.size());
  }
  return right / all;
}

TEST(CheckedGraphTest, TheRecallIsThatOfTheSearchThatServingMakes) {
  const TrainedEmbeddings trained = Train({}, SpecOf(), 1);
  RetrieverSpec spec = SpecOf();
  spec.search = RetrieverSpec::Search::kActions;
  spec.threads = 1;
  spec.graph_links = 3;
  spec.build_width = 4;
  spec.least_recall = 0;
  std::set<double> recalls;
  for (const int neighbours : {1, 20}) {
    for (const int search_width : {1, 60}) {
      spec.neighbours = neighbours;
      spec.search_width = search_width;
      const auto graph = BuildCheckedGraph(trained.embeddings, spec, 1);
      ASSERT_TRUE(graph.ok()) << graph.status();
      EXPECT_NEAR(
          graph->recall,
          PlainRecall(graph->graph, trained.embeddings, static_cast<std::size_t>(neighbours),
                      static_cast<std::size_t>(search_width)),
          1e-9)
          << neighbours << " " << search_width;
      recalls.insert(graph->recall);
    }
  }
  EXPECT_EQ(recalls.size(), 4u);
  // A width below what is asked for counts as that.
  spec.neighbours = 20;
  spec.search_width = 21;
  const double as_asked = BuildCheckedGraph(trained.embeddings, spec, 1)->recall;
  spec.search_width = 1;
  EXPECT_EQ(BuildCheckedGraph(trained.embeddings, spec, 1)->recall, as_asked);
  // By the mean, the candidates are asked for.
  spec.search = RetrieverSpec::Search::kMean;
  spec.candidates = 20;
  spec.neighbours = 200;
  EXPECT_EQ(BuildCheckedGraph(trained.embeddings, spec, 1)->recall, as_asked);
}

TEST(EgesTest, EveryPartEndsWhenCalledOff) {
  const auto called_off = [] { return true; };
  const TrainedEmbeddings trained = Train({}, SpecOf(), 1);
  RetrieverSpec spec = SpecOf();
  spec.search = RetrieverSpec::Search::kActions;
  EXPECT_EQ(TrainEges(GroupGraph(), {}, SpecOf(), 2, {}, called_off).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(NearestByCosine(trained.embeddings, 10, 2, called_off).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(BuildCheckedGraph(trained.embeddings, spec, 2, called_off).status().code(),
            absl::StatusCode::kCancelled);
  // While the graph is built, and not after it.
  int asked = 0;
  const VectorGraph graph =
      VectorGraph::Build(trained.embeddings.vectors(), 16,
                         {.threads = 1, .is_cancelled = [&] { return ++asked > 0; }});
  EXPECT_EQ(graph.nodes(), 0u);
  EXPECT_GT(asked, 0);
  EXPECT_TRUE(BuildCheckedGraph(trained.embeddings, spec, 1).ok());
}

TEST(NearestByCosineTest, AreThoseThatSortingAllGives) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 1);
  constexpr std::uint32_t kCount = 700;
  ItemEmbeddings::Parts parts{.dimension = 8,
                              .trained = std::vector<std::uint8_t>(kCount, 1),
                              .rows = std::vector<float>(kCount * 8),
                              .weights = std::vector<float>(kCount),
                              .fields = {}};
  for (float& value : parts.rows) value = normal(random);
  parts.trained[5] = 0;
  const ItemEmbeddings embeddings = ItemEmbeddings::FromParts(std::move(parts));
  const ItemToItemMap map = *NearestByCosine(embeddings, 20, 2);
  for (std::uint32_t item = 0; item < kCount; ++item) {
    std::vector<Neighbour> row;
    for (std::uint32_t other = 0; other < kCount; ++other) {
      const float score = PlainVectorKernels().dot(embeddings.vectors().data() + item * 8,
                                                   embeddings.vectors().data() + other * 8, 8);
      if (other != item) row.push_back({other, score});
    }
    KeepBest(20, &row);
    ASSERT_EQ(map.NeighboursOf(item).size(), item == 5 ? 0u : 20u);
    for (std::size_t n = 0; n < map.NeighboursOf(item).size(); ++n) {
      EXPECT_EQ(map.NeighboursOf(item)[n], row[n].item) << item;
    }
  }
}

}  // namespace
}  // namespace fourfold
