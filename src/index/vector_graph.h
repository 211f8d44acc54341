#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/hnsw_links.h"
#include "index/item_to_item_map.h"
#include "index/vector_search_scratch.h"

namespace fourfold {

// Nearest items by inner product over vectors of length 1, found approximately: a hierarchical
// navigable small world graph (Malkov and Yashunin, "Efficient and robust approximate nearest
// neighbor search using HNSW graphs", 2016). Items with the same vector, as those of which only the
// same side fields are known have, share a node: apart they would be linked to each other alone. It
// holds the links and, in memory alone, a code of each vector (vector_codes.h), a quarter of its
// size; the vectors are handed in, the same at each call. Immutable; thread-safe.
//
// On disk a safetensors file with the links; docs/formats.md has its tensors. Opened by mapping it
// into memory.
class VectorGraph {
 public:
  using BuildOptions = HnswLinkOptions;
  // `vectors` is [items, dimension], dimension a multiple of 8. Items whose vector is 0 are left
  // out. A graph without items when the build was called off.
  static VectorGraph Build(std::span<const float> vectors, std::size_t dimension,
                           const BuildOptions& options);
  // Checks every level and link: a graph that opens never reads out of bounds of `vectors`.
  // DataLoss, naming the file, for anything else.
  static absl::StatusOr<VectorGraph> Open(const std::string& path, std::span<const float> vectors,
                                          std::size_t dimension);
  absl::Status Save(const std::string& path) const;

  std::size_t nodes() const;   // different vectors
  std::size_t listed() const;  // items with a vector
  std::size_t items() const;   // one past the last of them

  // About the `limit` items with the largest inner product, best first, ties by smaller item. The
  // greater `width`, which counts as at least `limit`, the surer and slower.
  void Search(std::span<const float> vectors, std::span<const float> query, std::size_t limit,
              std::size_t width, VectorSearchScratch* scratch, std::vector<Neighbour>* found) const;
  // The plain twin: reads the vector of every node that it comes by.
  void SearchByVectors(std::span<const float> vectors, std::span<const float> query,
                       std::size_t limit, std::size_t width, VectorSearchScratch* scratch,
                       std::vector<Neighbour>* found) const;

  VectorGraph(VectorGraph&&) noexcept;
  VectorGraph& operator=(VectorGraph&&) noexcept;
  ~VectorGraph();

 private:
  struct Storage;
  struct SearchedGraph;
  template <bool kByCodes>
  void SearchBy(std::span<const float> vectors, std::span<const float> query, std::size_t limit,
                std::size_t width, VectorSearchScratch* scratch,
                std::vector<Neighbour>* found) const;
  explicit VectorGraph(std::unique_ptr<Storage> storage);
  static absl::StatusOr<VectorGraph> OpenUnnamed(const std::string& path,
                                                 std::span<const float> vectors,
                                                 std::size_t dimension);
  std::unique_ptr<Storage> storage_;
};

// Exact: compares the query with every vector that is not 0.
std::vector<Neighbour> SearchAll(std::span<const float> vectors, std::span<const float> query,
                                 std::size_t limit);

}  // namespace fourfold
