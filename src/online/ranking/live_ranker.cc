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
  at.position_end = std::min(at.position_end, state->end());
  return at;
}

absl::Status LiveRanker::Score(const FeatureRequest& request, LiveRankerScratch* scratch,
                               std::span<float> scores) const {
  FOURFOLD_RETURN_IF_ERROR(state->Read(request, &scratch->table));
  trained->Score(request, scratch->table, &scratch->ranker, scores);
  if (log != nullptr) log->Note(version, request, scratch->table, scores);
  return absl::OkStatus();
}

void LiveRanker::Explain(const FeatureRequest& request, const LiveRankerScratch& scratch,
                         std::size_t candidate, std::vector<FeatureReading>* features,
                         std::vector<FeatureReading>* contributions) const {
  for (const auto& [name, value] : trained->FeaturesOf(scratch.ranker, candidate)) {
    FeatureReading& feature = features->emplace_back();
    feature.name = name;
    if (!std::isnan(value)) feature.value = value;
  }
  for (const auto& [name, value] :
       trained->ContributionsOf(request, scratch.table, scratch.ranker, candidate)) {
    contributions->push_back({name, value});
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
    if (request.explain) Explain(asked, scratch, c, &result.features, &result.contributions);
  }
  return response;
}

}  // namespace fourfold
