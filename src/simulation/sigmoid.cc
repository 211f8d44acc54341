#include "simulation/sigmoid.h"

#include <algorithm>

#include "math/exp2.h"

namespace fourfold::simulation {

Sigmoid::Sigmoid() {
  constexpr double kLog2E = 1.44269504088896340736;
  constexpr int kCells = 2 * kReach * kPerUnit;
  for (int i = 0; i <= kCells + 1; ++i) {
    const double x = static_cast<double>(std::min(i, kCells)) / kPerUnit - kReach;
    points_.push_back(1 / (1 + Exp2(-x * kLog2E)));
  }
}

}  // namespace fourfold::simulation
