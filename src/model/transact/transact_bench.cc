#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "model/transact/packed_ranking_network.h"
#include "model/transact/transact_backprop.h"
#include "model/transact/transact_encoder.h"
#include "model/transact/transact_plain.h"
#include "model/transact/transact_ranker.h"
#include "model/transact/transact_testing.h"

// One user with 100 actions and 500 candidates, one thread; two heads and two layers, as published.
// Items are candidates: items_per_second is the figure.
namespace fourfold {
namespace {

constexpr std::size_t kCandidates = 500;

TransActShape PublishedShape(bool max_pool) {
  TransActShape shape;
  shape.heads = 2;
  shape.max_pool = max_pool;
  return shape;
}

void BM_TransActPlain(benchmark::State& state) {
  const TransActShape shape = PublishedShape(true);
  const TransActParameters parameters = RandomTransAct(shape, 1);
  const TransActUser user(shape, 100, 2);
  const auto candidates = RandomCandidates(shape, 1, 3);
  const auto hidden = HiddenRows(user.sequence(), TransActUser::kRequestTimeMs, 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodePlainly(parameters, user.sequence(), hidden, candidates));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(BM_TransActPlain)->Unit(benchmark::kMillisecond);

// A user with so many actions.
void RunEncoder(benchmark::State& state, const TransActShape& shape, std::size_t actions,
                Precision precision = Precision::kFloat32) {
  const TransActEncoder encoder(RandomTransAct(shape, 1), FastColumnKernels(), precision);
  const TransActUser user(shape, actions, 2);
  const auto candidates = RandomCandidates(shape, kCandidates, 3);
  const auto hidden = HiddenRows(user.sequence(), TransActUser::kRequestTimeMs, 0);
  std::vector<float> outputs(kCandidates * shape.output_width());
  TransActRequest request;
  for (auto _ : state) {
    encoder.Begin(user.sequence(), hidden, &request);
    encoder.Encode(candidates, outputs, &request);
    benchmark::DoNotOptimize(outputs.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCandidates));
}

void BM_TransActEncoder(benchmark::State& state) {
  RunEncoder(state, PublishedShape(state.range(1) != 0), static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_TransActEncoder)
    ->ArgNames({"actions", "max_pool"})
    ->ArgsProduct({{100, 20}, {1, 0}})
    ->Unit(benchmark::kMillisecond);

void BM_TransActEncoderBfloat16(benchmark::State& state) {
  RunEncoder(state, PublishedShape(state.range(1) != 0), static_cast<std::size_t>(state.range(0)),
             Precision::kBfloat16);
}
BENCHMARK(BM_TransActEncoderBfloat16)
    ->ArgNames({"actions", "max_pool"})
    ->ArgsProduct({{100, 20}, {1, 0}})
    ->Unit(benchmark::kMillisecond);

// With one head, as in the paper.
void BM_TransActEncoderOneHead(benchmark::State& state) {
  RunEncoder(state, TransActShape(), static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_TransActEncoderOneHead)
    ->ArgName("actions")
    ->Arg(100)
    ->Arg(50)
    ->Unit(benchmark::kMillisecond);

// The network behind it: 320 rows of numbers, 50 of them the request's, an item and 11 rows.
RankingNetworkParameters PublishedNetwork() {
  RankingNetworkShape shape;
  shape.inputs = 320 + 32 + 11 * 96;
  shape.heads = 2;
  RankingNetworkParameters parameters = RankingNetworkParameters::Zeros(shape);
  std::mt19937_64 random(4);
  std::uniform_real_distribution<float> draw(-0.04F, 0.04F);
  for (auto& [name, values] : TensorsOf(&parameters)) {
    for (float& value : *values) value = draw(random);
  }
  return parameters;
}

// As it is trained, which is the plain twin of how it answers.
void BM_RankingNetwork(benchmark::State& state) {
  const RankingNetworkParameters parameters = PublishedNetwork();
  const RankingNetwork network;
  RankingNetworkTape tape;
  tape.Begin(parameters.shape, kCandidates);
  std::fill_n(tape.input(), parameters.shape.inputs * tape.columns(), 0.5F);
  for (auto _ : state) {
    network.Forward(parameters, 0, nullptr, &tape);
    benchmark::DoNotOptimize(tape.logits());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCandidates));
}
BENCHMARK(BM_RankingNetwork)->Unit(benchmark::kMillisecond);

void BM_PackedRankingNetwork(benchmark::State& state) {
  const RankingNetworkParameters parameters = PublishedNetwork();
  const PackedRankingNetwork network(
      parameters, 50, FastStripKernels(),
      state.range(0) != 0 ? Precision::kBfloat16 : Precision::kFloat32);
  RankingStrips strips;
  strips.Begin(parameters.shape, kCandidates);
  for (std::size_t c = 0; c < kCandidates; ++c) {
    for (std::size_t i = 0; i < parameters.shape.inputs; ++i) {
      strips.input(c)[i * kStripColumns] = 0.5F;
    }
  }
  for (auto _ : state) {
    network.Forward(&strips);
    benchmark::DoNotOptimize(strips.logit(0, 0));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCandidates));
}
BENCHMARK(BM_PackedRankingNetwork)
    ->ArgName("bfloat16")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

// A whole ranker with two heads around that: 5 numbers of the request and 27 of each candidate,
// with `actions` different actions.
void BM_TransActRanker(benchmark::State& state) {
  constexpr std::size_t kRequestNumbers = 5, kCandidateNumbers = 27, kItems = 1000;
  std::mt19937_64 random(5);
  std::uniform_real_distribution<float> draw(0, 100);
  TransActRankerModel model;
  model.request_columns.resize(kRequestNumbers);
  model.candidate_columns.resize(kCandidateNumbers);
  model.heads = {"purchase", "cancel"};
  model.action_types = {"purchase", "cancel"};
  std::vector<std::vector<float>> fitted(kRequestNumbers + kCandidateNumbers);
  for (std::vector<float>& values : fitted) {
    for (int i = 0; i < 100; ++i) values.push_back(draw(random));
  }
  model.encoding = NumberEncoding::Fit(fitted);
  TransActShape shape;
  shape.action_types = 4;
  model.encoder = RandomTransAct(shape, 1);
  model.network = PublishedNetwork();
  for (std::size_t i = 0; i < kItems; ++i) model.items.push_back("item" + std::to_string(i));
  model.item_table = RandomCandidates(shape, kItems, 6);
  model.precision = state.range(1) != 0 ? Precision::kBfloat16 : Precision::kFloat32;
  const TransActRanker ranker(model);

  const auto actions = static_cast<std::size_t>(state.range(0));
  const std::vector<std::string> acted(model.items.begin(), model.items.begin() + state.range(0));
  const std::vector<std::string> types(actions, "purchase");
  const std::vector<std::int64_t> times_ms(actions, TransActUser::kRequestTimeMs - 1);
  std::vector<std::string_view> candidates(model.items.end() - kCandidates, model.items.end());
  std::vector<float> rows, row(kRequestNumbers + kCandidateNumbers);
  for (std::size_t c = 0; c < kCandidates; ++c) {
    for (std::size_t i = c == 0 ? 0 : kRequestNumbers; i < row.size(); ++i) row[i] = draw(random);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  std::vector<float> logits(2 * kCandidates);
  TransActScratch scratch;
  for (auto _ : state) {
    ranker.Score({{acted, types, times_ms}, TransActUser::kRequestTimeMs, candidates, rows},
                 &scratch, logits);
    benchmark::DoNotOptimize(logits.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCandidates));
}
BENCHMARK(BM_TransActRanker)
    ->ArgNames({"actions", "bfloat16"})
    ->ArgsProduct({{100, 43}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

// A step of training, forwards and backwards with dropout, of one user's candidates.
void BM_TransActTraining(benchmark::State& state) {
  const TransActShape shape = PublishedShape(true);
  const TransActParameters parameters = RandomTransAct(shape, 1);
  TransActParameters gradients = parameters;
  const TransActUser user(shape, 100, 2);
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto candidates = RandomCandidates(shape, count, 3);
  const auto hidden = HiddenRows(user.sequence(), TransActUser::kRequestTimeMs, 0);
  std::vector<float> outputs(count * shape.output_width());
  std::vector<float> by_items(user.items.size()), by_candidates(candidates.size());
  const Precision precision = state.range(1) != 0 ? Precision::kBfloat16 : Precision::kFloat32;
  TransActBackprop backprop(shape, FastColumnKernels(), FastGradientKernels(), precision);
  TransActTape tape;
  TransActDropout dropout{0.1, 1, 0};
  for (auto _ : state) {
    ++dropout.step;
    backprop.Forward(parameters, user.sequence(), hidden, candidates, dropout, &tape, outputs);
    backprop.Backward(parameters, user.types, outputs, &tape, &gradients, by_items, by_candidates);
    benchmark::DoNotOptimize(gradients.action_table.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * count));
}
BENCHMARK(BM_TransActTraining)
    ->ArgNames({"candidates", "bfloat16"})
    ->ArgsProduct({{1, 8, 25, 128}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

// And of the network behind it, of the candidates of one step.
void BM_RankingNetworkTraining(benchmark::State& state) {
  constexpr std::size_t kRows = 512;
  const RankingNetworkParameters parameters = PublishedNetwork();
  RankingNetworkParameters gradients = RankingNetworkParameters::Zeros(parameters.shape);
  const Precision precision = state.range(0) != 0 ? Precision::kBfloat16 : Precision::kFloat32;
  const RankingNetwork network(FastColumnKernels(), FastGradientKernels(), precision);
  RankingNetworkTape tape;
  AlignedFloats by_logits;
  by_logits.Reserve(parameters.shape.heads * kRows);
  std::fill_n(by_logits.data(), parameters.shape.heads * kRows, 0.1F);
  tape.Begin(parameters.shape, kRows);
  std::fill_n(tape.input(), parameters.shape.inputs * kRows, 0.1F);
  DropoutRandom random(1, 2, 3);
  for (auto _ : state) {
    network.Forward(parameters, 0.1, &random, &tape);
    benchmark::DoNotOptimize(network.Backward(parameters, by_logits.data(), &tape, &gradients));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRows));
}
BENCHMARK(BM_RankingNetworkTraining)
    ->ArgName("bfloat16")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fourfold
