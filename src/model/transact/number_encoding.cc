#include "model/transact/number_encoding.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace fourfold {
namespace {

constexpr float kBound = 5;

float Squeeze(float x) { return std::copysign(std::log1p(std::fabs(x)), x); }

}  // namespace

NumberEncoding::NumberEncoding(std::vector<float> fitted) : fitted_(std::move(fitted)) {
  FOURFOLD_CHECK(fitted_.size() % kFitted == 0);
}

NumberEncoding NumberEncoding::Fit(std::vector<std::vector<float>> values) {
  std::vector<float> fitted;
  for (std::vector<float>& of_number : values) {
    std::erase_if(of_number, [](float x) { return !std::isfinite(x); });
    std::sort(of_number.begin(), of_number.end());
    double sum = 0, squares = 0;
    for (const float x : of_number) {
      sum += double{Squeeze(x)};
      squares += double{Squeeze(x)} * double{Squeeze(x)};
    }
    const auto count = std::max(1.0, static_cast<double>(of_number.size()));
    const double mean = sum / count;
    const double variance = squares / count - mean * mean;
    fitted.push_back(static_cast<float>(mean));
    fitted.push_back(variance > 1e-12 ? static_cast<float>(1 / std::sqrt(variance)) : 0);
    for (std::size_t bin = 0; bin <= kBins; ++bin) {
      const std::size_t place = of_number.empty() ? 0 : (of_number.size() - 1) * bin / kBins;
      fitted.push_back(of_number.empty() ? 0 : of_number[place]);
    }
  }
  return NumberEncoding(std::move(fitted));
}

void NumberEncoding::Encode(std::size_t number, float value, float* out, std::size_t stride) const {
  const float* const fitted = fitted_.data() + number * kFitted;
  const bool is_null = std::isnan(value);
  const float standard = fitted[1] == 0 ? 0 : (Squeeze(value) - fitted[0]) * fitted[1];
  out[0] = is_null ? 0 : std::clamp(standard, -kBound, kBound);
  out[stride] = is_null ? 1 : 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    const float low = fitted[2 + bin], high = fitted[3 + bin];
    float share = 0;
    if (!is_null && value > low) share = value >= high ? 1 : (value - low) / (high - low);
    out[(2 + bin) * stride] = share;
  }
}

}  // namespace fourfold
