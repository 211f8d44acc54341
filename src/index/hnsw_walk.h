#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/hnsw_links.h"
#include "index/vector_search_scratch.h"
#include "math/relaxed.h"
#include "math/vector_kernels.h"

namespace fourfold {

// One search through an HNSW graph, whole or still being linked by other threads. `Graph` has
//   std::size_t nodes() const;
//   const float* VectorOf(std::uint32_t node) const;
//   std::span<const std::uint32_t> LinksOf(std::uint32_t node, std::size_t level) const;
//   const VectorCodes& codes() const;  // where kByCodes
// where links end at the first kNoLink. By codes, it leaves out reading the vector of a node that
// cannot be of use, which changes nothing of what it finds.
template <typename Graph, bool kByCodes>
class HnswWalk {
 public:
  using Found = VectorSearchScratch::Found;

  HnswWalk(const Graph& graph, std::span<const float> query, VectorSearchScratch* scratch)
      : graph_(graph), query_(query), scratch_(scratch) {
    if (scratch_->visited.size() < graph_.nodes()) scratch_->visited.resize(graph_.nodes());
    BeginToMark();
    if constexpr (kByCodes) graph_.codes().Encode(query, &scratch_->query);
  }

  Found Enter(std::uint32_t node) const { return {ScoreOf(node), node}; }

  // The best node that is found by going to a better one as long as there is one, from `level` down
  // to the last above `last_level`.
  Found Descend(Found best, std::size_t level, std::size_t last_level) {
    for (; level > last_level; --level) {
      for (bool better = true; better;) {
        better = false;
        // Who was met before is not better than the best.
        MeetLinks(graph_.LinksOf(best.node, level), best.score);
        for (std::size_t i = 0; i < scratch_->met.size() && MayBeAsGood(i, best.score); ++i) {
          const Found found = Look(i);
          if (!IsBetterFound()(found, best)) continue;
          best = found;
          better = true;
        }
      }
    }
    return best;
  }

  // Leaves the best `width` that are found on the level, at least `start`, in scratch->best.
  void Spread(const Found& start, std::size_t level, std::size_t width) {
    BeginToMark();
    std::vector<Found>&open = scratch_->open, &best = scratch_->best;
    open.assign(1, start);
    best.assign(1, start);
    scratch_->visited[start.node] = scratch_->marks;
    while (!open.empty()) {
      std::pop_heap(open.begin(), open.end(), IsWorseFound());
      const Found from = open.back();
      open.pop_back();
      const bool is_full = best.size() >= width;
      if (is_full && IsBetterFound()(best.front(), from)) return;
      MeetLinks(graph_.LinksOf(from.node, level), is_full ? best.front().score : -HUGE_VALF);
      for (std::size_t i = 0; i < scratch_->met.size(); ++i) {
        if (best.size() >= width) {
          if (!MayBeAsGood(i, best.front().score)) break;
          const Found found = Look(i);
          if (!IsBetterFound()(found, best.front())) continue;
          std::pop_heap(best.begin(), best.end(), IsBetterFound());
          best.back() = found;
        } else {
          best.push_back(Look(i));
        }
        open.push_back(best.back());
        PrefetchLinks(best.back().node, level);
        std::push_heap(best.begin(), best.end(), IsBetterFound());
        std::push_heap(open.begin(), open.end(), IsWorseFound());
      }
    }
  }

 private:
  using Met = VectorSearchScratch::Met;
  static constexpr std::size_t kLooksAhead = 3;

  float ScoreOf(std::uint32_t node) const {
    return kernels_.dot(query_.data(), graph_.VectorOf(node), query_.size());
  }
  void PrefetchVector(std::uint32_t node) const {
    const float* const vector = graph_.VectorOf(node);
    for (std::size_t i = 0; i < query_.size(); i += 16) __builtin_prefetch(vector + i);
  }
  void PrefetchLinks(std::uint32_t node, std::size_t level) const {
    const std::span<const std::uint32_t> links = graph_.LinksOf(node, level);
    for (std::size_t i = 0; i < links.size(); i += 16) __builtin_prefetch(&links[i]);
  }
  // By codes the rest that were met are no better than one of them may be.
  bool MayBeAsGood(std::size_t met, float bar) const {
    return scratch_->met[met].bound >= static_cast<double>(bar);
  }
  Found Look(std::size_t met) const {
    const std::vector<Met>& all = scratch_->met;
    if (kByCodes && met + kLooksAhead < all.size()) PrefetchVector(all[met + kLooksAhead].node);
    return {ScoreOf(all[met].node), all[met].node};
  }

  void BeginToMark() {
    if (++scratch_->marks == 0) {  // wrapped: old marks would look new
      std::fill(scratch_->visited.begin(), scratch_->visited.end(), 0u);
      scratch_->marks = 1;
    }
  }

  // Those of the links that were not met since BeginToMark and may be as good as `bar`; by codes in
  // the order in which they may be good. What is looked at first is on the way to the processor.
  void MeetLinks(std::span<const std::uint32_t> links, float bar) {
    std::vector<Met>& met = scratch_->met;
    met.clear();
    for (const std::uint32_t& place : links) {
      const std::uint32_t link = LoadRelaxed(place);
      if (link == kNoLink) break;
      if (scratch_->visited[link] == scratch_->marks) continue;
      scratch_->visited[link] = scratch_->marks;
      met.push_back({link, HUGE_VAL});
      if constexpr (kByCodes) {
        graph_.codes().Prefetch(link);
      } else {
        PrefetchVector(link);
      }
    }
    if constexpr (kByCodes) {
      for (Met& one : met) one.bound = graph_.codes().UpperBound(scratch_->query, one.node);
      std::erase_if(met, [&](const Met& one) { return one.bound < static_cast<double>(bar); });
      std::sort(met.begin(), met.end(),
                [](const Met& a, const Met& b) { return a.bound > b.bound; });
      for (std::size_t i = 0; i < std::min(met.size(), kLooksAhead); ++i) {
        PrefetchVector(met[i].node);
      }
    }
  }

  const Graph& graph_;
  const std::span<const float> query_;
  VectorSearchScratch* const scratch_;
  const VectorKernels& kernels_ = FastVectorKernels();
};

}  // namespace fourfold
