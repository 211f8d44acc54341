#include "offline/retrieval/embedding/eges.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/strings.h"
#include "math/vector_kernels.h"
#include "offline/retrieval/embedding/skip_gram.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {
namespace {

// So many rows of vectors stay in the processor's cache while others are compared with them.
constexpr std::size_t kRowsPerBlock = 256;

constexpr std::uint32_t kRecallQueries = 500;

ItemEmbeddings::Parts PartsOf(const SkipGramModel& model, const ItemGraph& graph) {
  ItemEmbeddings::Parts parts;
  parts.dimension = static_cast<int>(model.dimension);
  const auto own = model.input.begin() + static_cast<std::ptrdiff_t>(model.items * model.dimension);
  parts.rows.assign(model.input.begin(), own);
  parts.weights.assign(model.weights.begin(), model.weights.end());
  parts.trained.assign(model.items, 0);
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    for (const std::uint32_t target : graph.TargetsOf(item)) {
      parts.trained[item] = parts.trained[target] = 1;
    }
  }
  for (std::size_t number = 0; number < model.fields.size(); ++number) {
    const SideField& field = model.fields[number];
    const auto first = model.input.begin() +
                       static_cast<std::ptrdiff_t>(model.first_row[number] * model.dimension);
    const auto last = first + static_cast<std::ptrdiff_t>(field.values.size() * model.dimension);
    parts.fields.push_back({.name = field.name,
                            .values = field.values,
                            .begin = {field.begin.begin(), field.begin.end()},
                            .value = field.value,
                            .vectors = {first, last}});
  }
  return parts;
}

bool IsFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

std::string Describe(const ItemGraph& graph, const SkipGramReport& report) {
  const double share = report.walks == 0 ? 0
                                         : 100.0 * static_cast<double>(report.ended_early) /
                                               static_cast<double>(report.walks);
  return StrCat(graph.items(), " items, ", graph.edges(), " edges, ", report.dead_ends,
                " dead ends; ", report.walks, " walks, ", share, " % of them ended early; ",
                report.pairs, " pairs");
}

// The best `depth` that serving would take: with a cosine above 0, without the item that asks.
void KeepServed(std::uint32_t asking, std::size_t depth, std::vector<Neighbour>* found) {
  std::erase_if(*found, [&](const Neighbour& neighbour) {
    return neighbour.item == asking || !(neighbour.score > 0);
  });
  if (found->size() > depth) found->resize(depth);
}

// Of evenly spaced items, which are of the vectors' own distribution.
double RecallOf(const VectorGraph& graph, const ItemEmbeddings& embeddings,
                const RetrieverSpec& spec, int threads, Cancellation* cancellation) {
  const std::size_t depth = SearchDepth(spec);
  const auto width = static_cast<std::size_t>(spec.search_width);
  std::vector<std::uint32_t> asked;
  const std::uint32_t stride = embeddings.items() / kRecallQueries + 1;
  for (std::uint32_t item = 0; item < embeddings.items(); item += stride) {
    if (!embeddings.VectorOf(item).empty()) asked.push_back(item);
  }
  std::atomic<std::size_t> right{0}, all{0};
  ForEachPiece(asked.size(), 16, threads, [&](std::size_t begin, std::size_t end) {
    VectorSearchScratch scratch;
    std::vector<Neighbour> found;
    for (std::size_t i = begin; i < end && !cancellation->Ask(); ++i) {
      const auto query = embeddings.VectorOf(asked[i]);
      // One more, since the item itself is its own nearest.
      graph.Search(embeddings.vectors(), query, depth + 1, width, &scratch, &found);
      KeepServed(asked[i], depth, &found);
      std::vector<Neighbour> exact = SearchAll(embeddings.vectors(), query, depth + 1);
      KeepServed(asked[i], depth, &exact);
      if (exact.empty()) continue;
      all += exact.size();
      // What is level with the last of the exact ones is as right as that one.
      right += static_cast<std::size_t>(std::count_if(
          found.begin(), found.end(),
          [&](const Neighbour& neighbour) { return neighbour.score >= exact.back().score; }));
    }
  });
  return all == 0 ? 1 : std::min(1.0, static_cast<double>(right) / static_cast<double>(all));
}

}  // namespace

absl::StatusOr<TrainedEmbeddings> TrainEges(const ItemGraph& graph,
                                            std::span<const SideField> fields,
                                            const RetrieverSpec& spec, int threads,
                                            const std::function<void(double done)>& progress,
                                            const CancellationCheck& is_cancelled) {
  SkipGramModel model =
      MakeSkipGramModel(graph.items(), static_cast<std::size_t>(spec.dimension),
                        spec.learned_weights, fields, static_cast<std::uint64_t>(spec.seed));
  const SkipGramReport report =
      TrainSkipGram(graph, spec, spec.threads > 0 ? spec.threads : threads, FastVectorKernels(),
                    progress, &model, is_cancelled);
  if (report.is_cancelled) return Cancelled();
  if (!IsFinite(model.input) || !IsFinite(model.weights)) {
    return InvalidArgument("retriever \"", spec.name, "\": learning_rate ", spec.learning_rate,
                           " is too large: training diverged");
  }
  return TrainedEmbeddings{ItemEmbeddings::FromParts(PartsOf(model, graph)),
                           Describe(graph, report)};
}

std::size_t SearchDepth(const RetrieverSpec& spec) {
  return static_cast<std::size_t>(
      std::max(spec.search == RetrieverSpec::Search::kMean ? spec.candidates : spec.neighbours, 1));
}

absl::StatusOr<CheckedGraph> BuildCheckedGraph(const ItemEmbeddings& embeddings,
                                               const RetrieverSpec& spec, int threads,
                                               const CancellationCheck& is_cancelled) {
  Cancellation cancellation(is_cancelled);
  const CancellationCheck ask = [&] { return cancellation.Ask(); };
  VectorGraph graph = VectorGraph::Build(embeddings.vectors(), embeddings.dimension(),
                                         {.links = spec.graph_links,
                                          .build_width = spec.build_width,
                                          .threads = spec.threads > 0 ? spec.threads : threads,
                                          .is_cancelled = ask});
  if (cancellation.Ask()) return Cancelled();
  const double recall = RecallOf(graph, embeddings, spec, threads, &cancellation);
  if (cancellation.is_cancelled()) return Cancelled();
  const std::size_t depth = SearchDepth(spec);
  std::string report =
      StrCat("graph of ", graph.listed(), " items, recall@", depth, " ", recall, " by a search of ",
             std::max(static_cast<std::size_t>(spec.search_width), depth + 1));
  if (recall < spec.least_recall) {
    return FailedPrecondition("retriever \"", spec.name, "\": ", report, ", below least_recall ",
                              spec.least_recall,
                              ": raise search_width, build_width or graph_links");
  }
  return CheckedGraph{std::move(graph), recall, std::move(report)};
}

absl::StatusOr<ItemToItemMap> NearestByCosine(const ItemEmbeddings& embeddings, int neighbours,
                                              int threads, const CancellationCheck& is_cancelled) {
  const VectorKernels& kernels = FastVectorKernels();
  const std::size_t items = embeddings.items(), dimension = embeddings.dimension();
  const std::size_t limit = neighbours == 0 ? items : static_cast<std::size_t>(neighbours);
  const float* const vectors = embeddings.vectors().data();
  std::vector<std::vector<Neighbour>> rows(items);
  Cancellation cancellation(is_cancelled);
  ForEachPiece(items, kRowsPerBlock, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t block = 0; block < items; block += kRowsPerBlock) {
      if (cancellation.Ask()) return;
      const std::size_t block_end = std::min(items, block + kRowsPerBlock);
      for (std::size_t item = begin; item < end; ++item) {
        for (std::size_t other = block; other < block_end; ++other) {
          const float score =
              kernels.dot(vectors + item * dimension, vectors + other * dimension, dimension);
          if (other != item && score > 0) {
            rows[item].push_back({static_cast<std::uint32_t>(other), score});
          }
        }
        if (rows[item].size() > 4 * limit + kRowsPerBlock) KeepBest(limit, &rows[item]);
      }
    }
    for (std::size_t item = begin; item < end; ++item) KeepBest(limit, &rows[item]);
  });
  if (cancellation.is_cancelled()) return Cancelled();
  return ItemToItemMap::FromRows(rows);
}

}  // namespace fourfold
