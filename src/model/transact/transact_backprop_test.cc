#include "model/transact/transact_backprop.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/transact/transact_plain.h"
#include "model/transact/transact_testing.h"

namespace fourfold {
namespace {

constexpr std::int64_t kNowMs = TransActUser::kRequestTimeMs;

// The model in double, token by token, with the bits of dropout that training draws: what
// differences are taken of.
class DoubleTwin {
 public:
  DoubleTwin(const TransActParameters& parameters, const TransActTokens& layout,
             const TransActDropout& dropout)
      : parameters_(parameters),
        shape_(parameters.shape),
        layout_(layout),
        dropout_(dropout),
        threshold_(DropoutThreshold(dropout.share)) {}

  std::vector<double> Encode(const TransActSequence& sequence, std::span<const float> candidate,
                             std::size_t number) const {
    DropoutRandom random(dropout_.seed, dropout_.step, number);
    Matrix x(layout_.tokens);
    for (std::size_t t = 0; t < layout_.tokens; ++t) {
      const std::size_t row = layout_.row_of_token[t];
      const auto type = static_cast<std::size_t>(sequence.types[row]);
      for (std::size_t d = 0; d < shape_.action_dimension; ++d) {
        x[t].push_back(parameters_.action_table[type * shape_.action_dimension + d]);
      }
      for (std::size_t d = 0; d < shape_.item_dimension; ++d) {
        x[t].push_back(sequence.items[row * shape_.item_dimension + d]);
      }
      x[t].insert(x[t].end(), candidate.begin(), candidate.end());
    }
    for (const TransActLayer& layer : parameters_.layers) RunLayer(layer, &random, &x);
    std::vector<double> output;
    if (shape_.max_pool) {
      std::vector<double> pooled = x[0];
      for (const auto& token : x) {
        for (std::size_t d = 0; d < pooled.size(); ++d) pooled[d] = std::max(pooled[d], token[d]);
      }
      output = Apply(parameters_.out_linear, pooled);
    }
    for (std::size_t row = 0; row < shape_.latest; ++row) {
      const auto& token = x[layout_.token_of_row[row]];
      output.insert(output.end(), token.begin(), token.end());
    }
    return output;
  }

 private:
  using Matrix = std::vector<std::vector<double>>;
  using Bits = std::vector<std::uint8_t>;

  static std::vector<double> Apply(const LinearParameters& linear, const std::vector<double>& x) {
    std::vector<double> y(linear.bias.begin(), linear.bias.end());
    for (std::size_t r = 0; r < y.size(); ++r) {
      for (std::size_t k = 0; k < x.size(); ++k)
        y[r] += double{linear.weight[r * x.size() + k]} * x[k];
    }
    return y;
  }
  static void Normalise(const NormParameters& norm, std::vector<double>* x) {
    double mean = 0, squares = 0;
    const auto width = static_cast<double>(x->size());
    for (const double value : *x) mean += value / width;
    for (const double value : *x) squares += (value - mean) * (value - mean) / width;
    for (std::size_t d = 0; d < x->size(); ++d) {
      (*x)[d] = ((*x)[d] - mean) / std::sqrt(squares + 1e-5) * double{norm.gain[d]} +
                double{norm.shift[d]};
    }
  }
  Bits Draw(DropoutRandom* random, std::size_t rows) const {
    Bits bits((rows * layout_.columns / 8 + 3) / 4 * 4, 0xff);
    if (threshold_ > 0) PlainGradientKernels().draw(random, threshold_, bits.data(), bits.size());
    return bits;
  }
  double Kept(double value, const Bits& bits, std::size_t row, std::size_t token) const {
    const std::size_t i = row * layout_.columns + token;
    return (bits[i / 8] >> (i % 8) & 1) != 0 ? value * double{DropoutScale(threshold_)} : 0;
  }

  void RunLayer(const TransActLayer& layer, DropoutRandom* random, Matrix* x) const {
    const std::size_t width = shape_.width(), head_width = shape_.head_width();
    const Bits attention = Draw(random, shape_.heads * layout_.keys), first = Draw(random, width);
    const Bits inner_bits = Draw(random, shape_.feed_forward), second = Draw(random, width);
    Matrix projected;
    for (const auto& token : *x) projected.push_back(Apply(layer.in_projection, token));
    for (std::size_t i = 0; i < x->size(); ++i) {
      std::vector<double> attended(width);
      for (std::size_t head = 0; head < shape_.heads; ++head) {
        std::vector<double> weights(layout_.keys);
        double sum = 0;
        for (std::size_t j = 0; j < layout_.keys; ++j) {
          double dot = 0;
          for (std::size_t d = head * head_width; d < (head + 1) * head_width; ++d) {
            dot += projected[i][d] * projected[j][width + d];
          }
          sum += weights[j] = std::exp(dot / std::sqrt(static_cast<double>(head_width)));
        }
        for (std::size_t j = 0; j < layout_.keys; ++j) {
          const double weight = Kept(weights[j] / sum, attention, head * layout_.keys + j, i);
          for (std::size_t d = head * head_width; d < (head + 1) * head_width; ++d) {
            attended[d] += weight * projected[j][2 * width + d];
          }
        }
      }
      std::vector<double>& token = (*x)[i];
      const std::vector<double> y = Apply(layer.out_projection, attended);
      for (std::size_t d = 0; d < width; ++d) token[d] += Kept(y[d], first, d, i);
      Normalise(layer.norm1, &token);
      std::vector<double> inner = Apply(layer.linear1, token);
      for (std::size_t f = 0; f < inner.size(); ++f) {
        inner[f] = Kept(std::max(inner[f], 0.0), inner_bits, f, i);
      }
      const std::vector<double> z = Apply(layer.linear2, inner);
      for (std::size_t d = 0; d < width; ++d) token[d] += Kept(z[d], second, d, i);
      Normalise(layer.norm2, &token);
    }
  }

  const TransActParameters& parameters_;
  const TransActShape& shape_;
  const TransActTokens& layout_;
  const TransActDropout& dropout_;
  const std::uint16_t threshold_;
};

struct Case {
  std::string name;
  std::size_t layers, heads, latest, length;
  bool max_pool;
  double dropout;
  std::int64_t window_ms = 0;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class TransActBackpropTest : public testing::TestWithParam<Case> {
 protected:
  static TransActShape ShapeOf(const Case& c) {
    TransActShape shape;
    shape.actions = 12;
    shape.action_types = 4;
    shape.action_dimension = shape.item_dimension = shape.feed_forward = 8;
    shape.layers = c.layers;
    shape.heads = c.heads;
    shape.latest = c.latest;
    shape.max_pool = c.max_pool;
    return shape;
  }
  static std::vector<float> Cotangents(std::size_t size) {
    std::mt19937_64 random(6);
    std::uniform_real_distribution<float> draw(-1, 1);
    std::vector<float> values(size);
    for (float& value : values) value = draw(random);
    return values;
  }
  double Loss(const TransActParameters& parameters, const TransActUser& user,
              const std::vector<float>& candidates) const {
    TransActTokens layout;
    layout.LayOut(user.sequence(), hidden_, /*merges_equal=*/false);
    const DoubleTwin twin(parameters, layout, dropout_);
    double loss = 0;
    for (std::size_t c = 0; c < kCandidates; ++c) {
      const auto outputs = twin.Encode(
          user.sequence(),
          std::span(candidates).subspan(c * shape_.item_dimension, shape_.item_dimension), c);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        loss += double{cotangents_[c * outputs.size() + i]} * outputs[i];
      }
    }
    return loss;
  }
  // Some elements of `values`, which is a part of what `loss` reads, against their gradients.
  template <typename Loss>
  static void ExpectDerivatives(std::vector<float>* values, const std::vector<float>& gradients,
                                const std::string& what, const Loss& loss) {
    float largest = 0;
    for (const float gradient : gradients) largest = std::max(largest, std::fabs(gradient));
    std::mt19937_64 random(values->size());
    for (int i = 0; i < 6; ++i) {
      const std::size_t at = random() % values->size();
      const float before = (*values)[at];
      (*values)[at] = before + 0x1p-12f;
      const double up = loss();
      (*values)[at] = before - 0x1p-12f;
      const double down = loss();
      (*values)[at] = before;
      EXPECT_NEAR(double{gradients[at]}, (up - down) / 0x1p-11, 1e-3 * std::max(1.0f, largest))
          << what << " element " << at;
    }
  }

  static constexpr std::size_t kCandidates = 3;
  const TransActShape shape_ = ShapeOf(GetParam());
  const TransActDropout dropout_{GetParam().dropout, 11, 5};
  const std::vector<float> cotangents_ = Cotangents(kCandidates * shape_.output_width());
  std::vector<std::uint8_t> hidden_;
};

TEST_P(TransActBackpropTest, OutputsAndGradientsAreThoseOfTheModelInDouble) {
  TransActParameters parameters = RandomTransAct(shape_, 501);
  TransActUser user(shape_, GetParam().length, 502);
  std::vector<float> candidates = RandomCandidates(shape_, kCandidates, 503);
  hidden_ = HiddenRows(user.sequence(), kNowMs, GetParam().window_ms);
  TransActBackprop backprop(shape_);
  TransActTape tape;
  std::vector<float> outputs(kCandidates * shape_.output_width());
  backprop.Forward(parameters, user.sequence(), hidden_, candidates, dropout_, &tape, outputs);
  double loss = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) loss += double{cotangents_[i] * outputs[i]};
  EXPECT_NEAR(loss, Loss(parameters, user, candidates), 1e-3);

  TransActParameters gradients = parameters;
  for (auto& [name, values] : TensorsOf(&gradients)) std::fill(values->begin(), values->end(), 0);
  std::vector<float> by_items(user.items.size()), by_candidates(candidates.size());
  backprop.Backward(parameters, user.types, cotangents_, &tape, &gradients, by_items,
                    by_candidates);
  const auto current_loss = [&] { return Loss(parameters, user, candidates); };
  auto gradient = TensorsOf(&gradients);
  auto at = gradient.begin();
  for (auto& [name, values] : TensorsOf(&parameters)) {
    const std::vector<float>& by_tensor = *(at++)->second;
    if (name == "action_emb_module.weight") continue;
    ExpectDerivatives(values, by_tensor, name, current_loss);
  }
  ExpectDerivatives(&candidates, by_candidates, "candidates", current_loss);
  if (GetParam().length == shape_.actions) {
    ExpectDerivatives(&user.items, by_items, "items", current_loss);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TransActBackpropTest,
                         testing::Values(Case{"Published", 2, 2, 3, 12, true, 0},
                                         Case{"WithDropout", 2, 2, 3, 12, true, 0.3},
                                         Case{"FirstVersion", 1, 1, 12, 12, false, 0.2},
                                         Case{"Short", 2, 1, 5, 4, true, 0.2},
                                         Case{"Nobody", 2, 2, 4, 0, true, 0.1},
                                         Case{"Windowed", 3, 3, 2, 12, true, 0.2, 5 * 60'000}),
                         [](const auto& named) { return named.param.name; });

struct Gradients {
  std::vector<float> outputs;
  TransActParameters parameters;
  std::vector<float> by_items, by_candidates;

  std::vector<std::pair<std::string, std::vector<float>*>> tensors() {
    auto tensors = TensorsOf(&parameters);
    tensors.emplace_back("items", &by_items);
    tensors.emplace_back("candidates", &by_candidates);
    return tensors;
  }
};

// |b - a| / |a|.
double RelativeDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double differences = 0, squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences += std::pow(double{b[i]} - double{a[i]}, 2);
    squares += std::pow(double{a[i]}, 2);
  }
  return std::sqrt(differences / squares);
}

TEST(TransActBackpropBfloat16Test, KernelsAgreeWithThePlainOnesAndNearlyWithFloat32) {
  std::mt19937_64 random(507);
  for (const std::size_t heads : {1, 2, 3}) {
    TransActShape shape;
    shape.heads = heads;
    shape.layers = 1 + heads % 2;
    shape.feed_forward = 24;
    shape.actions = 30 + random() % 30;
    shape.max_pool = heads != 3;
    const TransActParameters parameters = RandomTransAct(shape, random());
    const TransActUser user(shape, shape.actions - random() % 10, random());
    const std::vector<float> candidates = RandomCandidates(shape, 3, random());
    const auto hidden = HiddenRows(user.sequence(), kNowMs, 0);
    std::vector<float> cotangents(3 * shape.output_width());
    std::uniform_real_distribution<float> draw(-1, 1);
    for (float& value : cotangents) value = draw(random);
    const auto run = [&](const ColumnKernels& kernels, const GradientKernels& gradient_kernels,
                         Precision precision) {
      TransActBackprop backprop(shape, kernels, gradient_kernels, precision);
      TransActTape tape;
      Gradients gradients;
      gradients.outputs.resize(cotangents.size());
      backprop.Forward(parameters, user.sequence(), hidden, candidates, {0.1, 3, 4}, &tape,
                       gradients.outputs);
      gradients.parameters = parameters;
      for (auto& [name, values] : TensorsOf(&gradients.parameters)) {
        std::fill(values->begin(), values->end(), 0);
      }
      gradients.by_items.resize(user.items.size());
      gradients.by_candidates.resize(candidates.size());
      backprop.Backward(parameters, user.types, cotangents, &tape, &gradients.parameters,
                        gradients.by_items, gradients.by_candidates);
      return gradients;
    };
    Gradients exact = run(FastColumnKernels(), FastGradientKernels(), Precision::kFloat32);
    Gradients plain = run(PlainColumnKernels(), PlainGradientKernels(), Precision::kBfloat16);
    const KernelSets<ColumnKernels> columns = ColumnKernelSets();
    const KernelSets<GradientKernels> others = GradientKernelSets();
    for (std::size_t set = 1; set < columns.size(); ++set) {
      SCOPED_TRACE(testing::Message() << columns[set]->name << ", " << heads << " heads");
      Gradients actual = run(*columns[set], *others[set], Precision::kBfloat16);
      EXPECT_LE(RelativeDifference(plain.outputs, actual.outputs), 5e-4);
      const auto of_exact = exact.tensors(), of_plain = plain.tensors();
      const auto of_actual = actual.tensors();
      for (std::size_t t = 0; t < of_actual.size(); ++t) {
        SCOPED_TRACE(of_actual[t].first);
        const std::vector<float>& values = *of_actual[t].second;
        // A sum that another order rounds otherwise may become another bfloat16, by 2^-8 of it, and
        // turn a rectified element: of few, so that all is closer than rounding itself is to none.
        EXPECT_LE(RelativeDifference(*of_plain[t].second, values), 5e-3);
        EXPECT_LE(RelativeDifference(*of_exact[t].second, values), 0.15);
      }
      EXPECT_GE(RelativeDifference(exact.by_candidates, actual.by_candidates), 1e-3);
    }
  }
}

TEST(TransActBackpropOnceTest, OneCandidateMoreOrLessLeavesTheOthersAlone) {
  TransActShape shape;
  const TransActParameters parameters = RandomTransAct(shape, 504);
  const TransActUser user(shape, 60, 505);
  const std::vector<float> candidates = RandomCandidates(shape, 9, 506);
  const auto hidden = HiddenRows(user.sequence(), kNowMs, 0);
  TransActBackprop backprop(shape);
  TransActTape tape;
  const TransActDropout dropout{0.1, 3, 4};
  std::vector<float> all(9 * shape.output_width()), some(2 * shape.output_width());
  backprop.Forward(parameters, user.sequence(), hidden, candidates, dropout, &tape, all);
  backprop.Forward(parameters, user.sequence(), hidden,
                   std::span(candidates).first(2 * shape.item_dimension), dropout, &tape, some);
  all.resize(some.size());
  EXPECT_EQ(all, some);
}

TEST(TransActBackpropOnceTest, AShapeThatCannotBeTrainedIsRefused) {
  TransActShape shape;
  shape.item_dimension = 12;
  EXPECT_FALSE(TransActBackprop::CheckShape(shape).ok());
  shape.item_dimension = 16;
  EXPECT_TRUE(TransActBackprop::CheckShape(shape).ok());
}

}  // namespace
}  // namespace fourfold
