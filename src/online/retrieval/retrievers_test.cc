#include "online/retrieval/retrievers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "gtest/gtest.h"
#include "math/exp2.h"
#include "online/retrieval/best_candidates.h"
#include "online/retrieval/bound_servable.h"
#include "online/test_world.h"

// Each retriever against a twin that does the plain thing: maps, one pass, sort everything.
namespace fourfold {
namespace {

struct Found {
  std::string item;
  double score = 0;
  std::uint32_t trigger = kNoTrigger;
  friend bool operator==(const Found&, const Found&) = default;
};

class ListSink final : public CandidateSink {
 public:
  explicit ListSink(const Catalogue::ReadLock* catalogue) : catalogue_(catalogue) {}
  bool Add(ItemIndex item, double score, std::uint32_t trigger) override {
    found.push_back({std::string(catalogue_->Id(item)), score, trigger});
    return true;
  }
  void MarkCutOff() override { cut_off = true; }
  std::vector<Found> found;
  bool cut_off = false;

 private:
  const Catalogue::ReadLock* catalogue_;
};

constexpr std::int64_t kNowMs = 1'000'000;
const std::vector<std::string> kTypes = {"click", "purchase"};

class RetrieversTest : public ::testing::Test {
 protected:
  std::size_t Below(std::size_t n) { return static_cast<std::size_t>(random_()) % n; }

  // 40 items; histories also name items that the servable or even the catalogue does not know.
  std::shared_ptr<const Servable> RandomServable(const RetrieverSpec& spec) {
    std::vector<std::string> items;
    for (int i = 0; i < 40; ++i) items.push_back("item-" + std::to_string(i));
    Servable servable = testing::MakeServable(items);
    // Popularity in few steps, so that ties go to the hash.
    for (float& count : servable.popularity) count = static_cast<float>(Below(3));
    IndexVocabulary(&servable);
    testing::Neighbours neighbours;
    for (const std::string& item : items) {
      std::vector<std::string> others = items;
      std::shuffle(others.begin(), others.end(), random_);
      others.resize(Below(12));
      std::vector<std::pair<std::string, float>> row;
      for (const std::string& other : others) {
        row.emplace_back(other, static_cast<float>(1 + Below(4)) / 4);
      }
      std::sort(row.begin(), row.end(), [&](const auto& a, const auto& b) {
        if (a.second != b.second) return a.second > b.second;
        return servable.vocabulary_index.at(a.first) < servable.vocabulary_index.at(b.first);
      });
      neighbours[item] = row;
    }
    switch (spec.kind) {
      case RetrieverSpec::Kind::kPopular:
        testing::AddPopular(&servable, 1, spec);
        break;
      case RetrieverSpec::Kind::kRepeats:
        testing::AddRepeats(&servable, 1, spec);
        if (spec.window_ms > 0) {
          std::vector<float> recent(items.size());
          for (float& count : recent) count = static_cast<float>(Below(3));
          servable.popularity_tables[spec.name] = MakePopularityTable(recent, servable.tie_rank);
        }
        break;
      default:
        testing::AddItemToItem(&servable, 1, neighbours, spec);
    }
    return testing::Share(std::move(servable));
  }

  RetrieverSpec RandomSpec(RetrieverSpec::Kind kind) {
    RetrieverSpec spec;
    spec.name = "retriever";
    spec.kind = kind;
    spec.candidates = static_cast<int>(1 + Below(50));
    spec.history_actions = static_cast<int>(1 + Below(20));
    spec.history_decay = Below(2) == 0 ? 1.0 : 0.6;
    spec.history_half_life_ms = Below(2) == 0 ? 0 : 500;
    if (kind == RetrieverSpec::Kind::kRepeats && Below(2) == 0) spec.window_ms = 500;
    if (Below(2) == 0) spec.action_types = {"purchase"};
    return spec;
  }

  std::vector<HistoryEntry> RandomHistory() {
    std::vector<HistoryEntry> history(Below(40));
    std::int64_t time_ms = kNowMs;
    for (HistoryEntry& action : history) {
      time_ms -= static_cast<std::int64_t>(Below(300));
      action.event_time_ms = time_ms;
      action.item = "item-" + std::to_string(Below(46));  // 40 to 42: the catalogue alone
      action.type = kTypes[Below(kTypes.size())];
      if (Below(2) == 0) action.tie_group = "basket-" + std::to_string(Below(4));
    }
    return history;
  }

  std::vector<Found> Retrieve(const std::shared_ptr<const Servable>& servable,
                              const std::vector<HistoryEntry>& history, bool* cut_off) {
    Catalogue catalogue(Catalogue::Membership::kDeclared);
    for (int i = 40; i < 43; ++i) catalogue.Put("item-" + std::to_string(i), {});
    const auto bound = *BoundServable::Bind(servable, &catalogue);
    const auto retriever = MakeRetriever(servable->manifest.retrievers[0]);
    const Catalogue::ReadLock lock(catalogue);
    QueryColumns columns;
    columns.history = history;
    for (const HistoryEntry& action : history) {
      columns.history_items.push_back(lock.Find(action.item));
    }
    Query query;
    query.at.as_of_ms = kNowMs;
    query.limit = 10;
    query.servable = bound.get();
    query.blend = &servable->manifest.blend;
    query.catalogue = &lock;
    query.columns = &columns;
    ListSink sink(&lock);
    EXPECT_TRUE(retriever->Retrieve(query, &scratch_, &sink).ok());
    *cut_off = sink.cut_off;
    return sink.found;
  }

  static bool Counted(const RetrieverSpec& spec, const HistoryEntry& action) {
    return spec.action_types.empty() || action.type == "purchase";
  }

  static bool IsUnheardOf(const std::string& item) {
    return item == "item-43" || item == "item-44" || item == "item-45";
  }

  static std::vector<Found> SortAndCut(const Servable& servable, std::vector<Found> found,
                                       const RetrieverSpec& spec, bool* cut_off) {
    const auto table = servable.popularity_tables.find(spec.name);
    const bool by_recent = spec.kind == RetrieverSpec::Kind::kRepeats && spec.window_ms > 0;
    const auto popularity = [&](const std::string& item) {
      const auto index = servable.vocabulary_index.find(item);
      if (index == servable.vocabulary_index.end()) return std::pair(0.0f, 0.0f);
      return std::pair(by_recent ? table->second.scores[index->second] : 0.0f,
                       servable.popularity[index->second]);
    };
    std::sort(found.begin(), found.end(), [&](const Found& a, const Found& b) {
      return std::tuple(b.score, popularity(b.item), StableHash(a.item)) <
             std::tuple(a.score, popularity(a.item), StableHash(b.item));
    });
    *cut_off = found.size() > static_cast<std::size_t>(spec.candidates);
    if (*cut_off) found.resize(static_cast<std::size_t>(spec.candidates));
    return found;
  }

  static std::vector<Found> PlainItemToItem(const Servable& servable,
                                            const std::vector<HistoryEntry>& history,
                                            bool* cut_off) {
    const RetrieverSpec& spec = servable.manifest.retrievers[0];
    const ItemToItemMap& map = servable.item_to_item.at(spec.name);
    std::vector<std::string> met;
    std::map<std::string, Found> sums;
    std::map<std::string, float> most;
    for (std::size_t a = 0; a < history.size(); ++a) {
      const HistoryEntry& action = history[a];
      if (!Counted(spec, action) || IsUnheardOf(action.item)) continue;
      if (std::find(met.begin(), met.end(), action.item) != met.end()) continue;
      if (met.size() == static_cast<std::size_t>(spec.history_actions)) break;
      double weight = 1;
      for (std::size_t place = 0; place < met.size(); ++place) weight *= spec.history_decay;
      weight *= HalfLifeDecay(kNowMs - action.event_time_ms, spec.history_half_life_ms);
      met.push_back(action.item);
      const auto index = servable.vocabulary_index.find(action.item);
      if (index == servable.vocabulary_index.end()) continue;
      const auto neighbours = map.NeighboursOf(index->second);
      for (std::size_t n = 0; n < neighbours.size(); ++n) {
        const std::string& item = servable.vocabulary[neighbours[n]];
        const double share = weight * map.ScoresOf(index->second)[n];
        Found& sum = sums.try_emplace(item, Found{item, 0, kNoTrigger}).first->second;
        sum.score += share;
        if (sum.trigger == kNoTrigger || static_cast<float>(share) > most[item]) {
          most[item] = static_cast<float>(share);
          sum.trigger = static_cast<std::uint32_t>(a);
        }
      }
    }
    std::vector<Found> found;
    for (const auto& [item, sum] : sums) found.push_back(sum);
    return SortAndCut(servable, std::move(found), spec, cut_off);
  }

  static std::vector<Found> PlainRepeats(const Servable& servable,
                                         const std::vector<HistoryEntry>& history, bool* cut_off) {
    const RetrieverSpec& spec = servable.manifest.retrievers[0];
    std::map<std::string, Found> counts;
    std::set<std::pair<std::string, std::string>> baskets;  // item, tie group
    int actions = 0;
    for (std::size_t a = 0; a < history.size() && actions < spec.history_actions; ++a) {
      if (!Counted(spec, history[a])) continue;
      ++actions;
      if (IsUnheardOf(history[a].item)) continue;
      Found& count = counts
                         .try_emplace(history[a].item,
                                      Found{history[a].item, 0, static_cast<std::uint32_t>(a)})
                         .first->second;
      const std::string& basket = history[a].tie_group;
      if (basket.empty() || baskets.emplace(history[a].item, basket).second) count.score += 1;
    }
    std::vector<Found> found;
    for (auto& [item, count] : counts) {
      count.score *=
          HalfLifeDecay(kNowMs - history[count.trigger].event_time_ms, spec.history_half_life_ms);
      found.push_back(count);
    }
    return SortAndCut(servable, std::move(found), spec, cut_off);
  }

  static std::vector<Found> PlainPopular(const Servable& servable, bool* cut_off) {
    std::vector<Found> found;
    for (std::size_t i = 0; i < servable.vocabulary.size(); ++i) {
      if (servable.popularity[i] > 0) {
        found.push_back({servable.vocabulary[i], servable.popularity[i], kNoTrigger});
      }
    }
    return SortAndCut(servable, std::move(found), servable.manifest.retrievers[0], cut_off);
  }

  std::mt19937_64 random_{301};
  RetrievalScratch scratch_;
};

TEST_F(RetrieversTest, ItemToItemAgreesWithItsTwin) {
  for (int round = 0; round < 400; ++round) {
    const auto servable = RandomServable(RandomSpec(RetrieverSpec::Kind::kItemCf));
    const std::vector<HistoryEntry> history = RandomHistory();
    bool cut_off = false, plain_cut_off = false;
    const std::vector<Found> found = Retrieve(servable, history, &cut_off);
    ASSERT_EQ(found, PlainItemToItem(*servable, history, &plain_cut_off)) << round;
    ASSERT_EQ(cut_off, plain_cut_off) << round;
  }
}

TEST_F(RetrieversTest, RepeatsAgreesWithItsTwin) {
  for (int round = 0; round < 400; ++round) {
    const auto servable = RandomServable(RandomSpec(RetrieverSpec::Kind::kRepeats));
    const std::vector<HistoryEntry> history = RandomHistory();
    bool cut_off = false, plain_cut_off = false;
    const std::vector<Found> found = Retrieve(servable, history, &cut_off);
    ASSERT_EQ(found, PlainRepeats(*servable, history, &plain_cut_off)) << round;
    ASSERT_EQ(cut_off, plain_cut_off) << round;
  }
}

TEST_F(RetrieversTest, PopularAgreesWithItsTwin) {
  for (int round = 0; round < 100; ++round) {
    const auto servable = RandomServable(RandomSpec(RetrieverSpec::Kind::kPopular));
    bool cut_off = false, plain_cut_off = false;
    const std::vector<Found> found = Retrieve(servable, {}, &cut_off);
    ASSERT_EQ(found, PlainPopular(*servable, &plain_cut_off)) << round;
    ASSERT_EQ(cut_off, plain_cut_off) << round;
  }
}

TEST_F(RetrieversTest, NewestActionWeighsMostAndOlderOnesDecay) {
  // By hand: x from the newest action (weight 1) has 0.5; from the second (0.6) 0.6 * 1 = 0.6 for
  // y.
  Servable servable = testing::MakeServable({"x", "y", "p", "q"});
  RetrieverSpec spec;
  spec.history_decay = 0.6;
  testing::AddItemToItem(&servable, 1, {{"p", {{"x", 0.5f}}}, {"q", {{"y", 1.0f}, {"x", 0.25f}}}},
                         spec);
  std::vector<HistoryEntry> history(2);
  history[0].item = "p";
  history[1].item = "q";
  history[0].event_time_ms = history[1].event_time_ms = kNowMs;
  bool cut_off = false;
  const std::vector<Found> found = Retrieve(testing::Share(std::move(servable)), history, &cut_off);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].item, "x");
  EXPECT_DOUBLE_EQ(found[0].score, 0.5 + 0.6 * 0.25);
  EXPECT_EQ(found[0].trigger, 0u);
  EXPECT_EQ(found[1].item, "y");
  EXPECT_DOUBLE_EQ(found[1].score, 0.6);
  EXPECT_EQ(found[1].trigger, 1u);
}

TEST(BestCandidatesTest, KeepsWhatASortWouldKeep) {
  std::mt19937_64 random(301);
  for (int round = 0; round < 300; ++round) {
    std::vector<RetrievalScratch::Scored> all(random() % 200);
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      all[i].score = static_cast<double>(random() % 20);
      all[i].tie_rank = static_cast<std::uint32_t>((i * 7919) % 200);
      all[i].item = i;
    }
    const std::size_t limit = 1 + random() % 60;
    std::vector<RetrievalScratch::Scored> buffer;
    BestCandidates best(limit, &buffer);
    for (const auto& scored : all) best.Offer(scored);
    EXPECT_EQ(best.Finish(), all.size() > limit);
    std::sort(all.begin(), all.end(), IsBetter());
    ASSERT_EQ(buffer.size(), std::min(limit, all.size()));
    for (std::size_t i = 0; i < buffer.size(); ++i) ASSERT_EQ(buffer[i].item, all[i].item);
  }
}

}  // namespace
}  // namespace fourfold
