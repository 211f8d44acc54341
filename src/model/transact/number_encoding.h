#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace fourfold {

// Numbers of any scale as a network takes them: each becomes kRows of them. Nothing of it is
// learned by gradients; it is fitted to values once.
//
// The first row is sign(x) log(1 + |x|) without its mean and to unit variance, within +-5; the
// second is 1 for null; the others say where the number stands between neighbouring quantiles, 0
// below both and 1 above (Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
// Learning", 2022), so that a linear map of them is any piecewise linear function. All but the
// second are 0 for null.
class NumberEncoding {
 public:
  static constexpr std::size_t kBins = 8;
  static constexpr std::size_t kRows = 2 + kBins;
  static constexpr std::size_t kFitted = 2 + kBins + 1;  // floats of each number: see `fitted`

  NumberEncoding() = default;
  // `fitted` as fitted() gives it: of each number mean, 1 / standard deviation, quantiles.
  explicit NumberEncoding(std::vector<float> fitted);
  // Of each number some values, NaN for null.
  static NumberEncoding Fit(std::vector<std::vector<float>> values);

  std::size_t numbers() const { return fitted_.size() / kFitted; }
  const std::vector<float>& fitted() const { return fitted_; }
  // Writes row r at out[r * stride].
  void Encode(std::size_t number, float value, float* out, std::size_t stride) const;

 private:
  std::vector<float> fitted_;
};

}  // namespace fourfold
