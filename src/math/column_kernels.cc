#include "math/column_kernels.h"

#include <algorithm>
#include <cmath>

#include "math/bfloat16.h"
#include "math/column_kernels_avx2.h"
#include "math/column_kernels_avx512.h"
#include "math/column_kernels_avx512_bfloat16.h"

namespace fourfold {
namespace {

constexpr float kNormEpsilon = 1e-5f;

void Multiply(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias, float* c,
              std::size_t c_stride, std::size_t rows, std::size_t depth, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = bias == nullptr ? 0 : bias[r];
      for (std::size_t k = 0; k < depth; ++k) {
        sum += a.data[r * a.row_step + k * a.column_step] * b[k * b_stride + j];
      }
      c[r * c_stride + j] = sum;
    }
  }
}

void MultiplyBfloat16(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias,
                      float* c, std::size_t c_stride, std::size_t rows, std::size_t depth,
                      std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = bias == nullptr ? 0 : bias[r];
      for (std::size_t k = 0; k < depth; ++k) {
        sum += RoundToBfloat16(a.data[r * a.row_step + k * a.column_step]) *
               RoundToBfloat16(b[k * b_stride + j]);
      }
      c[r * c_stride + j] = sum;
    }
  }
}

void Soften(const float* logits, const float* row_addends, float* powers, float* sums,
            std::size_t stride, std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) {
    const auto logit = [&](std::size_t r) {
      return logits[r * stride + j] + (row_addends == nullptr ? 0 : row_addends[r]);
    };
    float largest = logit(0);
    for (std::size_t r = 1; r < rows; ++r) largest = std::max(largest, logit(r));
    float sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const float power = std::exp2(logit(r) - largest);
      powers[r * stride + j] = power;
      sum += power;
    }
    sums[j] = sum;
  }
}

void ScaleColumns(const float* x, const float* factors, float* y, std::size_t stride,
                  std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) y[r * stride + j] = x[r * stride + j] * factors[j];
  }
}

void DivideColumns(float* x, const float* divisors, std::size_t stride, std::size_t rows,
                   std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) x[r * stride + j] /= divisors[j];
  }
}

void AddAndNormalise(const float* y, const float* bias, const float* gain, const float* shift,
                     float* x, std::size_t stride, std::size_t rows, std::size_t columns) {
  const auto count = static_cast<float>(rows);
  for (std::size_t j = 0; j < columns; ++j) {
    float sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      float& z = x[r * stride + j];
      z += y[r * stride + j] + bias[r];
      sum += z;
    }
    const float mean = sum / count;
    float squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const float off = x[r * stride + j] - mean;
      squares += off * off;
    }
    const float scale = 1 / std::sqrt(squares / count + kNormEpsilon);
    for (std::size_t r = 0; r < rows; ++r) {
      float& z = x[r * stride + j];
      z = (z - mean) * scale * gain[r] + shift[r];
    }
  }
}

void Rectify(float* x, std::size_t stride, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float& value = x[r * stride + j];
      value = value < 0 ? 0 : value;
    }
  }
}

void RowMaxima(const float* x, float* maxima, std::size_t stride, std::size_t rows,
               std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    float largest = x[r * stride];
    for (std::size_t j = 1; j < columns; ++j) {
      const float value = x[r * stride + j];
      if (value > largest || std::isnan(value)) largest = value;
    }
    maxima[r] = largest;
  }
}

void Exp2(const float* x, float subtrahend, float* y, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) {
    const float power = x[j] - subtrahend;
    y[j] = power < -126 ? 0 : std::exp2(power);
  }
}

constexpr ColumnKernels kPlain = {"plain",      Multiply,      MultiplyBfloat16, Soften,
                                  ScaleColumns, DivideColumns, AddAndNormalise,  Rectify,
                                  RowMaxima,    Exp2};

}  // namespace

const ColumnKernels& PlainColumnKernels() { return kPlain; }

const ColumnKernels& FastColumnKernels() {
  static const ColumnKernels& fastest = FastestOf(ColumnKernelSets());
  return fastest;
}

KernelSets<ColumnKernels> ColumnKernelSets() {
  return KernelSetsOf(kPlain,
                      {Avx2ColumnKernels(), Avx512ColumnKernels(), Avx512Bfloat16ColumnKernels()});
}

}  // namespace fourfold
