#include "offline/evaluation/evaluator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr RankingMetric kDecidingMetric{MetricKind::kNdcg, 10};
constexpr std::size_t kFirstShown = 10;
constexpr std::size_t kQueriesPerPiece = 64;

// How often each item stood among the first of one method's lists.
struct Exposure {
  std::vector<std::uint64_t> shown;  // per item of the table
  std::uint64_t elsewhere = 0;

  void Add(std::span<const std::uint32_t> items) {
    for (const std::uint32_t item : items) {
      if (item == kItemOutsideTable) {
        ++elsewhere;
      } else {
        ++shown[item];
      }
    }
  }
};

class Evaluation {
 public:
  Evaluation(std::span<const EvaluationQuery> queries, std::span<const EvaluationMethod> methods,
             const RankFunction& rank, const EvaluationOptions& options,
             std::vector<RankingMetric> metrics)
      : queries_(queries),
        methods_(methods),
        rank_(rank),
        options_(options),
        metrics_(std::move(metrics)),
        limit_(static_cast<int>(kFirstShown)),
        values_(methods.size(), std::vector<double>(queries.size() * metrics_.size())),
        exposure_(methods.size(), Exposure{std::vector<std::uint64_t>(options.popularity.size())}) {
    for (const RankingMetric& metric : metrics_) limit_ = std::max(limit_, metric.cutoff);
  }

  absl::Status AskAll() {
    ForEachPiece(queries_.size(), kQueriesPerPiece, options_.threads,
                 [this](std::size_t begin, std::size_t end) { AskPiece(begin, end); });
    MutexLock lock(&mutex_);
    return error_;
  }

  EvaluationResult SumUp();

 private:
  void AskPiece(std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> ranked;
    std::vector<std::vector<std::uint32_t>> first_shown(methods_.size());
    for (std::size_t query = begin; query < end && !failed_; ++query) {
      for (std::size_t method = 0; method < methods_.size(); ++method) {
        if (absl::Status status = Ask(query, method, &ranked); !status.ok()) return Fail(status);
        ranked.resize(std::min(kFirstShown, ranked.size()));
        first_shown[method].insert(first_shown[method].end(), ranked.begin(), ranked.end());
      }
    }
    MutexLock lock(&mutex_);
    for (std::size_t method = 0; method < methods_.size(); ++method) {
      exposure_[method].Add(first_shown[method]);
    }
    queries_done_ += end - begin;
    if (options_.progress) {
      options_.progress(static_cast<double>(queries_done_) / static_cast<double>(queries_.size()));
    }
  }

  absl::Status Ask(std::size_t index, std::size_t method, std::vector<std::uint32_t>* ranked) {
    const EvaluationQuery& query = queries_[index];
    ranked->clear();
    FOURFOLD_RETURN_IF_ERROR(rank_(query, method, limit_, ranked));
    FOURFOLD_RETURN_IF_ERROR(CheckList(query, method, *ranked));
    const std::vector<int> hits = HitRanks(*ranked, query.relevant);
    double* values = &values_[method][index * metrics_.size()];
    for (std::size_t m = 0; m < metrics_.size(); ++m) {
      values[m] = RankingMetricValue(metrics_[m], hits, query.relevant.size());
    }
    return absl::OkStatus();
  }

  // What breaks the contract of RankFunction would falsify the figures without a trace.
  absl::Status CheckList(const EvaluationQuery& query, std::size_t method,
                         const std::vector<std::uint32_t>& ranked) const {
    const auto broken = [&](std::string_view how) {
      return Internal("method ", methods_[method].name, ", user ", query.user, query.session, ": ",
                      how);
    };
    if (ranked.size() > static_cast<std::size_t>(limit_))
      return broken("more items than asked for");
    std::vector<std::uint32_t> known;
    for (const std::uint32_t item : ranked) {
      if (item == kItemOutsideTable) continue;
      if (item >= options_.popularity.size()) return broken("an item number out of range");
      if (std::binary_search(query.excluded.begin(), query.excluded.end(), item)) {
        return broken("an excluded item in the list");
      }
      known.push_back(item);
    }
    std::sort(known.begin(), known.end());
    if (std::adjacent_find(known.begin(), known.end()) != known.end()) {
      return broken("an item twice in one list");
    }
    return absl::OkStatus();
  }

  void Fail(const absl::Status& status) {
    MutexLock lock(&mutex_);
    failed_ = true;
    error_.Update(status);
  }

  double SumOfDecidingMetric(std::size_t method) const {
    const auto found = std::find(metrics_.begin(), metrics_.end(), kDecidingMetric);
    const std::size_t m =
        found == metrics_.end() ? 0 : static_cast<std::size_t>(found - metrics_.begin());
    double sum = 0;
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      sum += values_[method][query * metrics_.size() + m];
    }
    return sum;
  }

  // The index of the best part, or methods_.size() where there are only blends.
  std::size_t BestPart() const {
    std::size_t best = methods_.size();
    double best_sum = -1;
    for (std::size_t method = 0; method < methods_.size(); ++method) {
      if (methods_[method].blend || !methods_[method].against.empty()) continue;
      const double sum = SumOfDecidingMetric(method);
      if (sum > best_sum) {
        best = method;
        best_sum = sum;
      }
    }
    return best;
  }

  // The index of the method to compare with, or methods_.size().
  std::size_t ComparedWith(std::size_t method, std::size_t best_part) const {
    if (methods_[method].blend) return best_part;
    const std::string& against = methods_[method].against;
    if (against.empty()) return methods_.size();
    return static_cast<std::size_t>(
        std::find_if(methods_.begin(), methods_.end(),
                     [&](const EvaluationMethod& other) { return other.name == against; }) -
        methods_.begin());
  }

  const std::span<const EvaluationQuery> queries_;
  const std::span<const EvaluationMethod> methods_;
  const RankFunction& rank_;
  const EvaluationOptions& options_;
  const std::vector<RankingMetric> metrics_;
  int limit_;
  std::vector<std::vector<double>> values_;  // per method [queries x metrics]; threads write apart
  std::atomic<bool> failed_{false};

  Mutex mutex_;
  std::vector<Exposure> exposure_ ABSL_GUARDED_BY(mutex_);  // per method
  std::size_t queries_done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

EvaluationResult Evaluation::SumUp() {
  const std::size_t best = BestPart();
  const std::vector<std::uint32_t> clusters = ClustersOf(queries_);
  EvaluationResult result;
  result.metrics = metrics_;
  result.queries = queries_.size();
  if (best < methods_.size()) result.best_part = methods_[best].name;
  MutexLock lock(&mutex_);
  for (std::size_t method = 0; method < methods_.size(); ++method) {
    MethodResult row;
    row.name = methods_[method].name;
    row.blend = methods_[method].blend;
    row.metrics = BootstrapMeans(values_[method], metrics_.size(), clusters, options_.bootstrap);
    row.first_shown = ComputeCatalogueStatistics(exposure_[method].shown, options_.popularity,
                                                 exposure_[method].elsewhere);
    if (const std::size_t other = ComparedWith(method, best); other < methods_.size()) {
      row.compared_with = methods_[other].name;
      row.difference = PairedDifferences(values_[method], values_[other], metrics_.size(), clusters,
                                         options_.bootstrap);
    }
    result.methods.push_back(std::move(row));
  }
  for (std::size_t method = 0; method < methods_.size(); ++method) {
    result.methods[method].values = std::move(values_[method]);
  }
  return result;
}

}  // namespace

std::vector<RankingMetric> DefaultMetrics() {
  return {{MetricKind::kNdcg, 10},   {MetricKind::kSuccess, 10},
          {MetricKind::kNdcg, 20},   {MetricKind::kSuccess, 20},
          {MetricKind::kRecall, 20}, {MetricKind::kReciprocalRank, 20}};
}

std::vector<std::uint32_t> ClustersOf(std::span<const EvaluationQuery> queries) {
  absl::flat_hash_map<std::uint32_t, std::uint32_t> numbers;
  std::vector<std::uint32_t> clusters;
  for (const EvaluationQuery& query : queries) {
    const auto next = static_cast<std::uint32_t>(numbers.size());
    clusters.push_back(numbers.try_emplace(query.user_index, next).first->second);
  }
  return clusters;
}

absl::StatusOr<EvaluationResult> RunEvaluation(std::span<const EvaluationQuery> queries,
                                               std::span<const EvaluationMethod> methods,
                                               const RankFunction& rank,
                                               const EvaluationOptions& options) {
  if (queries.empty()) return InvalidArgument("evaluation without queries");
  if (methods.empty()) return InvalidArgument("evaluation without methods");
  const auto started = std::chrono::steady_clock::now();
  Evaluation evaluation(queries, methods, rank, options,
                        options.metrics.empty() ? DefaultMetrics() : options.metrics);
  FOURFOLD_RETURN_IF_ERROR(evaluation.AskAll());
  EvaluationResult result = evaluation.SumUp();
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace fourfold
