#include <cblas.h>

#include <cstddef>
#include <vector>

#include "benchmark/benchmark.h"

// What OpenBLAS makes of this machine on one thread, which is what our kernels are held against:
// items are floating-point operations.
namespace {

void BM_Sgemm(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto order = static_cast<blasint>(size);
  const std::vector<float> a(size * size, 0.5F), b(size * size, 0.25F);
  std::vector<float> c(size * size);
  openblas_set_num_threads(1);
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, order, order, order, 1, a.data(), order,
                b.data(), order, 0, c.data(), order);
    benchmark::DoNotOptimize(c.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(2 * size * size * size));
}
BENCHMARK(BM_Sgemm)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
