#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <vector>

#include "base/check.h"

namespace fourfold {

// Memory that begins with a line of the processor's cache, so that rows of whole lines lie in no
// more lines than they need; where it is large, with a large page, of which the system is asked for
// as many as it has: rows met in no order are then found without looking up the page of each.
template <typename T>
class AlignedAllocator {
 public:
  using value_type = T;

  AlignedAllocator() = default;
  template <typename Other>
  AlignedAllocator(const AlignedAllocator<Other>&) {}  // NOLINT: allocators convert

  T* allocate(std::size_t count) {
    constexpr std::size_t kLine = 64, kLargePage = 2 << 20;
    const std::size_t bytes = count * sizeof(T);
    const bool is_large = bytes >= kLargePage;
    const std::size_t unit = is_large ? kLargePage : kLine;
    const std::size_t whole = (bytes + unit - 1) / unit * unit;
    void* const memory = std::aligned_alloc(unit, whole);
    FOURFOLD_CHECK(memory != nullptr);
    if (is_large) madvise(memory, whole, MADV_HUGEPAGE);  // a wish, which may not be granted
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }

  template <typename Other>
  bool operator==(const AlignedAllocator<Other>&) const {
    return true;
  }
};

template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace fourfold
