#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/digest.h"
#include "base/strings.h"
#include "data/limits.h"
#include "server/answers.h"
#include "server/api.h"
#include "server/feature_bodies.h"
#include "server/openapi.h"

namespace fourfold {
namespace {

constexpr int kActionsMax = 1000;
constexpr int kActionsDefault = 100;

ApiAnswer Good(std::string body) {
  ApiAnswer answer;
  answer.body = std::move(body);
  return answer;
}

ApiAnswer Failed(const absl::Status& status, std::string_view request_id) {
  return Api::Refuse(KindOf(status), MessageOf(status), request_id);
}

// A servable that is damaged is refused as any other that cannot serve; the server has not failed.
absl::Status AsRefused(const absl::Status& status) {
  return absl::IsDataLoss(status) ? FailedPrecondition(MessageOf(status)) : status;
}

ApiAnswer Invalid(const FieldErrors& errors, std::string_view request_id) {
  const FieldError& first = errors.front();
  return Api::Refuse(kInvalidRequest,
                     first.field.empty() ? first.detail : StrCat(first.field, " ", first.detail),
                     request_id, errors);
}

const std::string* Parameter(const QueryParameters& query, std::string_view name) {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

// The `limit` of a query: true when it is absent (then *limit stays) or good.
bool ReadLimit(const QueryParameters& query, int max, int* limit) {
  const std::string* text = Parameter(query, "limit");
  if (text == nullptr) return true;
  const std::optional<int> parsed = ParseLimit(*text, max);
  if (parsed) *limit = *parsed;
  return parsed.has_value();
}

ApiAnswer BadLimit(int max, std::string_view request_id) {
  return Invalid({{"limit", StrCat("must be a whole number from 1 to ", max)}}, request_id);
}

// The fields to write so that those in `wanted`, sorted by name, are all that is left.
std::vector<Field> Replacing(const std::vector<Field>& old, std::vector<Field> wanted) {
  std::vector<Field> removed;
  for (const Field& field : old) {
    const bool stays =
        std::binary_search(wanted.begin(), wanted.end(), field,
                           [](const Field& a, const Field& b) { return a.name < b.name; });
    if (!stays) removed.push_back({field.name, std::monostate()});
  }
  std::move(removed.begin(), removed.end(), std::back_inserter(wanted));
  return wanted;
}

}  // namespace

ApiAnswer Api::Recommend(const Call& call, const ApiRequest& request) {
  RecommendRequest query;
  const FieldErrors errors = DecodeRecommendBody(request.body, &query);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  const absl::StatusOr<RecommendResponse> response = engine_->Recommend(query);
  if (!response.ok()) return Failed(response.status(), call.request_id);
  metrics_->SlateServed(query.surface, !response->degraded.empty());
  ApiAnswer answer = Good(RecommendJson(*response, query.explain));
  if (call.request_id_is_ours) answer.request_id = response->request_id;
  return answer;
}

ApiAnswer Api::SimilarItems(const Call& call, const ApiRequest&) {
  SimilarRequest query;
  query.item = call.values.front();
  if (!ReadLimit(call.query, limits::kSlateLimitMax, &query.limit)) {
    return BadLimit(limits::kSlateLimitMax, call.request_id);
  }
  if (const std::string* filter = Parameter(call.query, "filter")) query.filter = *filter;
  const absl::StatusOr<RecommendResponse> response = engine_->SimilarItems(query);
  if (!response.ok()) return Failed(response.status(), call.request_id);
  return Good(SimilarJson(*response, call.request_id));
}

ApiAnswer Api::PostEvents(const Call& call, const ApiRequest& request) {
  const auto began = std::chrono::steady_clock::now();
  const absl::StatusOr<std::vector<IngestResult>> results = engine_->IngestJson(request.body);
  if (!results.ok()) return Failed(results.status(), call.request_id);
  std::array<std::size_t, 3> counts{};
  for (const IngestResult& result : *results) ++counts[static_cast<std::size_t>(result.outcome)];
  for (const auto outcome :
       {IngestOutcome::kAccepted, IngestOutcome::kDuplicate, IngestOutcome::kRejected}) {
    metrics_->EventsTaken(outcome, counts[static_cast<std::size_t>(outcome)]);
  }
  const std::size_t rejected = counts[static_cast<std::size_t>(IngestOutcome::kRejected)];
  if (rejected < results->size()) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
    metrics_->EventsVisible(taken.count());
  }
  if (rejected == results->size() && rejected > 0) {
    FieldErrors errors;
    for (std::size_t i = 0; i < results->size(); ++i) {
      errors.push_back({StrCat("events[", i, "]"), (*results)[i].error});
    }
    return Refuse(kEventsRejected, results->front().error, call.request_id, errors);
  }
  ApiAnswer answer = Good(IngestJson(*results, call.request_id));
  if (rejected > 0) answer.status = 207;
  return answer;
}

ApiAnswer Api::IngestOne(Event event, const Call& call, const ApiRequest& request) {
  if (!request.idempotency_key.empty()) event.id = std::string(request.idempotency_key);
  const absl::StatusOr<std::vector<IngestResult>> results = engine_->Ingest({&event, 1});
  if (!results.ok()) return Failed(results.status(), call.request_id);
  const IngestResult& result = results->front();
  metrics_->EventsTaken(result.outcome, 1);
  if (result.outcome == IngestOutcome::kRejected) {
    return Refuse(kInvalidRequest, result.error, call.request_id, {{"", result.error}});
  }
  return Good(IngestJson(*results, call.request_id));
}

ApiAnswer Api::WriteEntity(EventKind kind, Fields mode, const Call& call,
                           const ApiRequest& request) {
  EntityBody body;
  const FieldErrors errors = DecodeEntityBody(request.body, &body);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  Event event;
  event.kind = kind;
  event.event_time_ms = body.event_time_ms;
  const std::string& id = call.values.front();
  (kind == EventKind::kItem ? event.item : event.user) = id;

  MutexLock lock(&entity_mutexes_[StableHash(id) % entity_mutexes_.size()]);
  if (mode == Fields::kReplace) {
    const absl::StatusOr<EntityView> old =
        kind == EventKind::kItem ? engine_->GetItem(id) : engine_->GetUser(id);
    if (!old.ok() && !absl::IsNotFound(old.status())) return Failed(old.status(), call.request_id);
    if (old.ok()) body.fields = Replacing(old->fields, std::move(body.fields));
  }
  event.fields = std::move(body.fields);
  return IngestOne(std::move(event), call, request);
}

ApiAnswer Api::PutItem(const Call& call, const ApiRequest& request) {
  return WriteEntity(EventKind::kItem, Fields::kReplace, call, request);
}

ApiAnswer Api::PatchItem(const Call& call, const ApiRequest& request) {
  return WriteEntity(EventKind::kItem, Fields::kMerge, call, request);
}

ApiAnswer Api::PutUser(const Call& call, const ApiRequest& request) {
  return WriteEntity(EventKind::kUser, Fields::kReplace, call, request);
}

ApiAnswer Api::PatchUser(const Call& call, const ApiRequest& request) {
  return WriteEntity(EventKind::kUser, Fields::kMerge, call, request);
}

ApiAnswer Api::DeleteItem(const Call& call, const ApiRequest& request) {
  Event tombstone;
  tombstone.kind = EventKind::kItem;
  tombstone.item = call.values.front();
  tombstone.deleted = true;
  return IngestOne(std::move(tombstone), call, request);
}

ApiAnswer Api::DeleteUser(const Call& call, const ApiRequest&) {
  const std::string& user = call.values.front();
  const absl::StatusOr<std::uint64_t> events = engine_->EraseUser(user);
  if (!events.ok()) return Failed(events.status(), call.request_id);
  return Good(ErasedJson(user, *events, call.request_id));
}

ApiAnswer Api::ReadEntity(EventKind kind, const Call& call) {
  const std::string& id = call.values.front();
  const std::string_view name = kind == EventKind::kItem ? "item" : "user";
  const absl::StatusOr<EntityView> entity =
      kind == EventKind::kItem ? engine_->GetItem(id) : engine_->GetUser(id);
  if (!entity.ok()) return Failed(entity.status(), call.request_id);
  if (entity->erased) return Refuse(kGone, StrCat(name, " ", id, " was erased"), call.request_id);
  if (!entity->exists) {
    return Refuse(kNotFound, StrCat("there is no ", name, " ", id), call.request_id);
  }
  return Good(EntityJson(name, id, *entity, call.request_id));
}

ApiAnswer Api::GetItem(const Call& call, const ApiRequest&) {
  return ReadEntity(EventKind::kItem, call);
}

ApiAnswer Api::GetUser(const Call& call, const ApiRequest&) {
  return ReadEntity(EventKind::kUser, call);
}

ApiAnswer Api::GetUserActions(const Call& call, const ApiRequest&) {
  int limit = kActionsDefault;
  if (!ReadLimit(call.query, kActionsMax, &limit)) return BadLimit(kActionsMax, call.request_id);
  const std::string& user = call.values.front();
  const absl::StatusOr<std::vector<Event>> actions = engine_->GetUserActions(user, limit);
  if (!actions.ok()) return Failed(actions.status(), call.request_id);
  if (actions->empty()) {
    const absl::StatusOr<EntityView> entity = engine_->GetUser(user);
    if (!entity.ok()) return Failed(entity.status(), call.request_id);
    if (entity->erased) return Refuse(kGone, StrCat("user ", user, " was erased"), call.request_id);
  }
  return Good(ActionsJson(user, *actions, call.request_id));
}

ApiAnswer Api::Rank(const Call& call, const ApiRequest& request) {
  RankRequest query;
  const FieldErrors errors = DecodeRankBody(request.body, &query);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  const absl::StatusOr<RankResponse> response = engine_->Rank(query);
  if (!response.ok()) return Failed(response.status(), call.request_id);
  return Good(RankJson(*response, query.explain, call.request_id));
}

ApiAnswer Api::ReadFeatures(const Call& call, const ApiRequest& request) {
  FeatureReadRequest query;
  const FieldErrors errors = DecodeFeatureReadBody(request.body, &query);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  const absl::StatusOr<FeatureReadResponse> response = engine_->ReadFeatures(query);
  if (!response.ok()) return Failed(response.status(), call.request_id);
  return Good(FeaturesJson(*response, call.request_id));
}

ApiAnswer Api::GetValueModel(const Call& call, const ApiRequest&) {
  const absl::StatusOr<ValueModelView> model = engine_->GetValueModel();
  if (!model.ok()) return Failed(model.status(), call.request_id);
  return Good(ValueModelJson(*model, call.request_id));
}

ApiAnswer Api::PutValueModel(const Call& call, const ApiRequest& request) {
  std::vector<std::pair<std::string, double>> weights;
  const FieldErrors errors = DecodeValueModelBody(request.body, &weights);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  const absl::StatusOr<ValueModelView> model = engine_->SetValueModel(weights);
  if (!model.ok()) return Failed(model.status(), call.request_id);
  return Good(ValueModelJson(*model, call.request_id));
}

ApiAnswer Api::GetServables(const Call& call, const ApiRequest&) {
  const absl::StatusOr<std::vector<ServableInfo>> servables = engine_->Servables();
  if (!servables.ok()) return Failed(servables.status(), call.request_id);
  return Good(ServablesJson(*servables, trainer_.View(), call.request_id));
}

ApiAnswer Api::TrainServable(const Call& call, const ApiRequest& request) {
  bool activate = false;
  const FieldErrors errors = DecodeTrainBody(request.body, &activate);
  if (!errors.empty()) return Invalid(errors, call.request_id);
  const absl::Status status = trainer_.Start(activate);
  if (!status.ok()) return Failed(status, call.request_id);
  ApiAnswer answer = Good(TrainingJson(trainer_.View(), call.request_id));
  answer.status = 202;
  return answer;
}

ApiAnswer Api::ActivateServable(const Call& call, const ApiRequest&) {
  const absl::Status status = engine_->Activate(call.values.front());
  if (!status.ok()) return Failed(AsRefused(status), call.request_id);
  return Good(ActiveServableJson(engine_->Status().active_servable, call.request_id));
}

ApiAnswer Api::RollbackServable(const Call& call, const ApiRequest&) {
  const absl::StatusOr<std::string> version = engine_->Rollback();
  if (!version.ok()) return Failed(AsRefused(version.status()), call.request_id);
  return Good(ActiveServableJson(*version, call.request_id));
}

ApiAnswer Api::HealthLive(const Call& call, const ApiRequest&) {
  return Good(LiveJson(call.request_id));
}

ApiAnswer Api::HealthReady(const Call& call, const ApiRequest&) {
  if (stopping_.load(std::memory_order_relaxed)) {
    return Refuse(kUnavailable, "the server is stopping", call.request_id);
  }
  const EngineStatus status = engine_->Status();
  if (status.refuses_writes) {
    return Refuse(kUnavailable, "the store refuses writes since one failed: restart the server",
                  call.request_id);
  }
  if (status.active_servable.empty()) {
    return Refuse(kUnavailable, "no servable is active: train, publish and activate one",
                  call.request_id);
  }
  return Good(ReadyJson(status, call.request_id));
}

ApiAnswer Api::Metrics(const Call& call, const ApiRequest&) {
  const absl::StatusOr<std::vector<ServableInfo>> servables = engine_->Servables();
  if (!servables.ok()) return Failed(servables.status(), call.request_id);
  ApiAnswer answer = Good(metrics_->Expose(engine_->Status(), *servables));
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return answer;
}

ApiAnswer Api::OpenApi(const Call&, const ApiRequest&) { return Good(std::string(OpenApiJson())); }

}  // namespace fourfold
