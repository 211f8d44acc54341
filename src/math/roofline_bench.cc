#include <cblas.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "benchmark/benchmark.h"
#include "math/avx2.h"
#include "math/avx512_bfloat16.h"
#include "math/column_kernels.h"

// What this machine allows on one thread, which is what our kernels are held against: items are
// floating-point operations, of BM_Powers powers of two. What the processor has not is skipped.
namespace fourfold {
namespace {

// OpenBLAS's product.
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

#if defined(__x86_64__)
// As many sums at once as hide an instruction's latency and lie in registers.
constexpr int kSums = 12, kSteps = 1000;

FOURFOLD_AVX2 void MultiplyAddLanes(__m256* sums) {
  const __m256 factor = _mm256_set1_ps(0.5F);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
  }
}

FOURFOLD_AVX512 void MultiplyAddWide(__m512* sums) {
  const __m512 factor = _mm512_set1_ps(0.5F);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
  }
}

FOURFOLD_AVX512_BFLOAT16 void MultiplyAddPairs(__m512* sums) {
  const __m512i pairs = _mm512_set1_epi32(0x3f003f00);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = AddProducts(pairs, pairs, sums[i]);
  }
}

template <typename Vector>
void MeasurePeak(benchmark::State& state, bool has_it, void (*multiply_add)(Vector*),
                 int products_per_lane) {
  if (!has_it) return state.SkipWithError("this processor has none");
  alignas(64) Vector sums[kSums] = {};
  for (auto _ : state) {
    multiply_add(sums);
    benchmark::DoNotOptimize(sums);
  }
  constexpr auto kLanes = static_cast<std::int64_t>(sizeof(Vector) / sizeof(float));
  state.SetItemsProcessed(state.iterations() * 2 * products_per_lane * kLanes * kSums * kSteps);
}

void BM_MultiplyAddAvx2(benchmark::State& state) {
  MeasurePeak(state, HasAvx2(), MultiplyAddLanes, 1);
}
BENCHMARK(BM_MultiplyAddAvx2);

void BM_MultiplyAddAvx512(benchmark::State& state) {
  MeasurePeak(state, HasAvx512(), MultiplyAddWide, 1);
}
BENCHMARK(BM_MultiplyAddAvx512);

void BM_MultiplyAddBfloat16(benchmark::State& state) {
  MeasurePeak(state, HasAvx512Bfloat16(), MultiplyAddPairs, 2);
}
BENCHMARK(BM_MultiplyAddBfloat16);
#endif

// Softmax's, of the logits of 100 rows and as many columns.
void BM_Powers(benchmark::State& state) {
  constexpr std::size_t kRows = 100, kColumns = PaddedColumns(100);
  alignas(64) static float logits[kRows * kColumns], powers[kRows * kColumns], sums[kColumns];
  for (std::size_t i = 0; i < kRows * kColumns; ++i) logits[i] = static_cast<float>(i % 17) - 8;
  const ColumnKernels& kernels = FastColumnKernels();
  for (auto _ : state) {
    kernels.soften(logits, nullptr, powers, sums, kColumns, kRows, kColumns);
    benchmark::DoNotOptimize(powers);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows * kColumns));
}
BENCHMARK(BM_Powers);

}  // namespace
}  // namespace fourfold
