#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "math/bootstrap.h"

namespace fourfold {
namespace {

// The table of a leave-one-out evaluation of s3rec-beauty: 22,363 users, six metrics, of which one
// user in `state.range(0)` has values above zero.
void BM_BootstrapOfSixMetrics(benchmark::State& state) {
  constexpr std::size_t kUsers = 22'363;
  constexpr std::size_t kMetrics = 6;
  std::vector<double> values(kUsers * kMetrics);
  for (std::size_t user = 0; user < kUsers; user += static_cast<std::size_t>(state.range(0))) {
    for (std::size_t m = 0; m < kMetrics; ++m) {
      values[user * kMetrics + m] = 1 / static_cast<double>(1 + (user + m) % 20);
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(BootstrapMeans(values, kMetrics, {}, {.threads = 1}));
  }
}
BENCHMARK(BM_BootstrapOfSixMetrics)->Arg(10)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fourfold
