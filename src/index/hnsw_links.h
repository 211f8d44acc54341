#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/aligned_vector.h"

namespace fourfold {

inline constexpr std::uint32_t kNoLink = 0xffffffffu;

// The links of an HNSW graph. A node's links on a level end at the first kNoLink.
struct HnswLinks {
  std::vector<std::uint8_t> levels;     // [nodes], how many each stands on, at least 1
  AlignedVector<std::uint32_t> lowest;  // [nodes, 2 * links]
  AlignedVector<std::uint32_t> upper;   // [levels - 1, links] of each node in turn
  std::uint32_t entry = 0;              // a node of the highest level
};

struct HnswLinkOptions {
  int links = 16;         // of a node on each level, twice as many on the lowest; 2 to 64
  int build_width = 100;  // candidates that a new node's links are chosen from
  int threads = 0;        // 0: one per processor; 1: the same links each time
  // Asked now and then, from any of the threads; once it says so the build ends soon, without
  // nodes. Empty: never.
  std::function<bool()> is_cancelled = {};
};

// Algorithms 1 to 4 of Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
// search using HNSW graphs" (2016): each node is linked to those of its nearest that stand in no
// other's shadow. `vector_of` has the vector of each node, of length 1, no two the same: nodes at
// one place would have links to each other alone. `dimension` is a multiple of kVectorLanes. The
// vectors must stay until it returns.
HnswLinks BuildHnswLinks(const std::vector<const float*>& vector_of, std::size_t dimension,
                         const HnswLinkOptions& options);

}  // namespace fourfold
