#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_vector.h"
#include "math/vector_kernels.h"

namespace fourfold {

// A query as it is held against codes. Reused from search to search.
struct CodedQuery {
  std::vector<std::int16_t> code;
  double scale = 0;      // of the code
  double length = 0;     // of the query
  double allowance = 0;  // for the rounding of the query's code and of the exact product
};

// Vectors in one byte a number, with how far each is from the true one: enough to tell in a quarter
// of the memory traffic that a vector's inner product with a query cannot be above something, so
// that most vectors that a search meets need not be read. A bound, not an estimate: what is found
// is what reading every vector finds. Immutable; thread-safe.
class VectorCodes {
 public:
  VectorCodes() = default;
  // One row a vector. Numbers are finite.
  VectorCodes(std::span<const float* const> vectors, std::size_t dimension);

  void Encode(std::span<const float> query, CodedQuery* coded) const;

  // Not below kernels.dot(query, the row's vector), for any VectorKernels.
  double UpperBound(const CodedQuery& query, std::size_t row) const {
    const std::int32_t product =
        kernels_->dot_codes(query.code.data(), codes_.data() + row * stride_, stride_);
    return query.scale * static_cast<double>(rows_[row].scale) * product +
           query.length * static_cast<double>(rows_[row].error) + query.allowance;
  }
  // Brings a row to the processor.
  void Prefetch(std::size_t row) const {
    const std::int8_t* const code = codes_.data() + row * stride_;
    for (std::size_t i = 0; i < stride_; i += kLineBytes) __builtin_prefetch(code + i);
    __builtin_prefetch(&rows_[row]);
  }

 private:
  static constexpr std::size_t kLineBytes = 64;  // of the processor's cache
  struct Row {
    float scale = 0;
    float error = 0;  // the distance between the code and the vector, or a little more
  };

  const VectorKernels* kernels_ = &FastVectorKernels();
  std::size_t stride_ = 0;  // bytes of a row, whole cache lines
  AlignedVector<std::int8_t> codes_;
  std::vector<Row> rows_;
  double longest_ = 0;  // of the vectors and of what their codes stand for
};

}  // namespace fourfold
