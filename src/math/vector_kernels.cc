#include "math/vector_kernels.h"

#include "math/relaxed.h"
#include "math/vector_kernels_avx2.h"
#include "math/vector_kernels_avx512.h"

namespace fourfold {
namespace {

float PlainDot(const float* a, const float* b, std::size_t length) {
  float sums[kVectorSums] = {};
  for (std::size_t i = 0; i < length; ++i) {
    sums[i % kVectorSums] += LoadRelaxed(a[i]) * LoadRelaxed(b[i]);
  }
  float lanes[kVectorLanes];
  for (std::size_t i = 0; i < kVectorLanes; ++i) {
    lanes[i] = (sums[i] + sums[i + 8]) + (sums[i + 16] + sums[i + 24]);
  }
  for (std::size_t half = kVectorLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

void PlainAddScaled(float factor, const float* x, float* sum, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    StoreRelaxed(LoadRelaxed(sum[i]) + factor * LoadRelaxed(x[i]), &sum[i]);
  }
}

void PlainExchange(float factor, const float* hidden, float* target, float* gradient,
                   std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    const float before = LoadRelaxed(target[i]);
    gradient[i] += factor * before;
    StoreRelaxed(before + factor * hidden[i], &target[i]);
  }
}

std::int32_t PlainDotCodes(const std::int16_t* a, const std::int8_t* b, std::size_t length) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < length; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
  return sum;
}

constexpr VectorKernels kPlain = {"plain", PlainDot, PlainAddScaled, PlainExchange, PlainDotCodes};

}  // namespace

const VectorKernels& PlainVectorKernels() { return kPlain; }

const VectorKernels& FastVectorKernels() {
  static const VectorKernels& fastest = FastestOf(VectorKernelSets());
  return fastest;
}

KernelSets<VectorKernels> VectorKernelSets() {
  return KernelSetsOf(kPlain, {Avx2VectorKernels(), Avx512VectorKernels()});
}

}  // namespace fourfold
