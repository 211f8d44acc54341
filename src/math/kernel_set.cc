#include "math/kernel_set.h"

#include <cstdlib>
#include <limits>

namespace fourfold {

std::size_t KernelSetsAllowed(std::string_view name) {
  if (name == "plain") return 1;
  if (name == "avx2") return 2;
  if (name == "avx512") return 3;
  return std::numeric_limits<std::size_t>::max();
}

std::size_t KernelSetsAllowed() {
  static const std::size_t allowed = [] {
    const char* const name = std::getenv("FOURFOLD_KERNELS");
    return KernelSetsAllowed(name == nullptr ? "" : name);
  }();
  return allowed;
}

}  // namespace fourfold
