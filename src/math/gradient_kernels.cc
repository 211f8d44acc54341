#include "math/gradient_kernels.h"

#include <cmath>

#include "math/bfloat16.h"
#include "math/gradient_kernels_avx2.h"
#include "math/gradient_kernels_avx512.h"
#include "math/gradient_kernels_avx512_bfloat16.h"

namespace fourfold {
namespace {

constexpr float kNormEpsilon = 1e-5f;
constexpr float kLn2 = 0.6931471805599453f;

bool IsKept(const std::uint8_t* kept, std::size_t element) {
  return kept == nullptr || (kept[element / 8] >> (element % 8) & 1) != 0;
}

void Accumulate(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                std::size_t c_stride, std::size_t rows, std::size_t depth, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (std::size_t k = 0; k < depth; ++k) {
        sum += a.data[r * a.row_step + k * a.column_step] * b[k * b_stride + j];
      }
      c[r * c_stride + j] += sum;
    }
  }
}

void AccumulateBfloat16(StridedMatrix a, StridedMatrix b, float* c, std::size_t c_stride,
                        std::size_t rows, std::size_t depth, std::size_t columns) {
  const auto rounded = [](StridedMatrix x, std::size_t r, std::size_t j) {
    return RoundToBfloat16(x.data[r * x.row_step + j * x.column_step]);
  };
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (std::size_t k = 0; k < depth; ++k) sum += rounded(a, r, k) * rounded(b, k, j);
      c[r * c_stride + j] += sum;
    }
  }
}

void Transpose(const float* x, std::size_t x_stride, float* y, std::size_t y_stride,
               std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t r = 0; r < PaddedColumns(rows); ++r) {
      y[j * y_stride + r] = r < rows ? x[r * x_stride + j] : 0;
    }
  }
}

std::uint32_t RotateLeft(std::uint32_t x, int by) { return x << by | x >> (32 - by); }

std::uint32_t Step(DropoutRandom* random, int stream) {
  auto& s = random->state;
  const std::uint32_t result = RotateLeft(s[0][stream] + s[3][stream], 7) + s[0][stream];
  const std::uint32_t shifted = s[1][stream] << 9;
  s[2][stream] ^= s[0][stream];
  s[3][stream] ^= s[1][stream];
  s[1][stream] ^= s[2][stream];
  s[0][stream] ^= s[3][stream];
  s[2][stream] ^= shifted;
  s[3][stream] = RotateLeft(s[3][stream], 11);
  return result;
}

// Two steps of all streams give 32 numbers of 16 bits; the order is that in which AVX2 packs them:
// the low half of both registers, then the high half.
void Draw(DropoutRandom* random, std::uint16_t threshold, std::uint8_t* kept, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 4) {
    for (std::size_t i = 0; i < 4; ++i) kept[at + i] = 0;
    for (std::size_t step = 0; step < 2; ++step) {
      for (int stream = 0; stream < DropoutRandom::kStreams; ++stream) {
        const std::uint32_t drawn = Step(random, stream);
        const std::size_t byte = at + step + (stream < 4 ? 0 : 2);
        const int bit = 2 * (stream % 4);
        const auto keep = [&](std::uint32_t number, int place) {
          if (number >= threshold) kept[byte] |= static_cast<std::uint8_t>(1 << place);
        };
        keep(drawn & 0xffff, bit);
        keep(drawn >> 16, bit + 1);
      }
    }
  }
}

void Keep(const float* x, const std::uint8_t* kept, float scale, float* y, std::size_t elements) {
  for (std::size_t i = 0; i < elements; ++i) y[i] = IsKept(kept, i) ? x[i] * scale : 0;
}

void RectifyGradient(const float* y, float scale, float* gradient, std::size_t elements) {
  for (std::size_t i = 0; i < elements; ++i) gradient[i] = y[i] > 0 ? gradient[i] * scale : 0;
}

void AddAndNormalise(const float* y, const float* bias, const std::uint8_t* kept, float scale,
                     const float* gain, const float* shift, float* x, float* normalised,
                     float* scales, std::size_t rows, std::size_t columns) {
  const auto count = static_cast<float>(rows);
  for (std::size_t j = 0; j < columns; ++j) {
    float sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const float added = IsKept(kept, i) ? (y[i] + bias[r]) * scale : 0;
      sum += normalised[i] = x[i] + added;
    }
    const float mean = sum / count;
    float squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const float off = normalised[r * columns + j] - mean;
      squares += off * off;
    }
    scales[j] = 1 / std::sqrt(squares / count + kNormEpsilon);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      normalised[i] = (normalised[i] - mean) * scales[j];
      x[i] = gain[r] * normalised[i] + shift[r];
    }
  }
}

void NormaliseGradient(const float* normalised, const float* scales, const float* gain,
                       float* gradient, float* gain_gradient, float* shift_gradient,
                       std::size_t rows, std::size_t columns) {
  const auto count = static_cast<float>(rows);
  for (std::size_t j = 0; j < columns; ++j) {
    float sum = 0, product = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      gain_gradient[r] += gradient[i] * normalised[i];
      shift_gradient[r] += gradient[i];
      sum += gradient[i] * gain[r];
      product += gradient[i] * gain[r] * normalised[i];
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      gradient[i] =
          scales[j] * (gradient[i] * gain[r] - sum / count - normalised[i] * (product / count));
    }
  }
}

void SoftenGradient(const float* p, const std::uint8_t* kept, float scale, float* gradient,
                    std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) {
    float sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      gradient[i] = IsKept(kept, i) ? gradient[i] * scale : 0;
      sum += gradient[i] * p[i];
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      gradient[i] = kLn2 * p[i] * (gradient[i] - sum);
    }
  }
}

void ScaleRows(const float* x, const float* gain, const float* shift, float* y, std::size_t rows,
               std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      y[r * columns + j] = gain[r] * x[r * columns + j] + shift[r];
    }
  }
}

void AddRowSums(const float* x, float* sums, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) sums[r] += x[r * columns + j];
  }
}

void Add(const float* x, float* y, std::size_t elements) {
  for (std::size_t i = 0; i < elements; ++i) y[i] += x[i];
}

constexpr GradientKernels kPlain = {"plain",
                                    Accumulate,
                                    AccumulateBfloat16,
                                    Transpose,
                                    Draw,
                                    Keep,
                                    RectifyGradient,
                                    AddAndNormalise,
                                    NormaliseGradient,
                                    SoftenGradient,
                                    ScaleRows,
                                    AddRowSums,
                                    Add};

}  // namespace

const GradientKernels& PlainGradientKernels() { return kPlain; }

const GradientKernels& FastGradientKernels() {
  static const GradientKernels& fastest = FastestOf(GradientKernelSets());
  return fastest;
}

KernelSets<GradientKernels> GradientKernelSets() {
  return KernelSetsOf(
      kPlain, {Avx2GradientKernels(), Avx512GradientKernels(), Avx512Bfloat16GradientKernels()});
}

}  // namespace fourfold
