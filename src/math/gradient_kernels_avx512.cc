#include "math/gradient_kernels_avx512.h"

#include "math/avx512.h"
#include "math/gradient_kernels_avx2.h"
#include "math/product_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX512 void Accumulate(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                                std::size_t c_stride, std::size_t rows, std::size_t depth,
                                std::size_t columns) {
  MultiplyWide<true>(a, b, b_stride, nullptr, c, c_stride, rows, depth, columns);
}

}  // namespace

const GradientKernels* Avx512GradientKernels() {
  static const GradientKernels kernels = [] {
    const GradientKernels* const avx2 = Avx2GradientKernels();
    GradientKernels wide = avx2 == nullptr ? GradientKernels{} : *avx2;
    wide.name = "avx512";
    wide.accumulate = Accumulate;
    return wide;
  }();
  return HasAvx512() && Avx2GradientKernels() != nullptr ? &kernels : nullptr;
}

#else

const GradientKernels* Avx512GradientKernels() { return nullptr; }

#endif

}  // namespace fourfold
