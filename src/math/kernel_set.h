#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace fourfold {

// Kernels of one kind for different processors, which do the same. Rounding may differ from the
// plain twin's, and of AVX-512's own bfloat16; not between AVX2 and AVX-512 without that.
template <typename Kernels>
using KernelSets = std::vector<const Kernels*>;

// How many sets, in the order plain, avx2, avx512, avx512_bfloat16, may be used: all, or fewer
// where the environment variable FOURFOLD_KERNELS is the name of one: that and those before it.
std::size_t KernelSetsAllowed();
std::size_t KernelSetsAllowed(std::string_view name);

// What runs on this processor: the plain twin, and of the others, each of which needs more of the
// processor than the one before, all up to the first null.
template <typename Kernels>
KernelSets<Kernels> KernelSetsOf(const Kernels& plain,
                                 std::initializer_list<const Kernels*> others) {
  KernelSets<Kernels> sets = {&plain};
  for (const Kernels* kernels : others) {
    if (kernels == nullptr) break;
    sets.push_back(kernels);
  }
  return sets;
}

// The fastest that may be used: the one place where kernels are chosen.
template <typename Kernels>
const Kernels& FastestOf(const KernelSets<Kernels>& sets) {
  return *sets[std::min(sets.size(), KernelSetsAllowed()) - 1];
}

}  // namespace fourfold
