#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_impl.h"
#include "fourfold/engine.h"
#include "servable/learned_items.h"

// Which servable answers: publishing, activating, rolling back.
namespace fourfold {

std::shared_ptr<const Servable> Engine::Impl::active() const {
  const MutexLock lock(&active_mutex);
  return active_servable;
}

std::shared_ptr<const TrainedRanker> Engine::Impl::ActiveRanker() const {
  if (const std::shared_ptr<const Servable> serving = active(); serving != nullptr) {
    return serving->ranker;
  }
  const absl::StatusOr<ServableRepository::State> state = repository.ReadState();
  if (!state.ok() || state->active.empty()) return nullptr;
  const auto chosen = repository.Load(state->active);
  return chosen.ok() ? (*chosen)->ranker : nullptr;
}

std::shared_ptr<const LiveRanker> Engine::Impl::ranker() const {
  const MutexLock lock(&active_mutex);
  return active_ranker;
}

absl::InlinedVector<std::shared_ptr<LiveState>, 2> Engine::Impl::StatesInUse() const {
  absl::InlinedVector<std::shared_ptr<LiveState>, 2> states;
  const MutexLock lock(&active_mutex);
  if (active_state != nullptr) states.push_back(active_state);
  if (coming_state != nullptr && coming_state != active_state) states.push_back(coming_state);
  return states;
}

void Engine::Impl::Follow(absl::Span<const LoggedEvent> committed) {
  for (const std::shared_ptr<LiveState>& state : StatesInUse()) state->Follow(committed);
}

absl::Status Engine::Impl::FillFeatures() {
  for (const std::shared_ptr<LiveState>& state : StatesInUse()) {
    FOURFOLD_RETURN_IF_ERROR(state->Fill());
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::FillFeaturesAnew(const std::function<bool()>& is_cancelled) {
  // Before anything is read, so that what leaves the log later is not forgotten at the end.
  states_hold_removed = false;
  absl::Cleanup remember = [&] { states_hold_removed = true; };
  for (const std::shared_ptr<LiveState>& state : StatesInUse()) {
    FOURFOLD_RETURN_IF_ERROR(state->FillAnew(is_cancelled));
  }
  std::move(remember).Cancel();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const LiveRanker>> Engine::Impl::PrepareRanker(
    const std::shared_ptr<const Servable>& servable) {
  const std::shared_ptr<const TrainedRanker>& trained = servable->ranker;
  if (trained == nullptr) return std::shared_ptr<const LiveRanker>();
  FOURFOLD_RETURN_IF_ERROR(CheckHorizon(*trained->plan));
  const std::shared_ptr<const LiveRanker> before = ranker();
  std::shared_ptr<const LiveFeatures> features = LiveFeatures::After(
      before == nullptr ? nullptr : before->features, trained->plan, store.get(),
      {.bytes_max = StateBytesMax(), .spill_directory = directory.temporary()});
  {
    const MutexLock lock(&active_mutex);
    coming_state = features->state();
  }
  const absl::Status filled = features->state()->Fill();
  if (!filled.ok()) {
    const MutexLock lock(&active_mutex);
    coming_state = nullptr;
    return filled;
  }
  return std::make_shared<const LiveRanker>(LiveRanker{servable->manifest.version, trained,
                                                       std::move(features), served, value_model,
                                                       LearnedItemsOf(servable)});
}

absl::Status Engine::Impl::Serve(const std::string& version) {
  FOURFOLD_ASSIGN_OR_RETURN(std::shared_ptr<const Servable> servable, repository.Load(version));
  FOURFOLD_ASSIGN_OR_RETURN(std::shared_ptr<const LiveRanker> ranker, PrepareRanker(servable));
  absl::Status activated = recommender->Activate(servable, ranker);
  std::shared_ptr<LiveState> state = ranker == nullptr ? nullptr : ranker->features->state();
  {
    const MutexLock lock(&active_mutex);
    coming_state = nullptr;
    if (!activated.ok()) return activated;
    // What is not used any more goes after the lock, which commits wait for.
    active_servable.swap(servable);
    active_ranker.swap(ranker);
    active_state.swap(state);
  }
  return absl::OkStatus();
}

void Engine::Impl::LoadActive() {
  const MutexLock lock(&activation_mutex);
  const absl::StatusOr<ServableRepository::State> state = repository.ReadState();
  if (!state.ok()) {
    open_warnings.push_back(std::string(MessageOf(state.status())));
    return;
  }
  if (state->active.empty()) return;
  const absl::Status status = Serve(state->active);
  if (status.ok()) return;
  refused_version = state->active;
  refused_problem = std::string(MessageOf(status));
  std::string warning =
      StrCat("the active servable ", refused_version, " is refused: ", refused_problem);
  // What served before is better than nothing; the repository keeps saying what was chosen.
  if (!state->previous.empty() && Serve(state->previous).ok()) {
    StrAppend(&warning, "; the previous one, ", state->previous, ", serves instead");
  } else {
    StrAppend(&warning, "; slates are filled without one");
  }
  open_warnings.push_back(std::move(warning));
}

absl::Status Engine::Impl::Activate(const std::string& version) {
  const MutexLock lock(&activation_mutex);
  const std::shared_ptr<const Servable> former = active();
  FOURFOLD_RETURN_IF_ERROR(Serve(version));
  absl::Status status = repository.SetActive(version);
  if (!status.ok() && former != nullptr) {
    FOURFOLD_RETURN_IF_ERROR(Serve(former->manifest.version));
  }
  return status;
}

absl::Status Engine::Activate(std::string_view version) {
  if (version != "latest") return impl_->Activate(std::string(version));
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<ServableRepository::Listed> listed,
                            impl_->repository.List());
  if (listed.empty() || !listed.front().manifest.has_value()) {
    return NotFound("no readable servable has been published");
  }
  return impl_->Activate(listed.front().version);
}

absl::StatusOr<std::string> Engine::Rollback() {
  FOURFOLD_ASSIGN_OR_RETURN(const ServableRepository::State state, impl_->repository.ReadState());
  if (state.previous.empty()) {
    return FailedPrecondition("there is no previous servable to go back to");
  }
  FOURFOLD_RETURN_IF_ERROR(impl_->Activate(state.previous));
  return state.previous;
}

absl::StatusOr<std::string> Engine::Publish(const std::string& servable_directory) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::shared_ptr<const Servable> servable,
                            LoadServable(servable_directory));
  return impl_->repository.Publish(*servable);
}

absl::StatusOr<std::vector<ServableInfo>> Engine::Servables() const {
  FOURFOLD_ASSIGN_OR_RETURN(const ServableRepository::State state, impl_->repository.ReadState());
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<ServableRepository::Listed> listed,
                            impl_->repository.List());
  const std::string serving = impl_->recommender->active_version();
  const std::string& active = serving.empty() ? state.active : serving;
  std::vector<ServableInfo> infos;
  for (ServableRepository::Listed& entry : listed) {
    ServableInfo info;
    info.version = std::move(entry.version);
    info.problem = std::move(entry.problem);
    info.state = info.version == active           ? "active"
                 : info.version == state.previous ? "previous"
                                                  : "retained";
    if (entry.manifest.has_value()) {
      const ServableManifest& manifest = *entry.manifest;
      info.recipe = manifest.recipe_name;
      info.created_at_ms = manifest.created_at_ms;
      info.as_of_ms = manifest.as_of_ms;
      info.actions = manifest.actions;
      info.metrics.assign(manifest.metrics.begin(), manifest.metrics.end());
    } else {
      info.state = "unreadable";
    }
    if (info.version == impl_->refused_version && info.version != serving) {
      info.state = "refused";
      info.problem = impl_->refused_problem;
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace fourfold
