#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/plan/learned_items.h"
#include "feature/state/live_features.h"
#include "fourfold/features.h"
#include "online/ranking/served_log.h"
#include "online/ranking/value_model.h"
#include "servable/trained_ranker.h"

namespace fourfold {

// Memory of one request to a ranker, reused for the next one.
struct LiveRankerScratch {
  FeatureTable table;
  TrainedRankerScratch ranker;
  std::vector<float> predictions;  // TrainedRanker::Predict's
  std::vector<double> weights;     // of the value model, as this request took them; or empty
};

// The ranker of a servable beside its features. Thread-safe.
struct LiveRanker {
  std::string version;
  std::shared_ptr<const TrainedRanker> trained;
  std::shared_ptr<const LiveFeatures> features;
  std::shared_ptr<ServedLog> log;  // null: none is kept
  // What weights of its value model somebody changed; null: none.
  std::shared_ptr<const ValueModel> value_model = nullptr;
  // Of the same servable: every request to Score brings it.
  std::shared_ptr<const LearnedItems> learned = nullptr;

  // The point where a request reads that the state has come to. An event between its commit and
  // its writer's answer may be past it: nobody was told of it yet.
  ReadPoint Clip(ReadPoint at) const;

  // The one way in which candidates get scores, whoever asks: reads their features and scores them.
  // `scores` has a place for each candidate.
  absl::Status Score(const FeatureRequest& request, LiveRankerScratch* scratch,
                     std::span<float> scores) const;
  // The features of one candidate, after Score of its request, what its score comes of
  // (TrainedRanker::ContributionsOf), and with a value model what each head predicts.
  struct Explanation {
    std::vector<FeatureReading>* features;
    std::vector<FeatureReading>* contributions;
    std::vector<ActionPrediction>* predictions;
  };
  void Explain(const FeatureRequest& request, const LiveRankerScratch& scratch,
               std::size_t candidate, const Explanation& explanation) const;

  // Orders a list that a caller brings at the read point. InvalidArgument for a bad request, with
  // the field.
  absl::StatusOr<RankResponse> Rank(const RankRequest& request, const ReadPoint& at) const;
};

}  // namespace fourfold
