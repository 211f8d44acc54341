#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace fourfold {

struct BootstrapOptions {
  int resamples = 1000;  // at least 1
  double confidence = 0.95;
  std::uint64_t seed = 1;
  int threads = 0;  // 0: one per processor. The result is the same for any number.
};

struct Interval {
  double mean = 0, low = 0, high = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

// Percentile bootstrap of the mean of each column of `values` (row-major, one row a query).
//
// `cluster_of_row` gives the user of each row, as numbers 0 .. n - 1 with none left out: whole
// users are drawn, since queries of one user are not independent. Empty: each row stands for
// itself. A resample draws as many clusters as there are, with replacement, and takes the mean over
// the rows drawn. Limits are the (1 - confidence) / 2 quantiles of the resampled means,
// interpolated linearly.
//
// Every column is resampled with the same draws. So the interval of a paired difference of two
// methods is that of a column holding the difference query by query (PairedDifferences), which is
// narrower than what two overlapping intervals suggest. Without rows every interval is 0.
std::vector<Interval> BootstrapMeans(std::span<const double> values, std::size_t columns,
                                     std::span<const std::uint32_t> cluster_of_row,
                                     const BootstrapOptions& options);

// The means of a - b over the same queries, with their intervals. `a` and `b` are shaped as
// `values` above.
std::vector<Interval> PairedDifferences(std::span<const double> a, std::span<const double> b,
                                        std::size_t columns,
                                        std::span<const std::uint32_t> cluster_of_row,
                                        const BootstrapOptions& options);

// The interval of a function of the means of all columns, such as a share of one difference in
// another: the function of the means, and its quantiles over resampled means. `of` is called from
// one thread; what is not finite is left out of the quantiles.
Interval BootstrapOfMeans(std::span<const double> values, std::size_t columns,
                          std::span<const std::uint32_t> cluster_of_row,
                          const std::function<double(std::span<const double> means)>& of,
                          const BootstrapOptions& options);

// Intervals of any statistics of whole clusters, for those that are no means, such as an area under
// a curve. `of` gets how often each cluster counts and fills the values of all columns: once with
// every count 1, which gives Interval::mean, and once a resample, of as many clusters as there are.
// All columns have the same draws, so a column may hold a difference of others. What is not finite
// is left out of the quantiles. `of` is called from several threads at once.
std::vector<Interval> BootstrapOfClusters(
    std::size_t clusters, std::size_t columns,
    const std::function<void(std::span<const std::uint32_t> counts, std::span<double> values)>& of,
    const BootstrapOptions& options);

}  // namespace fourfold
