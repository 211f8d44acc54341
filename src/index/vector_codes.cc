#include "index/vector_codes.h"

#include <algorithm>
#include <cmath>

namespace fourfold {
namespace {

constexpr double kCodeMost = 127, kQueryCodeMost = 32'767;
constexpr double kSumMost = 2'147'483'647;  // of a product of codes
// The rounding of sums in double, and of storing one as float.
constexpr double kRounding = 1e-6;

double LargestOf(std::span<const float> values) {
  double largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  return largest;
}

// To the nearest whole number, for numbers of a code's size.
double Nearest(double value) {
  return static_cast<double>(static_cast<int>(value + std::copysign(0.5, value)));
}

std::size_t RoundUp(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

}  // namespace

VectorCodes::VectorCodes(std::span<const float* const> vectors, std::size_t dimension)
    : stride_(RoundUp(dimension, kLineBytes)),
      codes_(vectors.size() * stride_),
      rows_(vectors.size()) {
  for (std::size_t row = 0; row < vectors.size(); ++row) {
    const std::span<const float> vector(vectors[row], dimension);
    std::int8_t* const code = codes_.data() + row * stride_;
    const auto scale = static_cast<float>(LargestOf(vector) / kCodeMost);
    double length = 0, coded_length = 0, error = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double value = static_cast<double>(vector[i]);
      const double steps = scale > 0 ? Nearest(value / static_cast<double>(scale)) : 0;
      code[i] = static_cast<std::int8_t>(std::clamp(steps, -kCodeMost, kCodeMost));
      const double coded = static_cast<double>(scale) * code[i];
      length += value * value;
      coded_length += coded * coded;
      error += (value - coded) * (value - coded);
    }
    rows_[row] = {scale, static_cast<float>(std::sqrt(error) * (1 + kRounding) + 1e-30)};
    longest_ = std::max({longest_, std::sqrt(length), std::sqrt(coded_length)});
  }
}

// With q the query, x a vector, q' and x' what their codes stand for:
//   q x = q' x' + q (x - x') + (q - q') x' <= q' x' + |q| |x - x'| + |q - q'| |x'|,
// and a product of kernels, which adds up one after the other a 32nd of the numbers and then the 32
// sums, is off by at most as many roundings of |q| |x|.
void VectorCodes::Encode(std::span<const float> query, CodedQuery* coded) const {
  coded->code.assign(stride_, 0);
  const double most =
      std::min(kQueryCodeMost, std::floor(kSumMost / (kCodeMost * static_cast<double>(stride_))));
  coded->scale = LargestOf(query) / most;
  double length = 0, error = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const double value = static_cast<double>(query[i]);
    const double steps = coded->scale > 0 ? Nearest(value / coded->scale) : 0;
    coded->code[i] = static_cast<std::int16_t>(std::clamp(steps, -most, most));
    const double difference = value - coded->scale * coded->code[i];
    length += value * value;
    error += difference * difference;
  }
  coded->length = std::sqrt(length);
  const double roundings = (static_cast<double>(query.size()) / 32 + 8) * 0x1p-23;
  coded->allowance = (std::sqrt(error) + roundings * coded->length) * longest_ * (1 + kRounding);
}

}  // namespace fourfold
