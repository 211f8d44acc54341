#include "online/ranking/live_ranker.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"

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

}  // namespace

ReadPoint LiveRanker::Clip(ReadPoint at) const {
  at.position_end = std::min(at.position_end, features->state()->end());
  return at;
}

absl::Status LiveRanker::Score(const FeatureRequest& request, LiveRankerScratch* scratch,
                               std::span<float> scores) const {
  const std::uint64_t era = log == nullptr ? 0 : log->era();
  FOURFOLD_RETURN_IF_ERROR(features->Read(request, &scratch->table));
  scratch->predictions.resize(trained->heads() * scores.size());
  const std::span<float> predictions(scratch->predictions);
  trained->Predict(request, scratch->table, &scratch->ranker, predictions);
  if (log != nullptr) log->Note(era, version, request, scratch->table, predictions);
  scratch->weights = trained->values;
  if (value_model != nullptr) value_model->Apply(*trained, scratch->weights);
  trained->Score(predictions, scratch->weights, scores);
  return absl::OkStatus();
}

void LiveRanker::Explain(const FeatureRequest& request, const LiveRankerScratch& scratch,
                         std::size_t candidate, const Explanation& explanation) const {
  for (const auto& [name, value] : trained->FeaturesOf(scratch.ranker, candidate)) {
    FeatureReading& feature = explanation.features->emplace_back();
    feature.name = name;
    if (!std::isnan(value)) feature.value = value;
  }
  for (const auto& [name, value] :
       trained->ContributionsOf(request, scratch.table, scratch.ranker, candidate)) {
    explanation.contributions->push_back({name, value});
  }
  const std::size_t candidates = request.candidates.size();
  for (std::size_t h = 0; h < scratch.weights.size(); ++h) {
    const double log_odds = scratch.predictions[h * candidates + candidate];
    explanation.predictions->push_back(
        {std::string(trained->head(h)), ProbabilityOf(log_odds), scratch.weights[h]});
  }
}

absl::StatusOr<RankResponse> LiveRanker::Rank(const RankRequest& request,
                                              const ReadPoint& at) const {
  FOURFOLD_RETURN_IF_ERROR(Check(request));
  FeatureRequest asked;
  asked.user = request.user;
  asked.session = request.session;
  asked.surface = request.surface;
  asked.fields = request.fields;
  asked.at = Clip(at);
  asked.now_ms = at.as_of_ms;
  asked.learned = learned;
  for (const RankItem& item : request.items) {
    asked.candidates.push_back({item.item, item.fields, 0});
  }
  LiveRankerScratch scratch;
  std::vector<float> scores(request.items.size());
  FOURFOLD_RETURN_IF_ERROR(Score(asked, &scratch, std::span<float>(scores)));
  std::vector<std::size_t> order(request.items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

  RankResponse response;
  response.servable = version;
  for (const std::size_t c : order) {
    RankedResult& result = response.items.emplace_back();
    result.item = request.items[c].item;
    result.input_rank = static_cast<int>(c) + 1;
    result.score = trained->ShownScore(scores[c]);
    if (!request.explain) continue;
    Explain(asked, scratch, c, {&result.features, &result.contributions, &result.predictions});
  }
  return response;
}

}  // namespace fourfold
