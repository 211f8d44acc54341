#include "math/gradient_kernels_avx512_bfloat16.h"

#include "math/gradient_kernels_avx512.h"
#include "math/product_avx512_bfloat16.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX512_BFLOAT16 void AccumulateBfloat16(StridedMatrix a, StridedMatrix b, float* c,
                                                 std::size_t c_stride, std::size_t rows,
                                                 std::size_t depth, std::size_t columns) {
  MultiplyPairs<true>(a, b, nullptr, c, c_stride, rows, depth, columns);
}

}  // namespace

const GradientKernels* Avx512Bfloat16GradientKernels() {
  static const GradientKernels kernels = [] {
    const GradientKernels* const avx512 = Avx512GradientKernels();
    GradientKernels made = avx512 == nullptr ? GradientKernels{} : *avx512;
    made.name = "avx512_bfloat16";
    made.accumulate_bfloat16 = AccumulateBfloat16;
    return made;
  }();
  return HasAvx512Bfloat16() && Avx512GradientKernels() != nullptr ? &kernels : nullptr;
}

#else

const GradientKernels* Avx512Bfloat16GradientKernels() { return nullptr; }

#endif

}  // namespace fourfold
