#include "index/vector_graph.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "index/hnsw_links.h"
#include "math/vector_kernels.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

using Found = VectorSearchScratch::Found;
using Met = VectorSearchScratch::Met;

// Heaps by these have the best, or the worst, in front. No functions, which the heap would call
// through a pointer. No two nodes are level, so that what is found depends on no order of looking.
struct IsBetter {
  bool operator()(const Found& a, const Found& b) const {
    return a.score > b.score || (a.score == b.score && a.node < b.node);
  }
};
struct IsWorse {
  bool operator()(const Found& a, const Found& b) const { return IsBetter()(b, a); }
};

bool IsZero(std::span<const float> vector) {
  return std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; });
}

bool StandsBefore(const Neighbour& a, const Neighbour& b) {
  return a.score > b.score || (a.score == b.score && a.item < b.item);
}

TensorView MakeMatrix(std::string name, std::span<const std::uint32_t> values,
                      std::size_t columns) {
  TensorView tensor = MakeTensor<std::uint32_t>(std::move(name), Dtype::kU32, values);
  tensor.shape = {values.size() / columns, columns};
  return tensor;
}

}  // namespace

struct VectorGraph::Storage {
  // The links lie in the file or, for a graph made in memory, in the vectors.
  std::optional<SafetensorsFile> file;
  HnswLinks owned;
  std::vector<std::uint32_t> owned_items;

  std::size_t links = 0;
  std::uint32_t entry = 0;
  std::span<const std::uint32_t> items;  // of each node, rising
  std::span<const std::uint8_t> levels;
  std::span<const std::uint32_t> lowest;
  std::span<const std::uint32_t> upper;
  std::vector<std::uint32_t> upper_begin;  // of each node: rows of `upper` before its own
  VectorCodes codes;                       // by node

  std::span<const std::uint32_t> LinksOf(std::uint32_t node, std::size_t level) const {
    if (level == 0) return lowest.subspan(std::size_t{node} * 2 * links, 2 * links);
    return upper.subspan((upper_begin[node] + level - 1) * links, links);
  }
  absl::Status Index();
  absl::Status Check(std::size_t item_count) const;
  void Encode(std::span<const float> vectors, std::size_t dimension);
};

// Sizes, then where each node's upper links begin.
absl::Status VectorGraph::Storage::Index() {
  if (links == 0 || links > 64) return DataLoss("links: ", links, " a node");
  if (levels.size() != items.size() || lowest.size() != items.size() * 2 * links) {
    return DataLoss("levels, lowest: not one row a node");
  }
  std::uint64_t rows = 0;
  for (const std::uint8_t count : levels) {
    if (count == 0) return DataLoss("levels: a node stands on none");
    upper_begin.push_back(static_cast<std::uint32_t>(rows));
    rows += count - 1u;
  }
  if (upper.size() != rows * links) return DataLoss("upper: not one row a node and level");
  if (entry >= std::max<std::size_t>(items.size(), 1)) return DataLoss("entry: past the nodes");
  return absl::OkStatus();
}

absl::Status VectorGraph::Storage::Check(std::size_t item_count) const {
  for (std::uint32_t node = 0; node < items.size(); ++node) {
    if (items[node] >= item_count || (node > 0 && items[node] <= items[node - 1])) {
      return DataLoss("items: node ", node, " is past the end or out of order");
    }
    if (levels[node] > levels[entry]) return DataLoss("entry: not of the highest level");
    for (std::size_t level = 0; level < levels[node]; ++level) {
      for (const std::uint32_t link : LinksOf(node, level)) {
        if (link == kNoLink) break;
        if (link >= items.size() || levels[link] <= level) {
          return DataLoss("node ", node, " is linked to what is not on its level");
        }
      }
    }
  }
  return absl::OkStatus();
}

void VectorGraph::Storage::Encode(std::span<const float> vectors, std::size_t dimension) {
  std::vector<const float*> vector_of;
  for (const std::uint32_t item : items) vector_of.push_back(vectors.data() + item * dimension);
  codes = VectorCodes(vector_of, dimension);
}

VectorGraph::VectorGraph(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
VectorGraph::VectorGraph(VectorGraph&&) noexcept = default;
VectorGraph& VectorGraph::operator=(VectorGraph&&) noexcept = default;
VectorGraph::~VectorGraph() = default;

VectorGraph VectorGraph::Build(std::span<const float> vectors, std::size_t dimension,
                               const BuildOptions& options) {
  FOURFOLD_CHECK(options.links >= 2 && options.links <= 64);
  auto storage = std::make_unique<Storage>();
  std::vector<const float*> vector_of;
  for (std::uint32_t item = 0; item < vectors.size() / dimension; ++item) {
    const auto vector = vectors.subspan(item * dimension, dimension);
    if (IsZero(vector)) continue;
    storage->owned_items.push_back(item);
    vector_of.push_back(vector.data());
  }
  storage->owned =
      BuildHnswLinks(vector_of, dimension, options.links, options.build_width, options.threads);
  if (storage->owned.levels.empty()) storage->owned_items.clear();  // called off
  storage->links = static_cast<std::size_t>(options.links);
  storage->entry = storage->owned.entry;
  storage->items = storage->owned_items;
  storage->levels = storage->owned.levels;
  storage->lowest = storage->owned.lowest;
  storage->upper = storage->owned.upper;
  FOURFOLD_CHECK(storage->Index().ok());
  FOURFOLD_CHECK(storage->Check(vectors.size() / dimension).ok());
  storage->Encode(vectors, dimension);
  return VectorGraph(std::move(storage));
}

absl::StatusOr<VectorGraph> VectorGraph::Open(const std::string& path,
                                              std::span<const float> vectors,
                                              std::size_t dimension) {
  auto opened = OpenUnnamed(path, vectors, dimension);
  if (!opened.ok()) return Annotate(opened.status(), path);
  return opened;
}

absl::StatusOr<VectorGraph> VectorGraph::OpenUnnamed(const std::string& path,
                                                     std::span<const float> vectors,
                                                     std::size_t dimension) {
  FOURFOLD_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  auto storage = std::make_unique<Storage>();
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView entry, file.Find("entry", Dtype::kU32));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView node_items, file.Find("items", Dtype::kU32));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView levels, file.Find("levels", Dtype::kU8));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView lowest, file.Find("lowest", Dtype::kU32, 2));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView upper, file.Find("upper", Dtype::kU32, 2));
  if (entry.elements() != 1) return DataLoss("entry: not one node");
  storage->entry = entry.As<std::uint32_t>()[0];
  storage->links = upper.shape[1];
  storage->items = node_items.As<std::uint32_t>();
  storage->levels = levels.As<std::uint8_t>();
  storage->lowest = lowest.As<std::uint32_t>();
  storage->upper = upper.As<std::uint32_t>();
  FOURFOLD_RETURN_IF_ERROR(storage->Index());
  FOURFOLD_RETURN_IF_ERROR(storage->Check(vectors.size() / dimension));
  storage->Encode(vectors, dimension);
  storage->file = std::move(file);
  return VectorGraph(std::move(storage));
}

absl::Status VectorGraph::Save(const std::string& path) const {
  const Storage& storage = *storage_;
  return WriteSafetensors(path,
                          {MakeTensor<std::uint32_t>("entry", Dtype::kU32, {&storage.entry, 1}),
                           MakeTensor<std::uint32_t>("items", Dtype::kU32, storage.items),
                           MakeTensor<std::uint8_t>("levels", Dtype::kU8, storage.levels),
                           MakeMatrix("lowest", storage.lowest, 2 * storage.links),
                           MakeMatrix("upper", storage.upper, storage.links)});
}

std::size_t VectorGraph::nodes() const { return storage_->items.size(); }
std::size_t VectorGraph::items() const {
  return storage_->items.empty() ? 0 : storage_->items.back() + std::size_t{1};
}

// One search. By codes, it leaves out reading the vector of a node that cannot be of use, which
// changes nothing of what it finds.
template <bool kByCodes>
class VectorGraph::Walk {
 public:
  Walk(const Storage& graph, std::span<const float> vectors, std::span<const float> query,
       VectorSearchScratch* scratch)
      : graph_(graph), vectors_(vectors), query_(query), scratch_(scratch) {
    if (scratch_->visited.size() < graph_.items.size())
      scratch_->visited.resize(graph_.items.size());
    BeginToMark();
    if (kByCodes) graph_.codes.Encode(query, &scratch_->query);
  }

  // The best node of the upper levels.
  Found Descend() {
    Found best{ScoreOf(graph_.entry), graph_.entry};
    for (std::size_t level = graph_.levels[graph_.entry] - 1u; level > 0; --level) {
      for (bool better = true; better;) {
        better = false;
        // Who was met before is not better than the best.
        MeetLinks(graph_.LinksOf(best.node, level), best.score);
        for (std::size_t i = 0; i < scratch_->met.size() && MayBeAsGood(i, best.score); ++i) {
          const Found found = Look(i);
          if (!IsBetter()(found, best)) continue;
          best = found;
          better = true;
        }
      }
    }
    return best;
  }

  // Leaves the best `width` that are found in scratch->best.
  void Spread(const Found& start, std::size_t width) {
    BeginToMark();
    std::vector<Found>&open = scratch_->open, &best = scratch_->best;
    open.assign(1, start);
    best.assign(1, start);
    scratch_->visited[start.node] = scratch_->marks;
    while (!open.empty()) {
      std::pop_heap(open.begin(), open.end(), IsWorse());
      const Found from = open.back();
      open.pop_back();
      const bool is_full = best.size() >= width;
      if (is_full && IsBetter()(best.front(), from)) return;
      MeetLinks(graph_.LinksOf(from.node, 0), is_full ? best.front().score : -HUGE_VALF);
      for (std::size_t i = 0; i < scratch_->met.size(); ++i) {
        if (best.size() >= width) {
          if (!MayBeAsGood(i, best.front().score)) break;
          const Found found = Look(i);
          if (!IsBetter()(found, best.front())) continue;
          std::pop_heap(best.begin(), best.end(), IsBetter());
          best.back() = found;
        } else {
          best.push_back(Look(i));
        }
        open.push_back(best.back());
        std::push_heap(best.begin(), best.end(), IsBetter());
        std::push_heap(open.begin(), open.end(), IsWorse());
      }
    }
  }

 private:
  static constexpr std::size_t kLooksAhead = 3;

  const float* VectorOf(std::uint32_t node) const {
    return vectors_.data() + graph_.items[node] * query_.size();
  }
  float ScoreOf(std::uint32_t node) const {
    return kernels_.dot(query_.data(), VectorOf(node), query_.size());
  }
  void PrefetchVector(std::uint32_t node) const {
    const float* const vector = VectorOf(node);
    for (std::size_t i = 0; i < query_.size(); i += 16) __builtin_prefetch(vector + i);
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
    for (const std::uint32_t link : links) {
      if (link == kNoLink) break;
      if (scratch_->visited[link] == scratch_->marks) continue;
      scratch_->visited[link] = scratch_->marks;
      met.push_back({link, HUGE_VAL});
      if (kByCodes) {
        graph_.codes.Prefetch(link);
      } else {
        PrefetchVector(link);
      }
    }
    if (!kByCodes) return;
    for (Met& one : met) one.bound = graph_.codes.UpperBound(scratch_->query, one.node);
    std::erase_if(met, [&](const Met& one) { return one.bound < static_cast<double>(bar); });
    std::sort(met.begin(), met.end(), [](const Met& a, const Met& b) { return a.bound > b.bound; });
    for (std::size_t i = 0; i < std::min(met.size(), kLooksAhead); ++i) PrefetchVector(met[i].node);
  }

  const Storage& graph_;
  const std::span<const float> vectors_, query_;
  VectorSearchScratch* const scratch_;
  const VectorKernels& kernels_ = FastVectorKernels();
};

template <bool kByCodes>
void VectorGraph::SearchBy(std::span<const float> vectors, std::span<const float> query,
                           std::size_t limit, std::size_t width, VectorSearchScratch* scratch,
                           std::vector<Neighbour>* found) const {
  found->clear();
  if (nodes() == 0 || limit == 0) return;
  Walk<kByCodes> walk(*storage_, vectors, query, scratch);
  walk.Spread(walk.Descend(), std::max(width, limit));
  for (const Found& node : scratch->best)
    found->push_back({storage_->items[node.node], node.score});
  std::sort(found->begin(), found->end(), StandsBefore);
  if (found->size() > limit) found->resize(limit);
}

void VectorGraph::Search(std::span<const float> vectors, std::span<const float> query,
                         std::size_t limit, std::size_t width, VectorSearchScratch* scratch,
                         std::vector<Neighbour>* found) const {
  SearchBy<true>(vectors, query, limit, width, scratch, found);
}

void VectorGraph::SearchByVectors(std::span<const float> vectors, std::span<const float> query,
                                  std::size_t limit, std::size_t width,
                                  VectorSearchScratch* scratch,
                                  std::vector<Neighbour>* found) const {
  SearchBy<false>(vectors, query, limit, width, scratch, found);
}

std::vector<Neighbour> SearchAll(std::span<const float> vectors, std::span<const float> query,
                                 std::size_t limit) {
  std::vector<Neighbour> found;
  for (std::uint32_t item = 0; item < vectors.size() / query.size(); ++item) {
    const auto vector = vectors.subspan(item * query.size(), query.size());
    if (IsZero(vector)) continue;
    found.push_back({item, FastVectorKernels().dot(query.data(), vector.data(), query.size())});
  }
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(limit, found.size()));
  std::partial_sort(found.begin(), end, found.end(), StandsBefore);
  found.erase(end, found.end());
  return found;
}

}  // namespace fourfold
