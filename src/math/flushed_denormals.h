#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace fourfold {

// While it lives, float32 results of this thread below 2^-126 become 0, and so do such operands:
// processors take tens of times longer for them. Does nothing where it is not x86-64.
class FlushedDenormals {
 public:
  FlushedDenormals(const FlushedDenormals&) = delete;
  FlushedDenormals& operator=(const FlushedDenormals&) = delete;
#if defined(__x86_64__)
  FlushedDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kAreZero); }
  ~FlushedDenormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushToZero = 0x8000;
  static constexpr unsigned kAreZero = 0x0040;
  unsigned before_;
#else
  FlushedDenormals() {}
  ~FlushedDenormals() {}
#endif
};

}  // namespace fourfold
