#pragma once

#include <cstddef>

namespace fourfold {

// What bounds the memory and the time of fitting a retriever; docs/limits.md says what happens past
// each.
struct TrainingLimits {
  // Items that an EASE^R takes: its matrix has 4 bytes for each two of them (1.6 GB at the limit),
  // and the time grows with the third power.
  std::size_t ease_items = 20'000;
  // Items that are compared all with all for the map of a kEges: at 64 dimensions some minutes.
  std::size_t compared_items = 200'000;
  // Neighbours in all that the map of a kEase or kEges holds, 8 bytes each; while it is made twice.
  std::size_t map_neighbours = 50'000'000;
};

}  // namespace fourfold
