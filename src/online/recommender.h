#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/clock.h"
#include "data/expression.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "fourfold/recommend.h"
#include "servable/servable.h"

// The online half: a query in, a slate out.
namespace fourfold {

// What may be shown; the recipe's `policy:` section.
struct PolicyOptions {
  std::optional<Expression> filter;  // on item fields; candidates for which it is false are dropped
  struct SeenRule {
    std::string action_type;     // an item with such an action is dropped ...
    std::int64_t within_ms = 0;  // ... if it happened within this time; 0: ever
  };
  std::vector<SeenRule> seen_actions;
  int seen_impressions = 0;                     // dropped once shown this often ...
  std::int64_t seen_impressions_within_ms = 0;  // ... within this time; 0: ever. 0 times: off
  int history_actions = 200;                    // the newest actions that are read per request
  int seen_slates = 50;  // the newest slates that are read where seen_impressions is on
};

struct RecommenderOptions {
  PolicyOptions policy;
  bool log_slates = true;
};

// Thread-safe. Holds the active servable; a request is pinned to one version from start to end.
class Recommender {
 public:
  Recommender(EventStore* store, Catalogue* catalogue, RecommenderOptions options);
  ~Recommender();

  // Replays the golden requests of the servable, refuses it (FailedPrecondition, naming the first
  // request that differs and how) or makes it the active one atomically; requests under way end on
  // the old one.
  absl::Status Activate(std::shared_ptr<const Servable> servable);
  std::string active_version() const;  // empty: none, and the slate is filled without it

  absl::StatusOr<RecommendResponse> Recommend(const RecommendRequest& request);
  absl::StatusOr<RecommendResponse> Similar(const SimilarRequest& request);

  // The same pipeline at a read point of the past, leaving no trace: batch files and evaluation.
  // `only_retriever` (empty: the blend) gives that retriever's list alone. The catalogue is
  // today's unless `candidates` (may be null) restricts it further.
  struct AsOfRequest {
    std::string user;
    std::string session;
    ReadPoint at;
    int limit = 20;
    std::string only_retriever;
    const std::vector<std::string>* exclude_items = nullptr;
    bool apply_policy = true;  // false: neither recipe filter nor seen rules
  };
  // Item ids with scores, best first. Does not allocate per candidate.
  struct ScoredItem {
    std::string item;
    double score = 0;
  };
  absl::Status RecommendAsOf(const AsOfRequest& request, const Servable& servable,
                             std::vector<ScoredItem>* slate) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the golden requests of a servable on their own inputs, without any engine.
absl::StatusOr<std::vector<GoldenRequest>> AnswerGoldenRequests(const Servable& servable);

}  // namespace fourfold
