#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_vector.h"
#include "index/vector_codes.h"

namespace fourfold {

// Memory that searches of a VectorGraph reuse. One for each thread.
struct VectorSearchScratch {
  struct Found {
    float score = 0;
    std::uint32_t node = 0;
  };
  AlignedVector<std::uint32_t> visited;  // by node: the mark that it bears
  std::uint32_t marks = 0;               // the one that counts now
  std::vector<Found> open, best;
  struct Met {
    std::uint32_t node = 0;
    double bound = 0;  // the score is not above it
  };
  std::vector<Met> met;
  CodedQuery query;
};

// No two nodes are level, so that what is found depends on no order of looking. Heaps by these have
// the worst, or the best, in front. No functions, which a heap would call through a pointer.
struct IsBetterFound {
  using Found = VectorSearchScratch::Found;
  bool operator()(const Found& a, const Found& b) const {
    return a.score > b.score || (a.score == b.score && a.node < b.node);
  }
};
struct IsWorseFound {
  using Found = VectorSearchScratch::Found;
  bool operator()(const Found& a, const Found& b) const { return IsBetterFound()(b, a); }
};

}  // namespace fourfold
