#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "fourfold/recommend.h"
#include "online/policy/policy_options.h"
#include "online/ranking/live_ranker.h"
#include "online/ranking/retrieval_fields.h"
#include "servable/servable.h"

// The online half: a query in, a slate out.
namespace fourfold {

struct RecommenderOptions {
  PolicyOptions policy;
  bool log_slates = true;
};

// A servable made ready to answer requests from one catalogue: Recommender::Bind. Immutable.
struct BoundSurfaces;

// Thread-safe. Holds the active servable; a request is pinned to one version from start to end.
// The store's CommitListener must feed the catalogue.
class Recommender {
 public:
  // The store and the catalogue outlive it.
  Recommender(EventStore* store, Catalogue* catalogue, RecommenderOptions options);
  ~Recommender();

  // Replays the golden requests of the servable, refuses it (FailedPrecondition, naming the first
  // request that differs and how) or makes it the active one atomically; requests under way end on
  // the old one.
  // `ranker`: the servable's own beside its state; null: the blend alone orders slates.
  absl::Status Activate(std::shared_ptr<const Servable> servable,
                        std::shared_ptr<const LiveRanker> ranker = nullptr);
  // Of the active servable: BoundServable's.
  std::map<std::string, std::size_t> LeftOutOfEmbeddings() const;
  std::string active_version() const;  // empty: none, and the slate is filled without it

  // InvalidArgument for a bad request, with the field; FailedPrecondition for an after_position
  // that the state does not hold. What can be answered without is listed in `degraded`.
  absl::StatusOr<RecommendResponse> Recommend(const RecommendRequest& request);
  // Leaves no trace in the log. An item that nobody has heard of gets what is popular.
  absl::StatusOr<RecommendResponse> Similar(const SimilarRequest& request);

  // For RecommendAsOf: any servable, active or not, published or not. The result must not outlive
  // this object. FailedPrecondition when the parts of the servable do not fit together.
  absl::StatusOr<std::shared_ptr<const BoundSurfaces>> Bind(
      std::shared_ptr<const Servable> servable,
      std::shared_ptr<const LiveRanker> ranker = nullptr) const;

  // The same pipeline at a read point of the past, leaving no trace: batch files and evaluation.
  // `only_retriever` (empty: the blend) gives that retriever's list alone, without the fill. The
  // catalogue is that of the clock: which items there are, and the fields that filters read.
  struct AsOfRequest {
    std::string user;
    std::string session;
    std::string surface = "home";
    ReadPoint at;
    int limit = 20;
    std::string only_retriever;
    const std::vector<std::string>* include_items = nullptr;  // not null: only these
    const std::vector<std::string>* exclude_items = nullptr;
    bool apply_policy = true;          // false: neither recipe filter nor seen rules
    const BlendSpec* blend = nullptr;  // null: the servable's own
    bool ranked = true;                // false: the trained ranker is not asked
  };
  struct ScoredItem {
    std::string item;
    double score = 0;
  };
  // OutOfRange, with the horizon, where the history that a request reads at `at` lies below it.
  static absl::Status CheckHistory(const EventStore& store, const PolicyOptions& policy,
                                   const ReadPoint& at);
  // Item ids with scores, best first; fewer than `limit` when there are no more. Strings of *slate
  // are reused: hand in the same one again.
  absl::Status RecommendAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                             std::vector<ScoredItem>* slate) const;
  // What a ranker would be asked to order, in the order of the blend: at most `candidates`, with
  // what `fields` tells of each.
  absl::Status RetrieveAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                            const RetrievalFields& fields, std::size_t candidates,
                            std::vector<FeatureCandidate>* retrieved) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the golden requests of a servable on their own inputs, without any engine or policy; the
// result has the answers as they come out now.
absl::StatusOr<std::vector<GoldenRequest>> AnswerGoldenRequests(const Servable& servable);

}  // namespace fourfold
