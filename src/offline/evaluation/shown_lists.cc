#include "offline/evaluation/shown_lists.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

absl::Status CheckInput(const ShownLists& lists, std::span<const ShownListMethod> methods) {
  if (methods.empty()) return InvalidArgument("there is no method to evaluate");
  std::uint32_t before = 0;
  for (const std::uint32_t end : lists.row_end) {
    if (end <= before) return InvalidArgument("a request has no rows");
    before = end;
  }
  if (before != lists.label.size() || lists.user.size() != lists.row_end.size()) {
    return InvalidArgument("the lists do not fit together");
  }
  for (const ShownListMethod& method : methods) {
    if (method.scores.size() != lists.label.size()) {
      return InvalidArgument("method ", method.name, ": ", method.scores.size(), " scores for ",
                             lists.label.size(), " rows");
    }
    if (std::any_of(method.scores.begin(), method.scores.end(),
                    [](float score) { return std::isnan(score); })) {
      return InvalidArgument("method ", method.name, ": a score is NaN");
    }
  }
  return absl::OkStatus();
}

// The places of scores, highest first, equal ones as they stand.
std::vector<std::uint32_t> ByScore(std::span<const float> scores) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  return order;
}

// [requests with a relevant row x metrics]
std::vector<double> ByRequest(const ShownLists& lists, const ShownListMethod& method,
                              const std::vector<RankingMetric>& metrics) {
  std::vector<double> values;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : lists.row_end) {
    std::vector<std::uint32_t> relevant;
    for (std::uint32_t row = begin; row < end; ++row) {
      if (lists.label[row] > 0) relevant.push_back(row - begin);
    }
    if (!relevant.empty()) {
      const auto scores = std::span(method.scores).subspan(begin, end - begin);
      const std::vector<int> ranks = HitRanks(ByScore(scores), relevant);
      for (const RankingMetric& metric : metrics) {
        values.push_back(RankingMetricValue(metric, ranks, relevant.size()));
      }
    }
    begin = end;
  }
  return values;
}

// The area under the curve of one method for any weighing of users.
class AreaUnderCurve {
 public:
  AreaUnderCurve(const ShownLists& lists, std::span<const std::uint32_t> user_of_row,
                 const ShownListMethod& method) {
    for (const std::uint32_t row : ByScore(method.scores)) {
      rows_.push_back({user_of_row[row], method.scores[row], lists.label[row] > 0});
    }
  }

  double Value(std::span<const std::uint32_t> count_of_user) const {
    double positives_above = 0;
    double negatives = 0;
    double pairs_won = 0;
    for (std::size_t begin = 0, end = 0; begin < rows_.size(); begin = end) {
      double positives_here = 0;
      double negatives_here = 0;
      for (; end < rows_.size() && rows_[end].score == rows_[begin].score; ++end) {
        (rows_[end].is_relevant ? positives_here : negatives_here) +=
            count_of_user[rows_[end].user];
      }
      pairs_won += negatives_here * (positives_above + positives_here / 2);
      positives_above += positives_here;
      negatives += negatives_here;
    }
    if (positives_above * negatives == 0) return std::numeric_limits<double>::quiet_NaN();
    return pairs_won / (positives_above * negatives);
  }

 private:
  struct Row {
    std::uint32_t user;
    float score;
    bool is_relevant;
  };
  std::vector<Row> rows_;  // highest score first
};

void EvaluateAuc(const ShownLists& lists, std::span<const ShownListMethod> methods,
                 const BootstrapOptions& bootstrap, ShownListResult* result) {
  absl::flat_hash_map<std::uint32_t, std::uint32_t> users;
  std::vector<std::uint32_t> user_of_row;
  for (std::size_t request = 0; request < lists.row_end.size(); ++request) {
    const auto next = static_cast<std::uint32_t>(users.size());
    const std::uint32_t user = users.emplace(lists.user[request], next).first->second;
    user_of_row.resize(lists.row_end[request], user);
  }
  std::vector<AreaUnderCurve> areas;
  for (const ShownListMethod& method : methods) areas.emplace_back(lists, user_of_row, method);
  const auto of = [&](std::span<const std::uint32_t> counts, std::span<double> values) {
    for (std::size_t m = 0; m < areas.size(); ++m) {
      values[2 * m] = areas[m].Value(counts);
      values[2 * m + 1] = values[2 * m] - values[0];
    }
  };
  const std::vector<Interval> intervals =
      BootstrapOfClusters(users.size(), 2 * methods.size(), of, bootstrap);
  for (std::size_t m = 0; m < methods.size(); ++m) {
    result->methods[m].auc = intervals[2 * m];
    result->methods[m].auc_difference = intervals[2 * m + 1];
  }
}

// The users of the requests with a relevant row, numbered from 0.
std::vector<std::uint32_t> UsersWithRelevantRows(const ShownLists& lists) {
  absl::flat_hash_map<std::uint32_t, std::uint32_t> numbers;
  std::vector<std::uint32_t> users;
  std::size_t begin = 0;
  for (std::size_t request = 0; request < lists.row_end.size(); ++request) {
    const std::size_t end = lists.row_end[request];
    const bool is_relevant = std::any_of(lists.label.begin() + static_cast<std::ptrdiff_t>(begin),
                                         lists.label.begin() + static_cast<std::ptrdiff_t>(end),
                                         [](float label) { return label > 0; });
    begin = end;
    if (!is_relevant) continue;
    const auto next = static_cast<std::uint32_t>(numbers.size());
    users.push_back(numbers.emplace(lists.user[request], next).first->second);
  }
  return users;
}

}  // namespace

absl::StatusOr<ShownListResult> EvaluateShownLists(const ShownLists& lists,
                                                   std::span<const ShownListMethod> methods,
                                                   const ShownListOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(CheckInput(lists, methods));
  ShownListResult result;
  result.metrics = options.metrics;
  result.rows = lists.label.size();
  const std::size_t columns = options.metrics.size();
  const std::vector<std::uint32_t> users = UsersWithRelevantRows(lists);
  for (const ShownListMethod& method : methods) {
    ShownListResult::Method& evaluated = result.methods.emplace_back();
    evaluated.name = method.name;
    evaluated.by_request = ByRequest(lists, method, options.metrics);
    if (evaluated.by_request.empty()) return InvalidArgument("no request has a relevant row");
    evaluated.values = BootstrapMeans(evaluated.by_request, columns, users, options.bootstrap);
    evaluated.differences = PairedDifferences(
        evaluated.by_request, result.methods.front().by_request, columns, users, options.bootstrap);
  }
  result.requests = result.methods.front().by_request.size() / columns;
  result.requests_left_out = lists.row_end.size() - result.requests;
  EvaluateAuc(lists, methods, options.bootstrap, &result);
  return result;
}

}  // namespace fourfold
