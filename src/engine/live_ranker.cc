#include "engine/live_ranker.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"
#include "feature/plan/feature_matrix.h"

namespace fourfold {
namespace {

absl::Status Check(const RankRequest& request) {
  if (request.items.empty() || request.items.size() > limits::kSlateItemsMax) {
    return InvalidArgument("items: must be 1 to ", limits::kSlateItemsMax, " items");
  }
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    const std::string& item = request.items[i].item;
    if (item.empty() || item.size() > limits::kIdBytesMax) {
      return InvalidArgument("items[", i, "].item: an id has 1 to ", limits::kIdBytesMax, " bytes");
    }
  }
  return absl::OkStatus();
}

// The features of one row, and what each added to its score.
void Explain(const TrainedRanker& ranker, std::span<const float> row, RankedResult* result) {
  const TreeEnsemble& trees = *ranker.trees;
  std::vector<double> contributions(trees.features() + 1);
  trees.Contributions(row, std::span<double>(contributions));
  for (std::size_t f = 0; f < trees.features(); ++f) {
    FeatureReading& feature = result->features.emplace_back();
    feature.name = trees.feature_names()[f];
    if (!std::isnan(row[f])) feature.value = row[f];
    result->contributions.push_back({feature.name, contributions[f]});
  }
  result->contributions.push_back({std::string(kBaseContribution), contributions.back()});
}

}  // namespace

absl::StatusOr<RankResponse> LiveRanker::Rank(const RankRequest& request,
                                              const ReadPoint& at) const {
  FOURFOLD_RETURN_IF_ERROR(Check(request));
  FeatureRequest asked;
  asked.user = request.user;
  asked.session = request.session;
  asked.surface = request.surface;
  asked.fields = request.fields;
  asked.at = at;
  asked.now_ms = at.as_of_ms;
  for (const RankItem& item : request.items) {
    asked.candidates.push_back({item.item, item.fields, 0});
  }
  FeatureTable table;
  FOURFOLD_RETURN_IF_ERROR(state->Read(asked, &table));
  std::vector<float> rows;
  FillRows(*trained->plan, table, request.items.size(), &rows);
  std::vector<float> scores(request.items.size());
  trained->trees->Predict(rows, std::span<float>(scores));
  std::vector<std::size_t> order(request.items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

  RankResponse response;
  response.servable = version;
  const std::size_t columns = trained->trees->features();
  for (const std::size_t c : order) {
    RankedResult& result = response.items.emplace_back();
    result.item = request.items[c].item;
    result.input_rank = static_cast<int>(c) + 1;
    result.score = trained->trees->is_logistic() ? ProbabilityOf(scores[c]) : double{scores[c]};
    if (request.explain) {
      Explain(*trained, std::span<const float>(rows).subspan(c * columns, columns), &result);
    }
  }
  return response;
}

}  // namespace fourfold
