#include "index/vector_graph.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "index/hnsw_walk.h"
#include "math/vector_kernels.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

bool IsZero(std::span<const float> vector) {
  return std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; });
}

std::string_view BytesOf(std::span<const float> vector) {
  return {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()};
}

bool Has(const SafetensorsFile& file, std::string_view name) {
  return std::any_of(file.tensors().begin(), file.tensors().end(),
                     [&](const TensorView& tensor) { return tensor.name == name; });
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
  std::vector<std::uint32_t> owned_items, owned_copies;

  std::size_t links = 0;
  std::uint32_t entry = 0;
  std::span<const std::uint32_t> items;   // of each node the first, rising
  std::span<const std::uint32_t> copies;  // node and item of each other one, rising
  std::span<const std::uint8_t> levels;
  std::span<const std::uint32_t> lowest;
  std::span<const std::uint32_t> upper;
  std::vector<std::uint32_t> upper_begin;  // of each node: rows of `upper` before its own
  VectorCodes codes;                       // by node

  std::span<const std::uint32_t> LinksOf(std::uint32_t node, std::size_t level) const {
    if (level == 0) return lowest.subspan(std::size_t{node} * 2 * links, 2 * links);
    return upper.subspan((upper_begin[node] + level - 1) * links, links);
  }
  // Calls visit(item) for each item of the node, rising, until it returns false.
  template <typename Visit>
  void VisitItems(std::uint32_t node, Visit visit) const {
    if (!visit(items[node]) || copies.empty()) return;
    for (std::size_t row = FirstCopyOf(node); row < CopyCount() && copies[2 * row] == node; ++row) {
      if (!visit(copies[2 * row + 1])) return;
    }
  }
  std::size_t CopyCount() const { return copies.size() / 2; }
  std::size_t FirstCopyOf(std::uint32_t node) const;
  absl::Status Index();
  absl::Status Check(std::size_t item_count) const;
  absl::Status CheckCopies(std::size_t item_count) const;
  void Encode(std::span<const float> vectors, std::size_t dimension);
};

std::size_t VectorGraph::Storage::FirstCopyOf(std::uint32_t node) const {
  std::size_t begin = 0, end = CopyCount();
  while (begin < end) {
    const std::size_t middle = (begin + end) / 2;
    if (copies[2 * middle] < node) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

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

absl::Status VectorGraph::Storage::CheckCopies(std::size_t item_count) const {
  std::vector<bool> is_listed(item_count);
  for (const std::uint32_t item : items) is_listed[item] = true;
  for (std::size_t row = 0; row < CopyCount(); ++row) {
    const std::uint32_t node = copies[2 * row], item = copies[2 * row + 1];
    if (node >= items.size() || item >= item_count || item <= items[node]) {
      return DataLoss("copies: row ", row, " is of no node or item, or comes before its node");
    }
    const bool rises = row == 0 || copies[2 * row - 2] < node ||
                       (copies[2 * row - 2] == node && copies[2 * row - 1] < item);
    if (!rises || is_listed[item]) {
      return DataLoss("copies: row ", row, " is out of order or of an item listed before");
    }
    is_listed[item] = true;
  }
  return absl::OkStatus();
}

void VectorGraph::Storage::Encode(std::span<const float> vectors, std::size_t dimension) {
  std::vector<const float*> vector_of;
  for (const std::uint32_t item : items) vector_of.push_back(vectors.data() + item * dimension);
  codes = VectorCodes(vector_of, dimension);
}

// As a search reads it.
struct VectorGraph::SearchedGraph {
  const Storage& storage;
  const std::span<const float> vectors;
  const std::size_t dimension;

  std::size_t nodes() const { return storage.items.size(); }
  const float* VectorOf(std::uint32_t node) const {
    return vectors.data() + storage.items[node] * dimension;
  }
  std::span<const std::uint32_t> LinksOf(std::uint32_t node, std::size_t level) const {
    return storage.LinksOf(node, level);
  }
  const VectorCodes& codes() const { return storage.codes; }
};

VectorGraph::VectorGraph(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
VectorGraph::VectorGraph(VectorGraph&&) noexcept = default;
VectorGraph& VectorGraph::operator=(VectorGraph&&) noexcept = default;
VectorGraph::~VectorGraph() = default;

VectorGraph VectorGraph::Build(std::span<const float> vectors, std::size_t dimension,
                               const BuildOptions& options) {
  auto storage = std::make_unique<Storage>();
  std::vector<const float*> vector_of;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> copies;
  std::unordered_map<std::string_view, std::uint32_t> node_of;  // by the bytes of its vector
  for (std::uint32_t item = 0; item < vectors.size() / dimension; ++item) {
    const auto vector = vectors.subspan(item * dimension, dimension);
    if (IsZero(vector)) continue;
    const auto node = static_cast<std::uint32_t>(vector_of.size());
    const auto [known, is_new] = node_of.try_emplace(BytesOf(vector), node);
    if (!is_new) {
      copies.emplace_back(known->second, item);
      continue;
    }
    storage->owned_items.push_back(item);
    vector_of.push_back(vector.data());
  }
  std::sort(copies.begin(), copies.end());
  storage->owned = BuildHnswLinks(vector_of, dimension, options);
  if (storage->owned.levels.empty()) {  // called off
    storage->owned_items.clear();
    copies.clear();
  }
  for (const auto& [node, item] : copies) {
    storage->owned_copies.insert(storage->owned_copies.end(), {node, item});
  }
  storage->links = static_cast<std::size_t>(options.links);
  storage->entry = storage->owned.entry;
  storage->items = storage->owned_items;
  storage->copies = storage->owned_copies;
  storage->levels = storage->owned.levels;
  storage->lowest = storage->owned.lowest;
  storage->upper = storage->owned.upper;
  FOURFOLD_CHECK(storage->Index().ok());
  FOURFOLD_CHECK(storage->Check(vectors.size() / dimension).ok());
  FOURFOLD_CHECK(storage->CheckCopies(vectors.size() / dimension).ok());
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
  if (Has(file, "copies")) {  // a graph of before had a node for each
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView copies, file.Find("copies", Dtype::kU32, 2));
    if (copies.shape[1] != 2) return DataLoss("copies: not a node and an item a row");
    storage->copies = copies.As<std::uint32_t>();
  }
  if (entry.elements() != 1) return DataLoss("entry: not one node");
  storage->entry = entry.As<std::uint32_t>()[0];
  storage->links = upper.shape[1];
  storage->items = node_items.As<std::uint32_t>();
  storage->levels = levels.As<std::uint8_t>();
  storage->lowest = lowest.As<std::uint32_t>();
  storage->upper = upper.As<std::uint32_t>();
  FOURFOLD_RETURN_IF_ERROR(storage->Index());
  FOURFOLD_RETURN_IF_ERROR(storage->Check(vectors.size() / dimension));
  FOURFOLD_RETURN_IF_ERROR(storage->CheckCopies(vectors.size() / dimension));
  storage->Encode(vectors, dimension);
  storage->file = std::move(file);
  return VectorGraph(std::move(storage));
}

absl::Status VectorGraph::Save(const std::string& path) const {
  const Storage& storage = *storage_;
  return WriteSafetensors(path,
                          {MakeTensor<std::uint32_t>("entry", Dtype::kU32, {&storage.entry, 1}),
                           MakeTensor<std::uint32_t>("items", Dtype::kU32, storage.items),
                           MakeMatrix("copies", storage.copies, 2),
                           MakeTensor<std::uint8_t>("levels", Dtype::kU8, storage.levels),
                           MakeMatrix("lowest", storage.lowest, 2 * storage.links),
                           MakeMatrix("upper", storage.upper, storage.links)});
}

std::size_t VectorGraph::nodes() const { return storage_->items.size(); }
std::size_t VectorGraph::listed() const { return nodes() + storage_->CopyCount(); }
std::size_t VectorGraph::items() const {
  std::size_t end = storage_->items.empty() ? 0 : storage_->items.back() + std::size_t{1};
  for (std::size_t row = 0; row < storage_->CopyCount(); ++row) {
    end = std::max(end, storage_->copies[2 * row + 1] + std::size_t{1});
  }
  return end;
}

template <bool kByCodes>
void VectorGraph::SearchBy(std::span<const float> vectors, std::span<const float> query,
                           std::size_t limit, std::size_t width, VectorSearchScratch* scratch,
                           std::vector<Neighbour>* found) const {
  found->clear();
  if (nodes() == 0 || limit == 0) return;
  const SearchedGraph graph{*storage_, vectors, query.size()};
  HnswWalk<SearchedGraph, kByCodes> walk(graph, query, scratch);
  const std::size_t top = storage_->levels[storage_->entry] - 1u;
  walk.Spread(walk.Descend(walk.Enter(storage_->entry), top, 0), 0, std::max(width, limit));
  std::sort(scratch->best.begin(), scratch->best.end(), IsBetterFound());
  for (const VectorSearchScratch::Found& node : scratch->best) {
    if (found->size() >= limit && node.score < found->back().score) break;
    const std::size_t most = found->size() + limit;
    storage_->VisitItems(node.node, [&](std::uint32_t item) {
      found->push_back({item, node.score});
      return found->size() < most;
    });
  }
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
