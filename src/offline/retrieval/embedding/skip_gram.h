#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/aligned_vector.h"
#include "math/vector_kernels.h"
#include "offline/dataset/side_fields.h"
#include "offline/retrieval/cancellation.h"
#include "offline/retrieval/embedding/item_graph.h"
#include "servable/servable.h"

namespace fourfold {

// Skip-gram with negative sampling over items with side information. With W an item's own row and,
// for each side field, the mean of the vectors of its values, Z the output rows, and a the item's
// weights, one for each of the slots (its own row, then the fields of which it has values):
//   H_v = sum_s softmax(a_v)_s W_v^s,   loss(v, u, y) = -log sigma((2y - 1) H_v Z_u).
// Without fields that is BGE, with all weights equal GES, with learned weights EGES.
struct SkipGramModel {
  std::size_t items = 0;
  std::size_t dimension = 0;  // a multiple of kVectorLanes
  bool learns_weights = false;
  std::span<const SideField> fields;   // outlive the model
  std::vector<std::size_t> first_row;  // of each field's values among the input rows
  AlignedVector<float> input;          // W: [items, then the values of each field; dimension]
  AlignedVector<float> output;         // Z: [items, dimension]
  AlignedVector<float> weights;        // a: [items, 1 + fields]

  float* InputRow(std::size_t row) { return input.data() + row * dimension; }
  float* OutputRow(std::uint32_t item) { return output.data() + item * dimension; }
};

// Input rows uniform within 1/2 / dimension of 0, output rows and weights 0, as word2vec begins.
SkipGramModel MakeSkipGramModel(std::size_t items, std::size_t dimension, bool learns_weights,
                                std::span<const SideField> fields, std::uint64_t seed);

// Gradient descent for one centre item v at a time: Begin, then Learn for each of its targets, then
// Finish. Output rows change at once, the rows and weights behind H_v at Finish. One for each
// thread; several may work on one model (Hogwild).
//
// The step is learning_rate / (1 + learning_rate |H_v|^2 / 4). As |H_v|^2 / 4 is the most that the
// loss can curve along Z_u, a step goes at most to the bottom, never beyond: with the learning rate
// alone, vectors longer than sqrt(8 / learning_rate) are thrown farther out by each step.
class SkipGramStep {
 public:
  SkipGramStep(SkipGramModel* model, const VectorKernels& kernels);

  void Begin(std::uint32_t center);
  void Learn(std::uint32_t target, bool is_context, float learning_rate);
  void Finish();

  std::span<const float> hidden() const { return hidden_; }  // H_v

 private:
  void ReadSlots(std::uint32_t center);

  SkipGramModel* model_;
  const VectorKernels& kernels_;
  std::uint32_t center_ = 0;
  std::vector<std::size_t> slots_;   // that the centre has
  std::vector<float> shares_;        // softmax over them
  std::vector<float> slot_vectors_;  // [slots, dimension]
  std::vector<float> hidden_;
  std::vector<float> gradient_;  // what is to be added to H_v
  float curvature_ = 0;          // |H_v|^2 / 4
};

struct SkipGramReport {
  std::uint64_t walks = 0;
  std::uint64_t ended_early = 0;  // at a dead end
  std::uint64_t pairs = 0;        // of a centre and a context
  std::size_t dead_ends = 0;      // items
  bool is_cancelled = false;      // the model is half learned
};

// Walks the graph (spec.walks_per_item from every item with an edge, spec.walk_length long) and
// learns from each item of a walk and those within context_steps of it, with `negatives` others
// drawn in proportion to the items' strengths^0.75 for each. The learning rate falls linearly to
// 0. With one thread the same inputs give the same model. Each thread asks `is_cancelled` every few
// milliseconds.
SkipGramReport TrainSkipGram(const ItemGraph& graph, const RetrieverSpec& spec, int threads,
                             const VectorKernels& kernels,
                             const std::function<void(double done)>& progress, SkipGramModel* model,
                             const CancellationCheck& is_cancelled = {});

}  // namespace fourfold
