#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace fourfold {

// Memory for matrices of float32: begins at a multiple of 64 bytes. Keeps the largest size that it
// was ever asked for, so that what is used again and again stops allocating.
class AlignedFloats {
 public:
  // What it held is lost when it grows.
  void Reserve(std::size_t size) {
    if (size <= size_) return;
    constexpr std::size_t kAlignment = 64;
    const std::size_t bytes = (size * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    floats_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    FOURFOLD_CHECK(floats_ != nullptr);
    size_ = size;
  }
  float* data() const { return floats_.get(); }

 private:
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  std::unique_ptr<float, Free> floats_;
  std::size_t size_ = 0;
};

}  // namespace fourfold
