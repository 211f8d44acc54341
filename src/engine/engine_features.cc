#include <cmath>
#include <deque>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"
#include "engine/engine_impl.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/stored_state.h"
#include "servable/learned_items.h"

// Reading features as of any moment, out of the event store's histories.
namespace fourfold {
namespace {

std::optional<double> ValueOf(float value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

SequenceReading ReadingOf(const std::string& name, FeatureSequence sequence) {
  SequenceReading reading;
  reading.name = name;
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    SequenceReading::Action action{
        std::move(sequence.items[i]), std::move(sequence.types[i]), sequence.event_times_ms[i], {}};
    for (const std::vector<float>& field : sequence.fields) {
      action.fields.push_back(ValueOf(field[i]));
    }
    reading.actions.push_back(std::move(action));
  }
  return reading;
}

absl::Status Check(const FeatureReadRequest& request) {
  if (request.items.size() > limits::kSlateItemsMax) {
    return InvalidArgument("items: more than ", limits::kSlateItemsMax);
  }
  for (const std::string& item : request.items) {
    if (item.empty() || item.size() > limits::kIdBytesMax) {
      return InvalidArgument("items: an id has 1 to ", limits::kIdBytesMax, " bytes");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FeatureReadResponse> Engine::ReadFeatures(const FeatureReadRequest& request) const {
  const FeaturePlan* plan = impl_->recipe.features.get();
  if (plan == nullptr) {
    return FailedPrecondition("the recipe declares no features (section `features:`)");
  }
  FOURFOLD_RETURN_IF_ERROR(Check(request));
  FeatureRequest asked;
  asked.user = request.user;
  asked.session = request.session;
  asked.surface = request.surface;
  asked.fields = request.fields;
  asked.at = impl_->store->Now();
  asked.at.as_of_ms = request.as_of_ms.value_or(asked.at.as_of_ms);
  if (request.as_of_ms.has_value() || request.known_at_ms.has_value()) {
    asked.at.known_at_ms = request.known_at_ms.value_or(asked.at.as_of_ms);
  }
  asked.now_ms = asked.at.as_of_ms;
  asked.learned = LearnedItemsOf(impl_->active());
  for (const std::string& item : request.items) asked.candidates.push_back({item, {}, 0});

  FeatureTable table;
  const StoredState source(&plan->schema(), impl_->store.get());
  FOURFOLD_RETURN_IF_ERROR(fourfold::ReadFeatures(*plan, source, asked, &table));

  FeatureReadResponse response;
  response.as_of_ms = asked.at.as_of_ms;
  response.known_at_ms = asked.at.known_at_ms;
  for (const std::string& item : request.items) response.items.push_back({item, {}});
  for (std::size_t f = 0; f < plan->columns().size(); ++f) {
    const FeaturePlan::Output& output = plan->columns()[f];
    if (!output.per_candidate) {
      response.request.push_back({output.name, ValueOf(table.columns[f][0])});
      continue;
    }
    for (std::size_t i = 0; i < request.items.size(); ++i) {
      response.items[i].second.push_back({output.name, ValueOf(table.columns[f][i])});
    }
  }
  for (std::size_t s = 0; s < plan->sequences().size(); ++s) {
    response.sequences.push_back(
        ReadingOf(plan->sequences()[s].name, std::move(table.sequences[s])));
  }
  return response;
}

absl::StatusOr<std::vector<FeatureHealth>> Engine::ServedFeatures(std::size_t requests) const {
  const std::shared_ptr<const LiveRanker> ranker = impl_->ranker();
  if (ranker == nullptr) return std::vector<FeatureHealth>();
  std::deque<FeatureRequest> newest;
  FOURFOLD_RETURN_IF_ERROR(
      ServedLog::Read(impl_->directory.served(), [&](const ServedScores& served) {
        if (served.servable != ranker->version) return absl::OkStatus();
        newest.push_back(served.request);
        newest.back().learned = ranker->learned;
        if (newest.size() > requests) newest.pop_front();
        return absl::OkStatus();
      }));
  return ranker->features->StatisticsOf(newest);
}

absl::StatusOr<RankResponse> Engine::Rank(const RankRequest& request) const {
  const std::shared_ptr<const LiveRanker> ranker = impl_->ranker();
  if (ranker == nullptr) {
    return FailedPrecondition(
        "the active servable has no trained ranker: declare one in the recipe's section `ranker:`, "
        "train and activate");
  }
  return ranker->Rank(request, impl_->store->Now());
}

}  // namespace fourfold
