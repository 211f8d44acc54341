#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fourfold/event.h"

// Reading the features that a recipe declares, as of any moment.
namespace fourfold {

struct FeatureReadRequest {
  std::string user;  // either may be empty: its features then see nobody
  std::string session;
  std::vector<std::string> items;  // at most 500: whose features to read
  std::string surface;
  std::vector<Field> fields;  // of the request that is imagined: device, place, ...
  // The moment to read at; unset: now. What was known by then: known_at_ms; unset: the same moment,
  // so that nothing is seen that came to be known later.
  std::optional<std::int64_t> as_of_ms;
  std::optional<std::int64_t> known_at_ms;
};

struct FeatureReading {
  std::string name;
  std::optional<double> value;  // unset: there is none
};

struct SequenceReading {
  std::string name;
  struct Action {
    std::string item;
    std::string type;
    std::int64_t event_time_ms = 0;
    std::vector<std::optional<double>> fields;  // as the declaration names them
  };
  std::vector<Action> actions;  // newest first
};

struct FeatureReadResponse {
  std::int64_t as_of_ms = 0;
  std::int64_t known_at_ms = 0;
  std::vector<FeatureReading> request;  // the same for every item
  std::vector<std::pair<std::string, std::vector<FeatureReading>>> items;
  std::vector<SequenceReading> sequences;
};

// How the values of one feature turned out in a sample of requests.
struct FeatureHealth {
  // Upper bounds of the buckets of `staleness`: a minute, an hour, a day, a week, 30 days; what is
  // past them stands in the last bucket.
  static constexpr std::array<double, 5> kStalenessBoundsSeconds = {60, 3600, 86400, 604800,
                                                                    2592000};
  static constexpr std::size_t kStalenessBuckets = kStalenessBoundsSeconds.size() + 1;

  std::string name;
  std::uint64_t values = 0;  // one for each candidate, or for each request
  std::uint64_t nulls = 0;   // no value; of a sequence: no action
  std::uint64_t defaults =
      0;  // what the feature says of somebody without events: a count of 0, ...
  // From the newest event of those that a value comes of to its request: how many values are in
  // each bucket, and all of them added up. Values that come of no dated event count in none.
  std::array<std::uint64_t, kStalenessBuckets> staleness{};
  double staleness_seconds = 0;
};

// What the state of the active ranker's features takes in memory.
struct FeatureStateInfo {
  std::uint64_t bytes = 0;
  // Not all of it is in memory: of `cached_entities`, while others are read from the histories.
  bool is_cached = false;
  std::uint64_t cached_entities = 0;  // of each item, user and session up to two, as features need
  std::uint64_t reads = 0;            // of entities, by requests
  std::uint64_t misses = 0;           // how many were read from the histories
};

// A list that the caller brings, to be put in order by the active servable's trained ranker.
struct RankItem {
  std::string item;
  std::vector<Field> fields;  // what the caller knows of it now: the price shown, ...
};

struct RankRequest {
  std::string user;  // either may be empty
  std::string session;
  std::string surface;
  std::vector<Field> fields;    // of the request
  std::vector<RankItem> items;  // 1 to 500
  bool explain = false;
};

// What one head of a ranker with several predicts of a candidate, and what that weighs: the score
// is the sum of all probabilities, each times its weight.
struct ActionPrediction {
  std::string head;
  double probability = 0;
  double weight = 0;
};

// The name under which RankedResult::contributions tell what the score is without any feature.
inline constexpr char kBaseContribution[] = "(base)";

struct RankedResult {
  std::string item;
  // A probability where the ranker predicts a single one, else a number to compare: with several
  // heads the sum by the value model.
  double score = 0;
  int input_rank = 0;  // the place, from 1, in the caller's list
  // With explain: the features, and what each added to the score (of a probability: to its
  // log-odds). By a TransAct ranker instead: the share of the last layer's attention that each of
  // the user's actions got, newest first, under "action 1: " and so on, its type and item.
  std::vector<FeatureReading> features;
  std::vector<FeatureReading> contributions;
  std::vector<ActionPrediction> predictions;  // with explain, where the recipe declares heads
};

struct RankResponse {
  std::string servable;
  std::vector<RankedResult> items;  // best first; equals in the caller's order
};

// How the active servable's ranker orders: by the sum of what its heads predict, each times its
// weight.
struct ValueModelView {
  std::string servable;
  struct Head {
    std::string head;
    double weight = 0;         // in force
    double recipe_weight = 0;  // as the servable was trained with
  };
  std::vector<Head> heads;
};
inline constexpr double kValueModelWeightMax = 1e6;  // and not below its negative

// What was served, against what is read anew from the log as of the moment it was served at.
struct SkewReport {
  std::uint64_t requests = 0;        // compared
  std::uint64_t without_ranker = 0;  // left out: their servable is gone
  std::uint64_t below_horizon = 0;   // left out: history that they looked at is not retained
  std::uint64_t values = 0;          // compared: features, actions of sequences, scores
  std::uint64_t differing = 0;       // of them; a bit is enough
  std::int64_t first_ms = 0;         // the times of the oldest and the newest request compared
  std::int64_t last_ms = 0;
  std::vector<std::pair<std::string, std::uint64_t>> differing_by_feature;

  struct Difference {
    std::int64_t as_of_ms = 0;  // of the request
    std::string user;           // its user, or session
    std::string servable;
    std::string feature;  // kScoreFeature: the score
    std::string item;     // empty: the same for all candidates
    std::string logged;   // as text
    std::string recomputed;
  };
  static constexpr std::size_t kDifferencesMax = 1000;
  std::vector<Difference> differences;  // the first of them
};
inline constexpr char kScoreFeature[] = "(score)";

}  // namespace fourfold
