#include "index/hnsw_links.h"

#include <faiss/IndexHNSW.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissException.h>
#include <omp.h>

#include <algorithm>
#include <thread>

#include "base/check.h"
#include "math/vector_kernels.h"

namespace fourfold {
namespace {

// 1 - the inner product, by our kernels: Debian's Faiss is built for any processor.
class Distances final : public faiss::DistanceComputer {
 public:
  Distances(const std::vector<const float*>& vector_of, std::size_t dimension)
      : vector_of_(vector_of), dimension_(dimension) {}
  void set_query(const float* query) override { query_ = query; }
  float operator()(faiss::Index::idx_t node) override {
    return Distance(query_, vector_of_[static_cast<std::size_t>(node)]);
  }
  float symmetric_dis(faiss::Index::idx_t a, faiss::Index::idx_t b) override {
    return Distance(vector_of_[static_cast<std::size_t>(a)],
                    vector_of_[static_cast<std::size_t>(b)]);
  }

 private:
  float Distance(const float* a, const float* b) const {
    return 1 - kernels_.dot(a, b, dimension_);
  }

  const std::vector<const float*>& vector_of_;
  const std::size_t dimension_;
  const VectorKernels& kernels_ = FastVectorKernels();
  const float* query_ = nullptr;
};

// What Faiss takes for its store of vectors; it copies none.
class Vectors final : public faiss::Index {
 public:
  Vectors(const std::vector<const float*>& vector_of, std::size_t dimension)
      : faiss::Index(static_cast<idx_t>(dimension), faiss::METRIC_L2), vector_of_(vector_of) {}
  void add(idx_t count, const float*) override { ntotal += count; }
  void search(idx_t, const float*, idx_t, float*, idx_t*,
              const faiss::SearchParameters*) const override {
    FOURFOLD_CHECK(false);
  }
  void reset() override { ntotal = 0; }
  faiss::DistanceComputer* get_distance_computer() const override {
    return new Distances(vector_of_, static_cast<std::size_t>(d));
  }

 private:
  const std::vector<const float*>& vector_of_;
};

std::uint32_t LinkOf(faiss::HNSW::storage_idx_t link) {
  return link < 0 ? kNoLink : static_cast<std::uint32_t>(link);
}

}  // namespace

HnswLinks BuildHnswLinks(const std::vector<const float*>& vector_of, std::size_t dimension,
                         int links, int build_width, int threads) {
  HnswLinks made;
  if (vector_of.empty()) return made;
  Vectors vectors(vector_of, dimension);
  faiss::IndexHNSW index(&vectors, links);
  index.hnsw.efConstruction = build_width;
  const int threads_before = omp_get_max_threads();
  omp_set_num_threads(threads > 0 ? threads
                                  : static_cast<int>(std::thread::hardware_concurrency()));
  // Faiss reads new vectors from one block; ours may have gaps.
  std::vector<float> block;
  const bool has_gaps = vector_of.back() != vector_of[0] + (vector_of.size() - 1) * dimension;
  if (has_gaps) block.reserve(vector_of.size() * dimension);
  for (std::size_t node = 0; has_gaps && node < vector_of.size(); ++node) {
    block.insert(block.end(), vector_of[node], vector_of[node] + dimension);
  }
  bool is_whole = true;
  try {
    index.add(static_cast<faiss::Index::idx_t>(vector_of.size()),
              has_gaps ? block.data() : vector_of[0]);
  } catch (const faiss::FaissException&) {
    is_whole = false;  // all that it throws here: that it was interrupted
  }
  omp_set_num_threads(threads_before);
  if (!is_whole) return made;

  const faiss::HNSW& hnsw = index.hnsw;
  made.entry = static_cast<std::uint32_t>(hnsw.entry_point);
  for (std::size_t node = 0; node < vector_of.size(); ++node) {
    const int levels = hnsw.levels[node];
    made.levels.push_back(static_cast<std::uint8_t>(levels));
    for (int level = 0; level < levels; ++level) {
      std::size_t begin = 0, end = 0;
      hnsw.neighbor_range(static_cast<faiss::HNSW::idx_t>(node), level, &begin, &end);
      std::vector<std::uint32_t>& place = level == 0 ? made.lowest : made.upper;
      for (std::size_t link = begin; link < end; ++link) {
        place.push_back(LinkOf(hnsw.neighbors[link]));
      }
    }
  }
  return made;
}

}  // namespace fourfold
