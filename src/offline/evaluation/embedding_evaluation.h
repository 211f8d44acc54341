#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "math/bootstrap.h"
#include "offline/dataset/interaction_table.h"
#include "offline/dataset/side_fields.h"
#include "servable/servable.h"

// Exams for embeddings alone, on the session graph of a retriever (kEges) with side fields; without
// them, of BGE alone.
namespace fourfold {

struct EmbeddingExamOptions {
  RetrieverSpec spec;
  std::span<const SideField> fields;  // those that the spec names, in its order
  double hidden_share = 1.0 / 3;      // of the edges, or of the items; above 0, below 1
  bool on_validation = false;         // PredictLinks, below
  std::uint64_t seed = 1;             // of what is hidden
  int threads = 0;
  BootstrapOptions bootstrap;
  std::function<void(double done)> progress;  // may be empty
};

struct EmbeddingExamRow {
  std::string method;
  std::vector<Interval> metrics;
};

struct EmbeddingExam {
  std::string description;
  std::uint64_t questions = 0;
  std::vector<std::string> metrics;
  std::vector<EmbeddingExamRow> rows;
};

// Link prediction as the EGES paper does it: a share of the edges is hidden, the rest is trained
// on, and the AUC says how often a hidden edge scores above a pair of items without an edge, ties
// counting half. The pairs without an edge are as many as the hidden edges, once with both ends
// uniform (AUC), once with ends drawn in proportion to the edges that leave and reach them (AUC
// degree-matched), so that popularity alone says nothing. Methods: BGE, GES and EGES by cosine (an
// item without a vector has 0 with any other), and the product of the ends' degrees. With
// on_validation the edges that stay are all there is: a share of them is hidden in turn, so that
// settings are chosen without a look at what the test asks with the same seed.
absl::StatusOr<EmbeddingExam> PredictLinks(const InteractionTable& table,
                                           const EmbeddingExamOptions& options);

// Cold items: a share of the items with an edge is hidden from training, with all their actions.
// Each edge from an item that stays to a hidden one asks for the hidden one's rank among all hidden
// items (of equals the mean rank): by the cosine with the mean of its side vectors (GES, EGES), by
// the overlap of side values (Jaccard's), and by chance. An item that stays without an edge, for
// its edges led to hidden ones alone, is not trained: it asks with the mean of its own side
// vectors. Metrics: MRR, Success@10 and the rank as a share of all. InvalidArgument without side
// fields.
absl::StatusOr<EmbeddingExam> RankColdItems(const InteractionTable& table,
                                            const EmbeddingExamOptions& options);

}  // namespace fourfold
