#include <benchmark/benchmark.h>

#include "base/check.h"
#include "model/trees/tree_ensemble.h"
#include "model/trees/tree_ensemble_testing.h"

namespace fourfold {
namespace {

// 500 candidates x 20 features, trees of depth 6.
void BM_Predict(benchmark::State& state) {
  RandomModel model(1, 20, static_cast<int>(state.range(0)), 6);
  const auto ensemble = TreeEnsemble::Parse(model.json().dump());
  FOURFOLD_CHECK(ensemble.ok());
  const std::vector<float> rows = model.Rows(500);
  std::vector<float> scores(500);
  for (auto _ : state) {
    ensemble->Predict(rows, scores);
    benchmark::DoNotOptimize(scores.data());
  }
}
BENCHMARK(BM_Predict)->Arg(50)->Arg(200)->Arg(500)->Unit(benchmark::kMicrosecond);

void BM_Contributions(benchmark::State& state) {
  RandomModel model(1, 20, 200, 6);
  const auto ensemble = TreeEnsemble::Parse(model.json().dump());
  FOURFOLD_CHECK(ensemble.ok());
  const std::vector<float> row = model.Rows(1);
  std::vector<double> contributions(21);
  for (auto _ : state) {
    ensemble->Contributions(row, contributions);
    benchmark::DoNotOptimize(contributions.data());
  }
}
BENCHMARK(BM_Contributions)->Unit(benchmark::kMicrosecond);

void BM_Parse(benchmark::State& state) {
  RandomModel model(1, 20, 200, 6);
  const std::string json = model.json().dump();
  for (auto _ : state) benchmark::DoNotOptimize(TreeEnsemble::Parse(json));
}
BENCHMARK(BM_Parse)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fourfold
