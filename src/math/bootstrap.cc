#include "math/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"

namespace fourfold {
namespace {

// One row a cluster: what a draw of it adds.
struct Clusters {
  std::size_t columns = 0;
  std::vector<std::uint32_t> rows;      // rows of each cluster
  std::vector<std::uint32_t> non_zero;  // clusters with a value other than 0 ...
  std::vector<double> sums;             // ... and their sums, [non_zero x columns]
};

Clusters SumByCluster(std::span<const double> values, std::size_t columns,
                      std::span<const std::uint32_t> cluster_of_row) {
  const std::size_t rows = values.size() / columns;
  const auto cluster_of = [&](std::size_t row) {
    return cluster_of_row.empty() ? row : cluster_of_row[row];
  };
  Clusters clusters;
  clusters.columns = columns;
  std::vector<double> sums;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t cluster = cluster_of(row);
    if (cluster >= clusters.rows.size()) {
      clusters.rows.resize(cluster + 1);
      sums.resize((cluster + 1) * columns);
    }
    ++clusters.rows[cluster];
    for (std::size_t c = 0; c < columns; ++c)
      sums[cluster * columns + c] += values[row * columns + c];
  }
  for (std::uint32_t cluster = 0; cluster < clusters.rows.size(); ++cluster) {
    FOURFOLD_CHECK(clusters.rows[cluster] > 0);
    const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(cluster * columns);
    const auto end = begin + static_cast<std::ptrdiff_t>(columns);
    if (std::all_of(begin, end, [](double value) { return value == 0; })) continue;
    clusters.non_zero.push_back(cluster);
    clusters.sums.insert(clusters.sums.end(), begin, end);
  }
  return clusters;
}

// SplitMix64 (Steele, Lea and Flood, 2014): each resample owns one, so threads share nothing.
class Random {
 public:
  explicit Random(std::uint64_t state) : state_(state) {}
  std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// How often each cluster is drawn in n draws. Two draws a random number: 32 bits, scaled to n by
// multiplication, are even to within n / 2^32.
void DrawCounts(std::uint64_t seed, std::vector<std::uint32_t>* counts) {
  std::fill(counts->begin(), counts->end(), 0u);
  Random random(seed);
  const std::uint64_t n = counts->size();
  for (std::uint64_t i = 0; i < n; i += 2) {
    const std::uint64_t bits = random.Next();
    ++(*counts)[(bits >> 32) * n >> 32];
    if (i + 1 < n) ++(*counts)[(bits & 0xffffffffu) * n >> 32];
  }
}

void ResampledMeans(const Clusters& clusters, const std::vector<std::uint32_t>& counts,
                    std::span<double> means) {
  std::fill(means.begin(), means.end(), 0.0);
  const double* sums = clusters.sums.data();
  for (const std::uint32_t cluster : clusters.non_zero) {
    const double count = counts[cluster];
    for (std::size_t c = 0; c < means.size(); ++c) means[c] += count * sums[c];
    sums += means.size();
  }
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    rows += std::uint64_t{counts[i]} * clusters.rows[i];
  }
  for (double& mean : means) mean /= static_cast<double>(rows);
}

double Quantile(const std::vector<double>& sorted, double probability) {
  const double place = probability * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

std::vector<double> Means(std::span<const double> values, std::size_t columns) {
  std::vector<double> means(columns);
  for (std::size_t i = 0; i < values.size(); ++i) means[i % columns] += values[i];
  const std::size_t rows = values.size() / columns;
  for (double& mean : means) mean /= static_cast<double>(rows);
  return means;
}

// [resamples x columns]
std::vector<double> Resample(std::span<const double> values, std::size_t columns,
                             std::span<const std::uint32_t> cluster_of_row,
                             const BootstrapOptions& options) {
  const Clusters clusters = SumByCluster(values, columns, cluster_of_row);
  const auto resamples = static_cast<std::size_t>(options.resamples);
  std::vector<double> means(resamples * columns);
  ForEachPiece(resamples, 16, options.threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> counts(clusters.rows.size());
    for (std::size_t resample = begin; resample < end; ++resample) {
      DrawCounts(Random(options.seed + resample).Next(), &counts);
      ResampledMeans(clusters, counts, std::span(means).subspan(resample * columns, columns));
    }
  });
  return means;
}

Interval IntervalOf(double mean, std::vector<double> resampled, double confidence) {
  if (resampled.empty()) return {mean, mean, mean};
  std::sort(resampled.begin(), resampled.end());
  const double tail = (1 - confidence) / 2;
  return {mean, Quantile(resampled, tail), Quantile(resampled, 1 - tail)};
}

void CheckShape(std::span<const double> values, std::size_t columns,
                std::span<const std::uint32_t> cluster_of_row, const BootstrapOptions& options) {
  FOURFOLD_CHECK(options.resamples >= 1 && columns > 0 && values.size() % columns == 0);
  FOURFOLD_CHECK(cluster_of_row.empty() || cluster_of_row.size() == values.size() / columns);
}

}  // namespace

std::vector<Interval> BootstrapMeans(std::span<const double> values, std::size_t columns,
                                     std::span<const std::uint32_t> cluster_of_row,
                                     const BootstrapOptions& options) {
  CheckShape(values, columns, cluster_of_row, options);
  std::vector<Interval> intervals(columns);
  if (values.empty()) return intervals;
  const std::vector<double> means = Means(values, columns);
  const std::vector<double> resampled = Resample(values, columns, cluster_of_row, options);
  std::vector<double> of_column(static_cast<std::size_t>(options.resamples));
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t r = 0; r < of_column.size(); ++r) of_column[r] = resampled[r * columns + c];
    intervals[c] = IntervalOf(means[c], of_column, options.confidence);
  }
  return intervals;
}

Interval BootstrapOfMeans(std::span<const double> values, std::size_t columns,
                          std::span<const std::uint32_t> cluster_of_row,
                          const std::function<double(std::span<const double> means)>& of,
                          const BootstrapOptions& options) {
  CheckShape(values, columns, cluster_of_row, options);
  if (values.empty()) return {};
  const std::vector<double> resampled = Resample(values, columns, cluster_of_row, options);
  std::vector<double> results;
  for (std::size_t begin = 0; begin < resampled.size(); begin += columns) {
    const double result = of(std::span(resampled).subspan(begin, columns));
    if (std::isfinite(result)) results.push_back(result);
  }
  return IntervalOf(of(Means(values, columns)), std::move(results), options.confidence);
}

std::vector<Interval> BootstrapOfClusters(
    std::size_t clusters, std::size_t columns,
    const std::function<void(std::span<const std::uint32_t> counts, std::span<double> values)>& of,
    const BootstrapOptions& options) {
  FOURFOLD_CHECK(options.resamples >= 1 && columns > 0);
  std::vector<double> values(columns);
  const std::vector<std::uint32_t> once(clusters, 1);
  of(once, values);
  const auto resamples = static_cast<std::size_t>(options.resamples);
  std::vector<double> resampled(resamples * columns);
  ForEachPiece(resamples, 16, options.threads, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> counts(clusters);
    for (std::size_t resample = begin; resample < end; ++resample) {
      DrawCounts(Random(options.seed + resample).Next(), &counts);
      of(counts, std::span(resampled).subspan(resample * columns, columns));
    }
  });
  std::vector<Interval> intervals;
  for (std::size_t c = 0; c < columns; ++c) {
    std::vector<double> of_column;
    for (std::size_t r = 0; r < resamples; ++r) {
      const double value = resampled[r * columns + c];
      if (std::isfinite(value)) of_column.push_back(value);
    }
    intervals.push_back(IntervalOf(values[c], std::move(of_column), options.confidence));
  }
  return intervals;
}

std::vector<Interval> PairedDifferences(std::span<const double> a, std::span<const double> b,
                                        std::size_t columns,
                                        std::span<const std::uint32_t> cluster_of_row,
                                        const BootstrapOptions& options) {
  FOURFOLD_CHECK(a.size() == b.size());
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return BootstrapMeans(difference, columns, cluster_of_row, options);
}

}  // namespace fourfold
