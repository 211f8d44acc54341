#include "index/hnsw_links.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <span>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "index/hnsw_walk.h"
#include "index/vector_search_scratch.h"
#include "math/random.h"
#include "math/relaxed.h"
#include "math/vector_kernels.h"

namespace fourfold {
namespace {

using Found = VectorSearchScratch::Found;

constexpr std::uint64_t kSeed = 12'345, kLevelStream = 1, kOrderStream = 2;
constexpr int kLevelsMost = 32;  // a node is on more once in links^31
constexpr std::size_t kNodesBetweenChecks = 256;

// The level is exponentially distributed, so that each has 1 / links of the nodes of the one below.
std::uint8_t DrawLevels(std::uint32_t node, std::size_t links) {
  Random random(kSeed, kLevelStream, node);
  const double unit = 1 - static_cast<double>(random.Unit());  // above 0
  const double level = -std::log(unit) / std::log(static_cast<double>(links));
  return static_cast<std::uint8_t>(1 + std::min(static_cast<int>(level), kLevelsMost - 1));
}

// The graph while it is linked, by several threads at once. Links are read without a lock: each is
// at any time some node of its level or none. They are written under their node's lock.
class GrowingGraph {
 public:
  GrowingGraph(const std::vector<const float*>& vector_of, std::size_t dimension, std::size_t links)
      : vector_of_(vector_of), dimension_(dimension), links_(links), locks_(vector_of.size()) {
    std::size_t rows = 0;
    for (std::uint32_t node = 0; node < nodes(); ++node) {
      const std::uint8_t levels = DrawLevels(node, links);
      made_.levels.push_back(levels);
      upper_begin_.push_back(rows);
      rows += levels - 1u;
      if (levels > made_.levels[made_.entry]) made_.entry = node;
    }
    made_.lowest.assign(nodes() * 2 * links, kNoLink);
    made_.upper.assign(rows * links, kNoLink);
  }

  std::size_t nodes() const { return vector_of_.size(); }
  const float* VectorOf(std::uint32_t node) const { return vector_of_[node]; }
  std::span<const float> QueryOf(std::uint32_t node) const { return {VectorOf(node), dimension_}; }
  std::span<const std::uint32_t> LinksOf(std::uint32_t node, std::size_t level) const {
    return const_cast<GrowingGraph*>(this)->PlacesOf(node, level);
  }
  std::size_t levels(std::uint32_t node) const { return made_.levels[node]; }
  std::uint32_t entry() const { return made_.entry; }
  float ScoreOf(std::uint32_t a, std::uint32_t b) const {
    return kernels_.dot(VectorOf(a), VectorOf(b), dimension_);
  }

  // Of those found, the best first, keeps what is nearer to the centre than to any kept before it,
  // at most `limit` (algorithm 4, without keeping what was pruned).
  void KeepDiverse(std::size_t limit, std::vector<Found>* found) const {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found->size() && kept < limit; ++i) {
      const Found candidate = (*found)[i];
      const auto end = found->begin() + static_cast<std::ptrdiff_t>(kept);
      const bool is_in_shadow = std::any_of(found->begin(), end, [&](const Found& one) {
        return ScoreOf(one.node, candidate.node) > candidate.score;
      });
      if (!is_in_shadow) (*found)[kept++] = candidate;
    }
    found->resize(kept);
  }

  // Links `from` to `to`; where it has no place left, chooses anew among all that it has and `to`.
  void AddLink(std::uint32_t from, const Found& to, std::size_t level, std::vector<Found>* found) {
    const SpinLock lock(&locks_[from]);
    const std::span<std::uint32_t> places = PlacesOf(from, level);
    std::size_t count = 0;
    for (; count < places.size(); ++count) {
      const std::uint32_t link = LoadRelaxed(places[count]);
      if (link == to.node) return;
      if (link == kNoLink) break;
    }
    if (count < places.size()) {
      StoreRelaxed(to.node, &places[count]);
      return;
    }
    found->assign(1, to);
    for (const std::uint32_t& place : places) {
      found->push_back({0, LoadRelaxed(place)});
      Prefetch(found->back().node);
    }
    for (Found& one : std::span(*found).subspan(1)) one.score = ScoreOf(from, one.node);
    std::sort(found->begin(), found->end(), IsBetterFound());
    KeepDiverse(places.size(), found);
    for (std::size_t i = 0; i < places.size(); ++i) {
      StoreRelaxed(i < found->size() ? (*found)[i].node : kNoLink, &places[i]);
    }
  }
  void Prefetch(std::uint32_t node) const {
    for (std::size_t i = 0; i < dimension_; i += 16) __builtin_prefetch(VectorOf(node) + i);
  }
  void PrefetchLinks(std::uint32_t node, std::size_t level) const {
    const std::span<const std::uint32_t> places = LinksOf(node, level);
    for (std::size_t i = 0; i < places.size(); i += 16) __builtin_prefetch(&places[i], 1);
  }

  HnswLinks Take() { return std::move(made_); }

 private:
  // Held for so short a time that a thread that sleeps would lose more.
  class SpinLock {
   public:
    explicit SpinLock(std::atomic<bool>* flag) : flag_(flag) {
      while (flag_->exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    }
    ~SpinLock() { flag_->store(false, std::memory_order_release); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

   private:
    std::atomic<bool>* const flag_;
  };

  std::span<std::uint32_t> PlacesOf(std::uint32_t node, std::size_t level) {
    if (level == 0)
      return std::span(made_.lowest).subspan(std::size_t{node} * 2 * links_, 2 * links_);
    return std::span(made_.upper).subspan((upper_begin_[node] + level - 1) * links_, links_);
  }

  const std::vector<const float*>& vector_of_;
  const std::size_t dimension_, links_;
  const VectorKernels& kernels_ = FastVectorKernels();
  HnswLinks made_;
  std::vector<std::size_t> upper_begin_;  // of each node: rows of `upper` before its own
  std::vector<std::atomic<bool>> locks_;  // by node
};

// One for each thread.
class Inserter {
 public:
  Inserter(GrowingGraph* graph, std::size_t build_width)
      : graph_(graph), build_width_(build_width) {}

  void Insert(std::uint32_t node) {
    if (node == graph_->entry()) return;
    HnswWalk<GrowingGraph, false> walk(*graph_, graph_->QueryOf(node), &scratch_);
    const std::size_t top = graph_->levels(graph_->entry()) - 1, own = graph_->levels(node) - 1;
    Found start = walk.Descend(walk.Enter(graph_->entry()), top, own);
    for (std::size_t level = own + 1; level-- > 0;) {
      walk.Spread(start, level, build_width_);
      std::vector<Found>& nearest = scratch_.best;
      std::erase_if(nearest, [&](const Found& found) { return found.node == node; });
      if (nearest.empty()) continue;
      std::sort(nearest.begin(), nearest.end(), IsBetterFound());
      start = nearest.front();
      graph_->KeepDiverse(graph_->LinksOf(node, level).size(), &nearest);
      Link(node, level, nearest);
    }
  }

 private:
  void Link(std::uint32_t node, std::size_t level, const std::vector<Found>& nearest) {
    for (const Found& other : nearest) graph_->PrefetchLinks(other.node, level);
    for (const Found& other : nearest) graph_->AddLink(node, other, level, &chosen_);
    for (const Found& other : nearest) {
      graph_->AddLink(other.node, {other.score, node}, level, &chosen_);
    }
  }

  GrowingGraph* const graph_;
  const std::size_t build_width_;
  VectorSearchScratch scratch_;
  std::vector<Found> chosen_;
};

// Those of many levels first, so that every level is there from the first node on; else in any
// order but that of the items, which may be sorted by what makes them alike.
std::vector<std::uint32_t> OrderOf(const GrowingGraph& graph) {
  std::vector<std::uint32_t> order(graph.nodes());
  std::iota(order.begin(), order.end(), 0u);
  Random random(kSeed, kOrderStream, 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.Below(static_cast<std::uint32_t>(i))]);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return graph.levels(a) > graph.levels(b);
  });
  return order;
}

}  // namespace

HnswLinks BuildHnswLinks(const std::vector<const float*>& vector_of, std::size_t dimension,
                         const HnswLinkOptions& options) {
  FOURFOLD_CHECK(options.links >= 2 && options.links <= 64 && dimension % kVectorLanes == 0);
  if (vector_of.empty()) return {};
  GrowingGraph graph(vector_of, dimension, static_cast<std::size_t>(options.links));
  const std::vector<std::uint32_t> order = OrderOf(graph);
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<std::size_t> next{0};
  std::atomic<bool> is_cancelled{false};
  const auto insert = [&](std::size_t, std::size_t) {
    Inserter inserter(&graph, static_cast<std::size_t>(options.build_width));
    for (std::size_t i = next++; i < order.size() && !is_cancelled; i = next++) {
      if (i % kNodesBetweenChecks == 0 && options.is_cancelled && options.is_cancelled()) {
        is_cancelled = true;
      }
      inserter.Insert(order[i]);
    }
  };
  // One piece a thread: each has memory of its own that it reuses.
  ForEachPiece(static_cast<std::size_t>(threads), 1, threads, insert);
  if (is_cancelled) return {};
  return graph.Take();
}

}  // namespace fourfold
