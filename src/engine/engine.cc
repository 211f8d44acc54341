#include "fourfold/engine.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_json.h"
#include "data/limits.h"
#include "data/timestamp.h"
#include "engine/engine_impl.h"
#include "feature/position.h"
#include "offline/ranking/row_checkpoint.h"

namespace fourfold {
namespace {

IngestResult FromAppend(AppendResult result) {
  IngestResult ingested;
  ingested.id = std::move(result.id);
  if (result.outcome == EventOutcome::kRejected) {
    ingested.error = std::string(MessageOf(result.status));
    return ingested;
  }
  ingested.outcome = result.outcome == EventOutcome::kAccepted ? IngestOutcome::kAccepted
                                                               : IngestOutcome::kDuplicate;
  ingested.position = FormatPosition(result.position);
  ingested.event_time_ms = result.event_time_ms;
  return ingested;
}

EntityView FromEntity(EntityAsOf entity) {
  EntityView view{.exists = entity.exists, .erased = entity.erased, .fields = {}};
  for (FieldAsOf& field : entity.fields) {
    if (std::holds_alternative<std::monostate>(field.value)) continue;
    view.fields.push_back({.name = std::move(field.name), .value = std::move(field.value)});
  }
  return view;
}

// For a directory that is no engine's yet.
absl::Status NoRecipe(const std::string& directory, std::string_view what) {
  return FailedPrecondition(directory, ": ", what,
                            "; name an engine's directory (--directory), or ",
                            "a recipe to make one there (--recipe)");
}

// The recipe to open with: the one named, else the one that the directory holds.
absl::StatusOr<Recipe> ChooseRecipe(const EngineDirectory& directory,
                                    const std::string& recipe_path) {
  if (!recipe_path.empty()) return LoadRecipe(recipe_path);
  if (!directory.HasRecipe()) return NoRecipe(directory.path(), "has no recipe yet");
  return LoadRecipe(directory.recipe());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  // A recipe that cannot be read leaves no directory behind.
  if (!options.recipe_path.empty()) {
    FOURFOLD_RETURN_IF_ERROR(LoadRecipe(options.recipe_path).status());
  } else if (std::error_code error; !options.directory.empty() &&
                                    !std::filesystem::exists(options.directory, error) && !error) {
    return NoRecipe(options.directory, "there is no such directory");
  }
  FOURFOLD_ASSIGN_OR_RETURN(EngineDirectory directory, EngineDirectory::Open(options.directory));
  FOURFOLD_ASSIGN_OR_RETURN(Recipe recipe, ChooseRecipe(directory, options.recipe_path));
  auto impl = std::make_unique<Impl>(std::move(directory), std::move(recipe));
  FOURFOLD_RETURN_IF_ERROR(impl->Start(options));
  // Only now, as another process that holds the directory goes by its recipe.
  if (options.keep_recipe || !impl->directory.HasRecipe()) {
    FOURFOLD_RETURN_IF_ERROR(impl->directory.SaveRecipe(impl->recipe.text));
  }
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

absl::Status Engine::KeepRecipe() { return impl_->directory.SaveRecipe(impl_->recipe.text); }

absl::Status Engine::Impl::Start(const EngineOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(OpenStore(options));
  FOURFOLD_RETURN_IF_ERROR(ReadValueModel());
  FOURFOLD_RETURN_IF_ERROR(catalogue.Load(*store));
  store->SetCommitListener([this](absl::Span<const LoggedEvent> committed) {
    catalogue.Apply(committed, store->NowMs());
    Follow(committed);
  });
  recommender = std::make_unique<Recommender>(
      store.get(), &catalogue,
      RecommenderOptions{.policy = recipe.policy, .log_slates = recipe.log_slates});
  if (!options.read_only_servable) LoadActive();
  return absl::OkStatus();
}

absl::Status Engine::Impl::OpenStore(const EngineOptions& options) {
  if (options.clock_at_ms.has_value()) clock.StartAt(*options.clock_at_ms);
  EventStoreOptions store_options;
  store_options.directory = directory.events();
  store_options.retain_ms = recipe.retain_ms;
  FOURFOLD_ASSIGN_OR_RETURN(store, EventStore::Open(store_options, &clock));
  // The store's lock keeps every other engine out.
  FOURFOLD_RETURN_IF_ERROR(directory.EmptyTemporary());
  std::optional<std::int64_t> start_ms = options.clock_at_ms;
  if (options.clock_at_log_end) {
    if (store->LastEventTimeMs() == kSinceForEverMs) {
      return FailedPrecondition("the clock cannot start at the end of the log: it holds no event");
    }
    start_ms = store->LastEventTimeMs();
    clock.StartAt(*start_ms);
  }
  if (!start_ms.has_value()) return absl::OkStatus();
  // Live events of an earlier run may lie after the time asked for. The store's clock would stand
  // still until ours has caught up with them; so ours starts there.
  const std::int64_t earliest_ms = store->NowMs();
  if (earliest_ms > clock.NowMs()) {
    clock.StartAt(earliest_ms);
    open_warnings.push_back(StrCat("the clock starts at ", FormatTimestamp(earliest_ms),
                                   " instead of ", FormatTimestamp(*start_ms),
                                   ": the log holds events acknowledged up to then"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IngestResult>> Engine::Ingest(std::span<const Event> events) {
  FOURFOLD_ASSIGN_OR_RETURN(
      std::vector<AppendResult> appended,
      impl_->store->Append(absl::MakeConstSpan(events.data(), events.size())));
  std::vector<IngestResult> results;
  results.reserve(appended.size());
  for (AppendResult& result : appended) results.push_back(FromAppend(std::move(result)));
  return results;
}

absl::StatusOr<std::vector<IngestResult>> Engine::IngestJson(std::string_view json) {
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<absl::StatusOr<Event>> parsed, ParseEventsJson(json));
  std::vector<Event> events;
  for (absl::StatusOr<Event>& event : parsed) {
    if (event.ok()) events.push_back(*std::move(event));
  }
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<IngestResult> ingested, Ingest(events));
  std::vector<IngestResult> results(parsed.size());
  auto next = ingested.begin();
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    if (parsed[i].ok()) {
      results[i] = std::move(*next++);
    } else {
      results[i].error = std::string(MessageOf(parsed[i].status()));
    }
  }
  return results;
}

absl::StatusOr<RecommendResponse> Engine::Recommend(const RecommendRequest& request) {
  return impl_->recommender->Recommend(request);
}

absl::StatusOr<RecommendResponse> Engine::SimilarItems(const SimilarRequest& request) {
  return impl_->recommender->Similar(request);
}

absl::StatusOr<EntityView> Engine::GetItem(std::string_view item) const {
  const ReadPoint now = impl_->store->Now();
  FOURFOLD_ASSIGN_OR_RETURN(EntityAsOf entity, impl_->store->ReadItem(item, now));
  if (!entity.exists && impl_->recipe.membership == Catalogue::Membership::kActedOn) {
    impl_->catalogue.AdvanceTo(now.as_of_ms);
    const Catalogue::ReadLock catalogue(impl_->catalogue);
    const ItemIndex index = catalogue.Find(item);
    entity.exists = index != kNoItem && catalogue.Exists(index);
  }
  return FromEntity(std::move(entity));
}

absl::StatusOr<EntityView> Engine::GetUser(std::string_view user) const {
  const ReadPoint now = impl_->store->Now();
  FOURFOLD_ASSIGN_OR_RETURN(EntityAsOf entity, impl_->store->ReadUser(user, now));
  if (!entity.exists && !entity.erased && !user.empty()) {
    std::vector<HistoryEntry> actions;
    FOURFOLD_RETURN_IF_ERROR(
        impl_->store->ReadHistory({.user = user, .session = {}, .limit = 1}, now, &actions));
    entity.exists = !actions.empty();
  }
  return FromEntity(std::move(entity));
}

absl::StatusOr<std::vector<Event>> Engine::GetUserActions(std::string_view user, int limit) const {
  if (user.empty()) return InvalidArgument("user: must not be empty");
  if (limit < 1 || limit > kUserActionsMax) {
    return InvalidArgument("limit: must lie between 1 and ", kUserActionsMax);
  }
  std::vector<HistoryEntry> history;
  FOURFOLD_RETURN_IF_ERROR(impl_->store->ReadHistory(
      {.user = user, .session = {}, .limit = static_cast<std::size_t>(limit)}, impl_->store->Now(),
      &history));
  std::vector<Event> actions;
  actions.reserve(history.size());
  for (const HistoryEntry& entry : history) {
    FOURFOLD_RETURN_IF_ERROR(
        impl_->store->ScanLog(entry.position, entry.position + 1, [&](const LoggedEvent& logged) {
          actions.push_back(logged.event);
          return false;
        }));
  }
  return actions;
}

absl::StatusOr<std::uint64_t> Engine::EraseUser(std::string_view user) {
  if (user.empty()) return InvalidArgument("user: must not be empty");
  absl::StatusOr<std::uint64_t> erased = impl_->store->EraseUser(user);
  // Until they are filled anew, which may fail and is then up to the next one.
  if (!erased.ok() || *erased > 0) impl_->states_hold_removed = true;
  // It says what the user did, or that somebody asked for them, and can no longer be computed anew;
  // also where the log held nothing of them, or no longer does after an erasure that broke off.
  FOURFOLD_RETURN_IF_ERROR(impl_->served->Clear());
  RowCheckpoint::Remove(impl_->directory.row_checkpoint());
  if (erased.ok() && (*erased > 0 || impl_->states_hold_removed)) {
    FOURFOLD_RETURN_IF_ERROR(impl_->FillFeaturesAnew());
    // Until now requests read the state of before.
    FOURFOLD_RETURN_IF_ERROR(impl_->served->Clear());
  }
  return erased;
}

std::int64_t Engine::NowMs() const { return impl_->store->NowMs(); }

std::string Engine::TitleField() const { return impl_->recipe.title_field; }

EngineStatus Engine::Status() const {
  EngineStatus status;
  status.recipe = impl_->recipe.name;
  status.directory = impl_->directory.path();
  status.warnings = impl_->open_warnings;
  status.now_ms = impl_->store->NowMs();
  status.last_event_time_ms = impl_->store->LastEventTimeMs();
  status.retain_ms = impl_->recipe.retain_ms;
  status.horizon_ms = impl_->store->HorizonMs();
  const EventStore::Stats stats = impl_->store->ReadStats();
  status.events = stats.events;
  status.refuses_writes = stats.refuses_writes;
  status.disk_bytes = stats.disk_bytes;
  status.memory_bytes = stats.memory_bytes;
  status.active_servable = impl_->recommender->active_version();
  const absl::StatusOr<ServableRepository::State> state = impl_->repository.ReadState();
  if (state.ok()) {
    status.previous_servable = state->previous;
    if (state->active != status.active_servable) status.refused_servable = state->active;
  } else {
    status.warnings.push_back(std::string(MessageOf(state.status())));
  }
  {
    const Catalogue::ReadLock catalogue(impl_->catalogue);
    for (ItemIndex item = 0; item < catalogue.size(); ++item) {
      if (catalogue.Exists(item)) ++status.items;
    }
  }
  for (const auto& [retriever, items] : impl_->recommender->LeftOutOfEmbeddings()) {
    status.warnings.push_back(
        StrCat("retriever ", retriever, " leaves out what was put or changed ",
               "longest ago of the items since its training, ", items, " of them: it holds ",
               limits::kFreshEmbeddingsMax, "; train again"));
  }
  if (const absl::Status may = impl_->CheckMayRetain(/*everything=*/false); !may.ok()) {
    status.warnings.push_back(std::string(MessageOf(may)));
  }
  if (impl_->store->IsRetainChanged()) {
    status.warnings.push_back(
        StrCat("the recipe's `retain`, ",
               status.retain_ms == 0 ? std::string("none") : FormatDuration(status.retain_ms),
               ", is not that by which old history was removed: read now, histories begin at ",
               FormatTimestamp(impl_->store->FloorMs(status.now_ms)),
               "; with the former one they are what they were, until history is removed by this "
               "one"));
  }
  if (const auto ranker = impl_->ranker(); ranker != nullptr) {
    status.features = ranker->features->statistics().Read();
    const LiveState::Stats state_stats = ranker->features->state()->ReadStats();
    status.feature_state = {.bytes = state_stats.bytes,
                            .is_cached = state_stats.is_caching,
                            .cached_entities = state_stats.cache.entities,
                            .reads = state_stats.cache.reads,
                            .misses = state_stats.cache.misses};
  }
  const std::shared_ptr<const Servable> active = impl_->active();
  if (active != nullptr && active->manifest.as_of_ms > status.now_ms) {
    status.warnings.push_back(StrCat(
        "the active servable learned from data up to ", FormatTimestamp(active->manifest.as_of_ms),
        ", which lies after the engine's clock (", FormatTimestamp(status.now_ms),
        "): its answers know the future"));
  }
  return status;
}

}  // namespace fourfold
