#include "offline/retrieval/embedding/skip_gram.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/parallel.h"
#include "index/item_embeddings.h"
#include "math/random.h"
#include "math/relaxed.h"
#include "offline/retrieval/embedding/random_walk.h"

namespace fourfold {
namespace {

constexpr std::size_t kItemsPerPiece = 256;
constexpr std::size_t kTargetsBetweenChecks = 1 << 14;
constexpr float kNegativesExponent = 0.75F;  // Mikolov et al., 2013
constexpr std::uint64_t kInitialStream = 1, kOrderStream = 2, kWalkStream = 3;

float Sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

std::vector<std::uint32_t> ItemsWithEdges(const ItemGraph& graph) {
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    if (!graph.TargetsOf(item).empty()) items.push_back(item);
  }
  return items;
}

std::vector<float> NegativeWeights(const ItemGraph& graph) {
  std::vector<float> weights = ItemStrengths(graph);
  for (float& weight : weights) weight = std::pow(weight, kNegativesExponent);
  return weights;
}

// What the threads of one training share.
struct Training {
  const RetrieverSpec& spec;
  const RandomWalker walker;
  const AliasTable negatives;
  std::vector<std::uint32_t> starts;
  Cancellation cancellation;
  std::atomic<std::uint64_t> ended_early{0}, pairs{0}, pieces{0};
};

// Learns from the walks of one thread. What it learns from lies anywhere in memory: while it learns
// from one centre, its own row and those of the targets of the next are on their way, and what
// tells which targets the one after has.
class WalkLearner {
 public:
  WalkLearner(Training& training, SkipGramModel* model, const VectorKernels& kernels)
      : training_(training), model_(model), step_(model, kernels) {}

  // `starts` has at most kWalksTogether.
  void Learn(std::span<const std::uint32_t> starts, int pass, float learning_rate) {
    Walk(starts, pass);
    centers_.clear();
    for (std::size_t walk = 0; walk < walks_.size(); ++walk) {
      for (std::size_t place = 0; place < walks_[walk].size(); ++place) {
        centers_.push_back({walk, place});
      }
    }
    for (std::size_t i = 0; i < centers_.size() + kStagesAhead && !IsCalledOff(); ++i) {
      if (i < centers_.size()) Toss(centers_[i], &lessons_[i % lessons_.size()]);
      if (i >= 1 && i <= centers_.size()) Settle(&lessons_[(i - 1) % lessons_.size()]);
      if (i < kStagesAhead) continue;
      LearnFrom(lessons_[(i - kStagesAhead) % lessons_.size()], learning_rate);
    }
  }

  static constexpr std::size_t kWalksTogether = 16;
  std::uint64_t ended_early = 0, pairs = 0;

 private:
  static constexpr std::size_t kStagesAhead = 2;
  struct Place {
    std::size_t walk = 0, place = 0;
  };
  struct Target {
    std::uint32_t item = 0;
    bool is_context = false;
  };
  // What is learned from one centre.
  struct Lesson {
    std::uint32_t center = 0;
    std::vector<std::uint32_t> contexts;
    std::vector<AliasTable::Tossed> negatives;  // as many for each context
    std::vector<Target> targets;
  };

  bool IsCalledOff() {
    if (targets_since_check_ >= kTargetsBetweenChecks) {
      targets_since_check_ = 0;
      return training_.cancellation.Ask();
    }
    return training_.cancellation.is_cancelled();
  }

  void Walk(std::span<const std::uint32_t> starts, int pass) {
    randoms_.clear();
    for (const std::uint32_t start : starts) {
      randoms_.emplace_back(static_cast<std::uint64_t>(training_.spec.seed) ^ kWalkStream,
                            static_cast<std::uint64_t>(pass), start);
    }
    const int length = training_.spec.walk_length;
    training_.walker.WalkTogether(starts, length, randoms_, &walks_);
    for (const auto& walk : walks_) ended_early += static_cast<int>(walk.size()) < length;
  }

  void Toss(Place at, Lesson* lesson) {
    const std::vector<std::uint32_t>& walk = walks_[at.walk];
    const std::size_t reach = static_cast<std::size_t>(training_.spec.context_steps);
    const std::size_t end = std::min(walk.size(), at.place + reach + 1);
    lesson->center = walk[at.place];
    lesson->contexts.clear();
    lesson->negatives.clear();
    for (std::size_t other = at.place - std::min(at.place, reach); other < end; ++other) {
      if (walk[other] == lesson->center) continue;
      lesson->contexts.push_back(walk[other]);
      for (int n = 0; n < training_.spec.negatives; ++n) {
        lesson->negatives.push_back(training_.negatives.Toss(&randoms_[at.walk]));
      }
    }
  }

  void Settle(Lesson* lesson) {
    const auto negatives = static_cast<std::size_t>(training_.spec.negatives);
    lesson->targets.clear();
    Prefetch(model_->InputRow(lesson->center));
    for (std::size_t i = 0; i < lesson->contexts.size(); ++i) {
      const std::uint32_t context = lesson->contexts[i];
      AddTarget({context, true}, lesson);
      for (std::size_t n = 0; n < negatives; ++n) {
        const auto negative = training_.negatives.Settle(lesson->negatives[i * negatives + n]);
        if (negative != context) AddTarget({negative, false}, lesson);
      }
    }
  }

  void LearnFrom(const Lesson& lesson, float learning_rate) {
    step_.Begin(lesson.center);
    for (const Target& target : lesson.targets) {
      step_.Learn(target.item, target.is_context, learning_rate);
    }
    step_.Finish();
    pairs += lesson.contexts.size();
    targets_since_check_ += lesson.targets.size();
  }

  void AddTarget(const Target& target, Lesson* lesson) {
    Prefetch(model_->OutputRow(target.item));
    lesson->targets.push_back(target);
  }
  void Prefetch(const float* row) const {
    for (std::size_t i = 0; i < model_->dimension; i += 16) __builtin_prefetch(row + i, 1);
  }

  Training& training_;
  SkipGramModel* const model_;
  SkipGramStep step_;
  std::vector<Random> randoms_;  // of each walk
  std::vector<std::vector<std::uint32_t>> walks_;
  std::vector<Place> centers_;  // of all walks in turn
  std::array<Lesson, kStagesAhead + 1> lessons_;
  std::size_t targets_since_check_ = 0;
};

}  // namespace

SkipGramModel MakeSkipGramModel(std::size_t items, std::size_t dimension, bool learns_weights,
                                std::span<const SideField> fields, std::uint64_t seed) {
  FOURFOLD_CHECK(dimension > 0 && dimension % kVectorLanes == 0);
  SkipGramModel model;
  model.items = items;
  model.dimension = dimension;
  model.learns_weights = learns_weights;
  model.fields = fields;
  std::size_t rows = items;
  for (const SideField& field : fields) {
    model.first_row.push_back(rows);
    rows += field.values.size();
  }
  model.input.resize(rows * dimension);
  Random random(seed, kInitialStream, 0);
  for (float& value : model.input) {
    value = (random.Unit() - 0.5F) / static_cast<float>(dimension);
  }
  model.output.assign(items * dimension, 0.0F);
  model.weights.assign(items * (1 + fields.size()), 0.0F);
  return model;
}

SkipGramStep::SkipGramStep(SkipGramModel* model, const VectorKernels& kernels)
    : model_(model),
      kernels_(kernels),
      slot_vectors_((1 + model->fields.size()) * model->dimension),
      hidden_(model->dimension),
      gradient_(model->dimension) {}

void SkipGramStep::ReadSlots(std::uint32_t center) {
  const std::size_t dimension = model_->dimension;
  slots_.clear();
  shares_.clear();
  std::fill(slot_vectors_.begin(), slot_vectors_.end(), 0.0F);
  const float* const weights = model_->weights.data() + center * (1 + model_->fields.size());
  for (std::size_t slot = 0; slot <= model_->fields.size(); ++slot) {
    float* const vector = slot_vectors_.data() + slots_.size() * dimension;
    if (slot == 0) {
      kernels_.add_scaled(1, model_->InputRow(center), vector, dimension);
    } else {
      const auto values = model_->fields[slot - 1].ValuesOf(center);
      if (values.empty()) continue;
      const float share = 1.0F / static_cast<float>(values.size());
      for (const std::uint32_t value : values) {
        kernels_.add_scaled(share, model_->InputRow(model_->first_row[slot - 1] + value), vector,
                            dimension);
      }
    }
    slots_.push_back(slot);
    shares_.push_back(LoadRelaxed(weights[slot]));
  }
  Softmax(shares_);
}

void SkipGramStep::Begin(std::uint32_t center) {
  center_ = center;
  ReadSlots(center);
  std::fill(hidden_.begin(), hidden_.end(), 0.0F);
  std::fill(gradient_.begin(), gradient_.end(), 0.0F);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    kernels_.add_scaled(shares_[i], slot_vectors_.data() + i * model_->dimension, hidden_.data(),
                        model_->dimension);
  }
  curvature_ = kernels_.dot(hidden_.data(), hidden_.data(), model_->dimension) / 4;
}

void SkipGramStep::Learn(std::uint32_t target, bool is_context, float learning_rate) {
  float* const row = model_->OutputRow(target);
  const float score = kernels_.dot(hidden_.data(), row, model_->dimension);
  const float error = (is_context ? 1.0F : 0.0F) - Sigmoid(score);
  const float step = learning_rate / (1 + learning_rate * curvature_);
  kernels_.exchange(step * error, hidden_.data(), row, gradient_.data(), model_->dimension);
}

void SkipGramStep::Finish() {
  const std::size_t dimension = model_->dimension;
  float* const weights = model_->weights.data() + center_ * (1 + model_->fields.size());
  // d H / d a_s = softmax_s (W^s - H)
  const float along_hidden = kernels_.dot(gradient_.data(), hidden_.data(), dimension);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::size_t slot = slots_[i];
    if (model_->learns_weights && slots_.size() > 1) {
      const float along_slot =
          kernels_.dot(gradient_.data(), slot_vectors_.data() + i * dimension, dimension);
      StoreRelaxed(LoadRelaxed(weights[slot]) + shares_[i] * (along_slot - along_hidden),
                   &weights[slot]);
    }
    if (slot == 0) {
      kernels_.add_scaled(shares_[i], gradient_.data(), model_->InputRow(center_), dimension);
      continue;
    }
    const auto values = model_->fields[slot - 1].ValuesOf(center_);
    const float share = shares_[i] / static_cast<float>(values.size());
    for (const std::uint32_t value : values) {
      kernels_.add_scaled(share, gradient_.data(),
                          model_->InputRow(model_->first_row[slot - 1] + value), dimension);
    }
  }
}

SkipGramReport TrainSkipGram(const ItemGraph& graph, const RetrieverSpec& spec, int threads,
                             const VectorKernels& kernels,
                             const std::function<void(double done)>& progress, SkipGramModel* model,
                             const CancellationCheck& is_cancelled) {
  if (graph.edges() == 0) return {};
  const auto seed = static_cast<std::uint64_t>(spec.seed);
  Training training{.spec = spec,
                    .walker = RandomWalker(graph),
                    .negatives = AliasTable(NegativeWeights(graph)),
                    .starts = ItemsWithEdges(graph),
                    .cancellation = Cancellation(is_cancelled)};
  const std::size_t pieces = (training.starts.size() + kItemsPerPiece - 1) / kItemsPerPiece;
  const double all_pieces =
      static_cast<double>(pieces) * static_cast<double>(std::max(spec.walks_per_item, 1));
  for (int pass = 0; pass < spec.walks_per_item && !training.cancellation.Ask(); ++pass) {
    Random order(seed, kOrderStream, static_cast<std::uint64_t>(pass));
    for (std::size_t i = training.starts.size(); i > 1; --i) {
      std::swap(training.starts[i - 1],
                training.starts[order.Below(static_cast<std::uint32_t>(i))]);
    }
    const auto learn = [&](std::size_t begin, std::size_t end) {
      if (training.cancellation.Ask()) return;
      const auto done = static_cast<double>(training.pieces++) / all_pieces;
      const auto rate = static_cast<float>(spec.learning_rate * (1 - done));
      WalkLearner learner(training, model, kernels);
      const auto starts = std::span(training.starts).subspan(begin, end - begin);
      for (std::size_t i = 0; i < starts.size() && !training.cancellation.is_cancelled();
           i += WalkLearner::kWalksTogether) {
        const auto together = std::min(starts.size() - i, WalkLearner::kWalksTogether);
        learner.Learn(starts.subspan(i, together), pass, rate);
      }
      training.ended_early += learner.ended_early;
      training.pairs += learner.pairs;
    };
    ForEachPiece(training.starts.size(), kItemsPerPiece, threads, learn);
    if (progress) progress(static_cast<double>(pass + 1) / spec.walks_per_item);
  }
  return {.walks = training.starts.size() * static_cast<std::uint64_t>(spec.walks_per_item),
          .ended_early = training.ended_early,
          .pairs = training.pairs,
          .dead_ends = training.walker.dead_ends(),
          .is_cancelled = training.cancellation.is_cancelled()};
}

}  // namespace fourfold
