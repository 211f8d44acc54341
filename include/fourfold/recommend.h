#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fourfold/event.h"
#include "fourfold/features.h"

// Requests for slates and their answers.
namespace fourfold {

struct RecommendRequest {
  std::string user;     // empty: anonymous
  std::string session;  // empty: none
  std::string surface = "home";
  std::vector<Field> fields;  // of the request (device, place, ...), for features and the log
  int limit = 20;             // items wanted, 1..500
  std::string filter;  // expression on item fields, e.g. price < 5 and not (kind == "postage")
  std::vector<std::string> include_items;  // when not empty, nothing else may be shown
  std::vector<std::string> exclude_items;  // never shown
  std::string after_request;  // request_id of the page before: nothing of it is shown again
  // The position returned by POST /v1/events: the answer is computed only once the state holds it.
  std::string after_position;
  std::string why_not_item;  // explain what became of this item
  bool explain = false;
  bool log_slate = true;  // leave a ranking event (may be switched off by the recipe too)
};

// Why one candidate stands where it stands.
struct RetrieverContribution {
  std::string retriever;
  int rank = 0;              // 1 is first, in that retriever's list
  double score = 0;          // the retriever's own score
  double blended = 0;        // what it added to the final score
  std::string because_item;  // the user's action that weighed most, or empty
  std::string because_type;
  std::int64_t because_time_ms = 0;
};

struct RecommendedItem {
  std::string item;
  double score = 0;
  std::vector<std::string> retrievers;               // who found it; {"fill"} where nobody did
  std::vector<Field> fields;                         // only with explain
  std::vector<RetrieverContribution> contributions;  // only with explain
  // Where a trained ranker put it in order: its place, from 1, in the blend's order, and how it was
  // found, as the ranker was told and the log keeps it.
  int blend_rank = 0;  // 0: no ranker did
  std::vector<Field> retrieval_fields;
  // Only with explain, then: the blend's score, the features, and what each added to the score.
  double blend_score = 0;
  std::vector<FeatureReading> features;
  std::vector<FeatureReading> feature_contributions;
  std::vector<ActionPrediction> predictions;  // where the ranker has several heads
};

// A candidate that a filter dropped, and which one.
struct DroppedItem {
  std::string item;
  std::string dropped_by;  // name of the filter, e.g. "seen", "recipe_filter", "request_filter"
  std::string reason;
};

struct WhyNot {
  std::string item;
  std::string verdict;  // "shown" | "dropped" | "outranked" | "not_retrieved" | "unknown_item"
  std::string reason;   // in words, with the filter or the ranks
};

// A stage that failed or was skipped; the slate came out all the same.
struct Degradation {
  std::string stage;
  std::string reason;
};

struct RecommendResponse {
  std::string request_id;  // echo it in `ranking` of the interactions that answer this slate
  std::string servable;    // the version that answered
  std::int64_t as_of_ms = 0;
  std::vector<RecommendedItem> items;
  std::vector<Degradation> degraded;
  // Only with explain:
  std::vector<DroppedItem> dropped;  // at most 200
  std::vector<Event> history;        // the user's actions that were used, newest first
  WhyNot why_not;                    // only with why_not_item
};

struct SimilarRequest {
  std::string item;
  int limit = 20;
  std::string filter;
};

}  // namespace fourfold
