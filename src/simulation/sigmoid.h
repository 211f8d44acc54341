#pragma once

#include <vector>

namespace fourfold::simulation {

// 1 / (1 + e^-x) by a table: straight lines between points 1/64 apart on [-16, 16], constant
// beyond. Within 3e-6 of the curve, quick, and the same bits on every processor. It is the
// definition that the world draws with.
class Sigmoid {
 public:
  Sigmoid();
  double operator()(double x) const {
    constexpr double kEnd = kReach * kPerUnit * 2;
    double place = (x + kReach) * kPerUnit;
    if (!(place > 0)) place = 0;
    if (place > kEnd) place = kEnd;
    const auto below = static_cast<std::size_t>(place);
    const double low = points_[below];
    return low + (place - static_cast<double>(below)) * (points_[below + 1] - low);
  }

 private:
  static constexpr int kReach = 16;
  static constexpr int kPerUnit = 64;
  std::vector<double> points_;  // one more than there are cells
};

}  // namespace fourfold::simulation
