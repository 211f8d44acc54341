#pragma once

#include <atomic>

namespace fourfold {

// Reading and writing a number that other threads read and write meanwhile, without order among
// them: what Hogwild asks for, and no more than a plain access on common processors.
template <typename T>
T LoadRelaxed(const T& place) {
  return std::atomic_ref<T>(const_cast<T&>(place)).load(std::memory_order_relaxed);
}

template <typename T>
void StoreRelaxed(T value, T* place) {
  std::atomic_ref<T>(*place).store(value, std::memory_order_relaxed);
}

}  // namespace fourfold

// Before a function that does so with whole vectors of numbers, for which the language has no
// atomic access: each aligned number is read and written whole on x86, and the thread sanitizer is
// told not to look.
#if defined(__clang__)
#define FOURFOLD_HOGWILD __attribute__((no_sanitize("thread")))
#else
#define FOURFOLD_HOGWILD
#endif
