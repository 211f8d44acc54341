#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fourfold {

inline constexpr std::uint32_t kNoLink = 0xffffffffu;

// The links of an HNSW graph. A node's links on a level end at the first kNoLink.
struct HnswLinks {
  std::vector<std::uint8_t> levels;   // [nodes], how many each stands on, at least 1
  std::vector<std::uint32_t> lowest;  // [nodes, 2 * links]
  std::vector<std::uint32_t> upper;   // [levels - 1, links] of each node in turn
  std::uint32_t entry = 0;            // a node of the highest level
};

// Links by Faiss, which stays behind this function. `vector_of` has the vector of each node, of
// length 1; they must stay until it returns. No nodes when the build was called off
// (graph_build_cancellation.h).
HnswLinks BuildHnswLinks(const std::vector<const float*>& vector_of, std::size_t dimension,
                         int links, int build_width, int threads);

}  // namespace fourfold
