#include <vector>

#include "benchmark/benchmark.h"
#include "model/transact/transact_backprop.h"
#include "model/transact/transact_encoder.h"
#include "model/transact/transact_plain.h"
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

// The first argument: how many actions the user has.
void BM_TransActEncoder(benchmark::State& state) {
  const TransActShape shape = PublishedShape(state.range(1) != 0);
  const TransActEncoder encoder(RandomTransAct(shape, 1));
  const TransActUser user(shape, static_cast<std::size_t>(state.range(0)), 2);
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
BENCHMARK(BM_TransActEncoder)
    ->ArgNames({"actions", "max_pool"})
    ->ArgsProduct({{100, 20}, {1, 0}})
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
  TransActBackprop backprop(shape);
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
    ->ArgName("candidates")
    ->Arg(1)
    ->Arg(8)
    ->Arg(25)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fourfold
