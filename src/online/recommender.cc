#include "online/recommender.h"

#include <atomic>
#include <optional>
#include <random>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"
#include "feature/position.h"
#include "online/explain.h"
#include "online/pipeline/state_pool.h"
#include "online/surfaces/surfaces.h"

namespace fourfold {
namespace {

absl::Status CheckId(std::string_view field, std::string_view id) {
  if (id.size() <= limits::kIdBytesMax) return absl::OkStatus();
  return InvalidArgument(field, ": has ", id.size(), " bytes, more than ", limits::kIdBytesMax);
}

absl::Status CheckList(std::string_view field, const std::vector<std::string>& items) {
  if (items.size() <= limits::kRequestItemListMax) return absl::OkStatus();
  return InvalidArgument(field, ": names ", items.size(), " items, more than ",
                         limits::kRequestItemListMax);
}

absl::Status CheckLimit(int limit) {
  if (limit >= 1 && limit <= limits::kSlateLimitMax) return absl::OkStatus();
  return InvalidArgument("limit: ", limit, " is not within 1 and ", limits::kSlateLimitMax);
}

absl::Status CheckRequest(const RecommendRequest& request) {
  FOURFOLD_RETURN_IF_ERROR(CheckLimit(request.limit));
  FOURFOLD_RETURN_IF_ERROR(CheckId("user", request.user));
  FOURFOLD_RETURN_IF_ERROR(CheckId("session", request.session));
  FOURFOLD_RETURN_IF_ERROR(CheckId("surface", request.surface));
  FOURFOLD_RETURN_IF_ERROR(CheckId("after_request", request.after_request));
  FOURFOLD_RETURN_IF_ERROR(CheckList("include_items", request.include_items));
  return CheckList("exclude_items", request.exclude_items);
}

absl::StatusOr<std::optional<Expression>> ParseFilter(const std::string& text) {
  if (text.empty()) return std::nullopt;
  absl::StatusOr<Expression> parsed = Expression::Parse(text);
  if (!parsed.ok()) return InvalidArgument("filter: ", MessageOf(parsed.status()));
  return std::optional<Expression>(*std::move(parsed));
}

// Names of requests: unique among all processes that have ever served from a log, as far as chance
// allows.
class RequestIds {
 public:
  std::string Next() {
    const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    return DigestToHex(DigestOf(StrCat(process_, "/", number)));
  }

 private:
  static std::string RandomName() {
    std::random_device random;
    return StrCat(random(), "-", random(), "-", random(), "-", random());
  }
  const std::string process_ = RandomName();
  std::atomic<std::uint64_t> next_{0};
};

std::string DescribeAnswer(const std::vector<GoldenRequest::Answer>& answers, std::size_t place) {
  if (place >= answers.size()) return "nothing";
  return StrCat(answers[place].item, " with ", absl::StrFormat("%.17g", answers[place].score));
}

absl::Status CompareGolden(const GoldenRequest& kept, const GoldenRequest& now) {
  if (kept.answers == now.answers) return absl::OkStatus();
  std::size_t place = 0;
  while (place < kept.answers.size() && place < now.answers.size() &&
         kept.answers[place] == now.answers[place]) {
    ++place;
  }
  return FailedPrecondition("golden request ", kept.name, " is answered differently: place ",
                            place + 1, " is ", DescribeAnswer(now.answers, place),
                            ", the servable says ", DescribeAnswer(kept.answers, place));
}

}  // namespace

class Recommender::Impl {
 public:
  Impl(EventStore* store, Catalogue* catalogue, RecommenderOptions options)
      : store_(store), catalogue_(catalogue), options_(std::move(options)) {
    auto bound = Bind(nullptr, nullptr);
    FOURFOLD_CHECK(bound.ok());
    active_ = *std::move(bound);
  }

  absl::StatusOr<std::shared_ptr<const BoundSurfaces>> Bind(
      std::shared_ptr<const Servable> servable, std::shared_ptr<const LiveRanker> ranker) {
    return BoundSurfaces::Bind(std::move(servable),
                               {.policy = &options_.policy,
                                .catalogue = catalogue_,
                                .store = store_,
                                .slate_log = options_.log_slates ? store_ : nullptr,
                                .ranker = std::move(ranker)});
  }

  absl::Status Activate(std::shared_ptr<const Servable> servable,
                        std::shared_ptr<const LiveRanker> ranker) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::vector<GoldenRequest> answered,
                              AnswerGoldenRequests(*servable));
    for (std::size_t i = 0; i < answered.size(); ++i) {
      FOURFOLD_RETURN_IF_ERROR(CompareGolden(servable->golden.requests[i], answered[i]));
    }
    FOURFOLD_ASSIGN_OR_RETURN(std::shared_ptr<const BoundSurfaces> bound,
                              Bind(std::move(servable), std::move(ranker)));
    MutexLock lock(&active_mutex_);
    active_.swap(bound);  // the old one goes, if nobody uses it, after the lock
    return absl::OkStatus();
  }

  std::shared_ptr<const BoundSurfaces> Active() const {
    MutexLock lock(&active_mutex_);
    return active_;
  }

  absl::StatusOr<RecommendResponse> Recommend(const RecommendRequest& request) {
    FOURFOLD_RETURN_IF_ERROR(CheckRequest(request));
    FOURFOLD_ASSIGN_OR_RETURN(const std::optional<Expression> filter, ParseFilter(request.filter));
    const std::shared_ptr<const BoundSurfaces> bound = Active();
    const ReadPoint at = store_->Now();
    FOURFOLD_RETURN_IF_ERROR(CheckPosition(request.after_position, at));

    Query query;
    query.user = request.user;
    query.session = request.session;
    query.surface = request.surface;
    query.fields = request.fields;
    query.at = at;
    query.limit = request.limit;
    query.filter = filter ? &*filter : nullptr;
    query.include_items = request.include_items;
    query.exclude_items = request.exclude_items;
    query.after_request = request.after_request;
    query.blend = &bound->home_blend;
    FOURFOLD_ASSIGN_OR_RETURN(RecommendResponse response,
                              Answer(request, *bound, *bound->home, query, {}));
    bound->home->Observe(request, at, &response);
    return response;
  }

  absl::StatusOr<RecommendResponse> Similar(const SimilarRequest& request) {
    FOURFOLD_RETURN_IF_ERROR(CheckLimit(request.limit));
    FOURFOLD_RETURN_IF_ERROR(CheckId("item", request.item));
    if (request.item.empty()) return InvalidArgument("item: is empty");
    if (!IsHeardOf(request.item)) return NotFound("there is no item ", request.item);
    FOURFOLD_ASSIGN_OR_RETURN(const std::optional<Expression> filter, ParseFilter(request.filter));
    const std::shared_ptr<const BoundSurfaces> bound = Active();

    Query query;
    query.at = store_->Now();
    query.limit = request.limit;
    query.filter = filter ? &*filter : nullptr;
    query.exclude_items = {&request.item, 1};
    query.blend = &bound->similar_blend;
    HistoryEntry about;
    about.event_time_ms = query.at.as_of_ms;
    about.item = request.item;
    return Answer({}, *bound, *bound->similar, query, {about});
  }

  absl::Status RecommendAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                             std::vector<ScoredItem>* slate) {
    return AnswerAsOf(request, bound, [&](const RequestState& state) {
      slate->resize(state.slate.size());
      for (std::size_t i = 0; i < slate->size(); ++i) {
        const Row row = state.slate[i];
        (*slate)[i].item.assign(state.query.catalogue->Id(state.candidates.items()[row]));
        (*slate)[i].score = state.candidates.score(row);
      }
    });
  }

  absl::Status RetrieveAsOf(AsOfRequest request, const BoundSurfaces& bound,
                            const RetrievalFields& fields, std::size_t candidates,
                            std::vector<FeatureCandidate>* retrieved) {
    request.ranked = false;
    return AnswerAsOf(request, bound, [&](const RequestState& state) {
      std::vector<Row> rows;
      std::vector<std::uint32_t> places;
      BestRows(state.candidates, candidates, &rows);
      fields.Tell(state.candidates, *state.query.catalogue, rows, &places, retrieved);
    });
  }

 private:
  static absl::Status CheckPosition(const std::string& after_position, const ReadPoint& at) {
    if (after_position.empty()) return absl::OkStatus();
    const absl::StatusOr<Position> position = ParsePosition(after_position);
    if (!position.ok()) return InvalidArgument("after_position: ", MessageOf(position.status()));
    if (*position < at.position_end) return absl::OkStatus();
    return FailedPrecondition("after_position: the state does not hold ", after_position, " yet");
  }

  // In an event, or in what a servable learned from.
  bool IsHeardOf(std::string_view item) const {
    const Catalogue::ReadLock lock(*catalogue_);
    return lock.Find(item) != kNoItem;
  }

  static absl::Status CheckRetriever(const std::string& name, const Pipeline& pipeline) {
    if (name.empty()) return absl::OkStatus();
    for (const auto& retriever : pipeline.retrievers()) {
      if (retriever->info().name == name) return absl::OkStatus();
    }
    return InvalidArgument("the servable has no retriever named ", name);
  }

  absl::Status AnswerAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                          absl::FunctionRef<void(const RequestState&)> take) {
    FOURFOLD_RETURN_IF_ERROR(CheckLimit(request.limit));
    Query query;
    query.user = request.user;
    query.session = request.session;
    query.surface = request.surface;
    query.at = request.at;
    query.limit = request.limit;
    if (request.include_items != nullptr) query.include_items = *request.include_items;
    if (request.exclude_items != nullptr) query.exclude_items = *request.exclude_items;
    query.apply_policy = request.apply_policy;
    query.ranked = request.ranked;
    query.servable = bound.items.get();
    query.blend = request.blend != nullptr ? request.blend : &bound.home_blend;
    query.only_retriever = request.only_retriever;
    FOURFOLD_RETURN_IF_ERROR(CheckRetriever(request.only_retriever, *bound.home));
    // Below the horizon is not a failure of a stage but the caller's: it keeps its code.
    FOURFOLD_RETURN_IF_ERROR(CheckHistory(*store_, options_.policy, request.at));

    catalogue_->AdvanceTo(store_->NowMs());
    const StatePool::Lease state(&states_);
    state->Start(query);
    FOURFOLD_RETURN_IF_ERROR(bound.home->Fetch(state.get()));
    const Catalogue::ReadLock lock(*catalogue_);
    state->query.catalogue = &lock;
    FOURFOLD_RETURN_IF_ERROR(bound.home->Run(state.get()));
    // A number that stands for a method must not quietly come from something else.
    if (!state->degraded.empty()) {
      return Internal(state->degraded[0].stage, ": ", state->degraded[0].reason);
    }
    take(*state.get());
    return absl::OkStatus();
  }

  // `given` is the history where it is not the stores'.
  absl::StatusOr<RecommendResponse> Answer(const RecommendRequest& request,
                                           const BoundSurfaces& bound, const Pipeline& pipeline,
                                           Query query, std::vector<HistoryEntry> given) {
    query.servable = bound.items.get();
    catalogue_->AdvanceTo(query.at.as_of_ms);
    const StatePool::Lease state(&states_);
    state->Start(query);
    if (!given.empty()) state->columns.history = std::move(given);
    if (bound.items->servable() == nullptr) {
      state->degraded.push_back({"servable", "none is active: the slate is filled without one"});
    }
    FOURFOLD_RETURN_IF_ERROR(pipeline.Fetch(state.get()));

    RecommendResponse response;
    response.request_id = request_ids_.Next();
    response.servable = bound.items->version();
    response.as_of_ms = query.at.as_of_ms;
    const Catalogue::ReadLock lock(*catalogue_);
    state->query.catalogue = &lock;
    FOURFOLD_RETURN_IF_ERROR(pipeline.Run(state.get()));
    Present(request, pipeline, bound.ranker.get(), *state.get(), &response);
    return response;
  }

  EventStore* const store_;
  Catalogue* const catalogue_;
  const RecommenderOptions options_;
  RequestIds request_ids_;
  StatePool states_;
  mutable Mutex active_mutex_;
  std::shared_ptr<const BoundSurfaces> active_ ABSL_GUARDED_BY(active_mutex_);  // never null
};

Recommender::Recommender(EventStore* store, Catalogue* catalogue, RecommenderOptions options)
    : impl_(std::make_unique<Impl>(store, catalogue, std::move(options))) {}
Recommender::~Recommender() = default;

absl::Status Recommender::Activate(std::shared_ptr<const Servable> servable,
                                   std::shared_ptr<const LiveRanker> ranker) {
  return impl_->Activate(std::move(servable), std::move(ranker));
}

std::map<std::string, std::size_t> Recommender::LeftOutOfEmbeddings() const {
  return impl_->Active()->items->LeftOutOfEmbeddings();
}

std::string Recommender::active_version() const { return impl_->Active()->items->version(); }

absl::StatusOr<RecommendResponse> Recommender::Recommend(const RecommendRequest& request) {
  return impl_->Recommend(request);
}

absl::StatusOr<RecommendResponse> Recommender::Similar(const SimilarRequest& request) {
  return impl_->Similar(request);
}

absl::StatusOr<std::shared_ptr<const BoundSurfaces>> Recommender::Bind(
    std::shared_ptr<const Servable> servable, std::shared_ptr<const LiveRanker> ranker) const {
  return impl_->Bind(std::move(servable), std::move(ranker));
}

absl::Status Recommender::CheckHistory(const EventStore& store, const PolicyOptions& policy,
                                       const ReadPoint& at) {
  const std::int64_t window_ms = policy.history_window_ms;
  return store.CheckReach(
      at, window_ms == 0 ? store.FloorMs(at.as_of_ms) : at.as_of_ms - window_ms + 1);
}

absl::Status Recommender::RecommendAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                                        std::vector<ScoredItem>* slate) const {
  return impl_->RecommendAsOf(request, bound, slate);
}

absl::Status Recommender::RetrieveAsOf(const AsOfRequest& request, const BoundSurfaces& bound,
                                       const RetrievalFields& fields, std::size_t candidates,
                                       std::vector<FeatureCandidate>* retrieved) const {
  return impl_->RetrieveAsOf(request, bound, fields, candidates, retrieved);
}

}  // namespace fourfold
