#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace fourfold {

// Kernels of one kind for different processors, which do the same. Rounding may differ from the
// plain twin's, but not between processors with AVX2 and with AVX-512.
template <typename Kernels>
using KernelSets = std::vector<const Kernels*>;

// How many sets, in the order plain, avx2, avx512, may be used: all, or fewer where the environment
// variable FOURFOLD_KERNELS is the name of one: that and those before it.
std::size_t KernelSetsAllowed();
std::size_t KernelSetsAllowed(std::string_view name);

// What runs on this processor, the plain twin first and the fastest last. Null: does not run.
template <typename Kernels>
KernelSets<Kernels> KernelSetsOf(const Kernels& plain, const Kernels* avx2, const Kernels* avx512) {
  KernelSets<Kernels> sets = {&plain};
  if (avx2 != nullptr) sets.push_back(avx2);
  if (avx2 != nullptr && avx512 != nullptr) sets.push_back(avx512);
  return sets;
}

// The fastest that may be used: the one place where kernels are chosen.
template <typename Kernels>
const Kernels& FastestOf(const KernelSets<Kernels>& sets) {
  return *sets[std::min(sets.size(), KernelSetsAllowed()) - 1];
}

}  // namespace fourfold
