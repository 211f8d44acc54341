#include "math/column_kernels_avx512_bfloat16.h"

#include "math/column_kernels_avx512.h"
#include "math/product_avx512_bfloat16.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX512_BFLOAT16 void MultiplyBfloat16(StridedMatrix a, const float* b,
                                               std::size_t b_stride, const float* bias, float* c,
                                               std::size_t c_stride, std::size_t rows,
                                               std::size_t depth, std::size_t columns) {
  MultiplyPairs<false>(a, {b, b_stride, 1}, bias, c, c_stride, rows, depth, columns);
}

}  // namespace

const ColumnKernels* Avx512Bfloat16ColumnKernels() {
  static const ColumnKernels kernels = [] {
    const ColumnKernels* const avx512 = Avx512ColumnKernels();
    ColumnKernels made = avx512 == nullptr ? ColumnKernels{} : *avx512;
    made.name = "avx512_bfloat16";
    made.multiply_bfloat16 = MultiplyBfloat16;
    return made;
  }();
  return HasAvx512Bfloat16() && Avx512ColumnKernels() != nullptr ? &kernels : nullptr;
}

#else

const ColumnKernels* Avx512Bfloat16ColumnKernels() { return nullptr; }

#endif

}  // namespace fourfold
