#pragma once

#include <functional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "index/item_embeddings.h"
#include "index/item_to_item_map.h"
#include "index/vector_graph.h"
#include "offline/dataset/side_fields.h"
#include "offline/retrieval/cancellation.h"
#include "offline/retrieval/embedding/item_graph.h"
#include "offline/retrieval/training_actions.h"
#include "servable/servable.h"

namespace fourfold {

struct TrainedEmbeddings {
  ItemEmbeddings embeddings;
  std::string report;  // in a line: the graph, the walks, the dead ends
};

// EGES with its special cases (skip_gram.h) on a graph: `fields` are those that the spec names, in
// its order. Items without an edge are not trained. With threads 1, or spec.threads 1, the same
// inputs give the same embeddings. InvalidArgument when the learning rate is so large that the
// numbers grow past float32; Cancelled once is_cancelled.
absl::StatusOr<TrainedEmbeddings> TrainEges(const ItemGraph& graph,
                                            std::span<const SideField> fields,
                                            const RetrieverSpec& spec, int threads,
                                            const std::function<void(double done)>& progress = {},
                                            const CancellationCheck& is_cancelled = {});

struct CheckedGraph {
  VectorGraph graph;
  double recall = 1;
  std::string report;  // in a line: its size and its recall
};

// What is asked of the graph for one action (search actions: the neighbours) or one request (search
// mean: the candidates), the items acted on aside.
std::size_t SearchDepth(const RetrieverSpec& spec);

// The graph over the embeddings as the spec says. Its recall against comparing all is measured with
// the vectors of up to 500 items as queries, as serving searches: SearchDepth items beside the one
// that asks, by one search that keeps as many, or search_width where that is more.
// FailedPrecondition when it lies below least_recall, Cancelled once is_cancelled. The same each
// time with one thread, as above.
absl::StatusOr<CheckedGraph> BuildCheckedGraph(const ItemEmbeddings& embeddings,
                                               const RetrieverSpec& spec, int threads,
                                               const CancellationCheck& is_cancelled = {});

// The `neighbours` (0: all) items with the largest cosine above 0 of each item with a vector, by
// comparing all with all: items^2 * dimension multiplications. Cancelled once is_cancelled.
absl::StatusOr<ItemToItemMap> NearestByCosine(const ItemEmbeddings& embeddings, int neighbours,
                                              int threads,
                                              const CancellationCheck& is_cancelled = {});

}  // namespace fourfold
