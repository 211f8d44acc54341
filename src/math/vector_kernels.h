#pragma once

#include <cstddef>
#include <cstdint>

#include "math/kernel_set.h"

namespace fourfold {

// Arithmetic on vectors of float32 whose length is a multiple of kVectorLanes.
//
// Sums have one order on every processor: element i is added to partial sum i % 32, the four
// groups of eight are folded as (0 + 1) + (2 + 3), and then the halves of eight, of four and of
// two. No multiplication and addition are fused. So each set of kernels gives the same bits.
//
// Vectors may be read and written by several threads at once (Hogwild): each element is then some
// value that one of them wrote, and an addition may be lost.
inline constexpr std::size_t kVectorLanes = 8;
inline constexpr std::size_t kVectorSums = 32;
inline constexpr std::size_t kCodeLanes = 32;

struct VectorKernels {
  const char* name;
  // The sum of a[i] b[i].
  float (*dot)(const float* a, const float* b, std::size_t length);
  // sum += factor * x.
  void (*add_scaled)(float factor, const float* x, float* sum, std::size_t length);
  // A step of logistic regression, both ways: gradient += factor * target, with the target as it
  // was, and target += factor * hidden. No two of the vectors overlap.
  void (*exchange)(float factor, const float* hidden, float* target, float* gradient,
                   std::size_t length);
  // The sum of a[i] b[i], where no partial sum leaves the range; `length` a multiple of kCodeLanes.
  std::int32_t (*dot_codes)(const std::int16_t* a, const std::int8_t* b, std::size_t length);
};

// The plain twin.
const VectorKernels& PlainVectorKernels();
// The fastest that this processor runs.
const VectorKernels& FastVectorKernels();
// All that run on it, the plain twin first.
KernelSets<VectorKernels> VectorKernelSets();

// The least multiple of kVectorLanes that is not below `length`.
constexpr std::size_t PaddedLength(std::size_t length) {
  return (length + kVectorLanes - 1) / kVectorLanes * kVectorLanes;
}

}  // namespace fourfold
