#include "offline/evaluation/ranker_exam.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/plan/feature_matrix.h"
#include "offline/evaluation/auc.h"
#include "offline/evaluation/ranking_metrics.h"

namespace fourfold {
namespace {

const RankingMetric kMetrics[] = {{MetricKind::kReciprocalRank, kMetricCutoffMax},
                                  {MetricKind::kSuccess, 3},
                                  {MetricKind::kNdcg, 10}};
constexpr std::size_t kMetricCount = std::size(kMetrics);

// Numbers users from 0 in the order in which they are met.
class Clusters {
 public:
  std::uint32_t Of(const std::string& user) {
    if (user.empty()) return next_++;
    const auto [place, is_new] = numbers_.emplace(user, next_);
    if (is_new) ++next_;
    return place->second;
  }
  std::uint32_t size() const { return next_; }

 private:
  StringMap<std::uint32_t> numbers_;
  std::uint32_t next_ = 0;
};

// The values of all metrics for candidates in this order.
void AddValues(std::span<const std::uint32_t> order, std::span<const float> labels,
               std::vector<double>* values) {
  std::vector<int> ranks;
  for (std::size_t place = 0; place < order.size(); ++place) {
    if (labels[order[place]] > 0) ranks.push_back(static_cast<int>(place) + 1);
  }
  for (const RankingMetric& metric : kMetrics) {
    values->push_back(RankingMetricValue(metric, ranks, ranks.size()));
  }
}

struct Judged {
  std::vector<float> scores;  // of all rows
  std::vector<float> labels;
  std::vector<std::uint32_t> cluster_of_row;
  std::vector<double> by_list_order;  // of all requests with something relevant
  std::vector<double> by_ranker;
  std::vector<std::uint32_t> cluster_of_request;
  std::uint64_t requests = 0;
  Clusters clusters;

  void Add(const ReplayedRequest& replayed, std::span<const float> request_scores) {
    ++requests;
    const std::uint32_t cluster = clusters.Of(replayed.request.user);
    scores.insert(scores.end(), request_scores.begin(), request_scores.end());
    labels.insert(labels.end(), replayed.labels.begin(), replayed.labels.end());
    cluster_of_row.insert(cluster_of_row.end(), replayed.labels.size(), cluster);
    if (std::none_of(replayed.labels.begin(), replayed.labels.end(),
                     [](float label) { return label > 0; })) {
      return;
    }
    cluster_of_request.push_back(cluster);
    std::vector<std::uint32_t> order(request_scores.size());
    std::iota(order.begin(), order.end(), 0U);
    AddValues(order, replayed.labels, &by_list_order);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return request_scores[a] > request_scores[b];
    });
    AddValues(order, replayed.labels, &by_ranker);
  }
};

// Clusters without a request would be drawn for nothing.
std::vector<std::uint32_t> Renumbered(const std::vector<std::uint32_t>& clusters) {
  absl::flat_hash_map<std::uint32_t, std::uint32_t> numbers;
  std::vector<std::uint32_t> renumbered;
  for (const std::uint32_t cluster : clusters) {
    renumbered.push_back(
        numbers.emplace(cluster, static_cast<std::uint32_t>(numbers.size())).first->second);
  }
  return renumbered;
}

}  // namespace

absl::StatusOr<RankerExam> JudgeRanker(const RowReplay& replay, const FeaturePlan& plan,
                                       const TreeEnsemble& trees, std::int64_t from_ms,
                                       const BootstrapOptions& bootstrap,
                                       const std::function<void(double done)>& progress) {
  if (trees.feature_names() != RowFeatureNames(plan)) {
    return InvalidArgument("the trees' features are not those of the plan");
  }
  Judged judged;
  ReplayedRequest replayed;
  FeatureTable table;
  std::vector<float> rows;
  std::vector<float> scores;
  for (std::size_t row = 0; row < replay.size(); ++row) {
    if (replay.event_time_ms(row) < from_ms) continue;
    FOURFOLD_RETURN_IF_ERROR(replay.Read(row, &replayed, &table));
    FillRows(plan, table, replayed.labels.size(), &rows);
    scores.resize(replayed.labels.size());
    trees.Predict(rows, std::span<float>(scores));
    judged.Add(replayed, scores);
    if (progress && row % 256 == 0) {
      progress(static_cast<double>(row) / static_cast<double>(replay.size()));
    }
  }
  if (judged.requests == 0) return InvalidArgument("no request is left to test");
  RankerExam exam;
  exam.requests = judged.requests;
  exam.users = judged.clusters.size();
  if (replay.options().rows == RowOptions::Rows::kActions) {
    exam.metrics = {"AUC"};
    exam.rows = {
        {"ranker",
         {AreaUnderCurveInterval(judged.scores, judged.labels, judged.cluster_of_row, bootstrap)}}};
    return exam;
  }
  for (const RankingMetric& metric : kMetrics) {
    exam.metrics.push_back(metric.cutoff == kMetricCutoffMax ? "RR" : RankingMetricName(metric));
  }
  const std::vector<std::uint32_t> clusters = Renumbered(judged.cluster_of_request);
  exam.rows = {
      {"list order", BootstrapMeans(judged.by_list_order, kMetricCount, clusters, bootstrap)},
      {"ranker", BootstrapMeans(judged.by_ranker, kMetricCount, clusters, bootstrap)}};
  exam.difference =
      PairedDifferences(judged.by_ranker, judged.by_list_order, kMetricCount, clusters, bootstrap);
  return exam;
}

}  // namespace fourfold
