#include "feature/state/capped_state.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace fourfold {
namespace {

EntityPart ActionsOf(StateEntity entity) {
  if (entity == StateEntity::kItem) return EntityPart::kItemActions;
  return entity == StateEntity::kUser ? EntityPart::kUserActions : EntityPart::kSessionActions;
}

EntityPart FactsOf(StateEntity entity) {
  return entity == StateEntity::kItem ? EntityPart::kItemFacts : EntityPart::kUserFacts;
}

}  // namespace

void CappedState::Add(const LoggedEvent& logged) {
  all_->Add(logged);
  if (cache_ != nullptr) {
    cache_->Follow(logged);
  } else {
    ++events_;
    CheckSize();
  }
  end_ = logged.position + 1;
}

absl::Status CappedState::AddUpTo(Position end) {
  if (end <= end_) return absl::OkStatus();
  const bool is_followed =
      cache_ == nullptr || !cache_->empty() || schema_->Keeps(StateEntity::kGlobal);
  if (is_followed) {
    FOURFOLD_RETURN_IF_ERROR(store_->ScanLog(end_, end, [&](const LoggedEvent& logged) {
      Add(logged);
      return true;
    }));
  }
  end_ = end;
  if (cache_ != nullptr) cache_->Trim();
  return absl::OkStatus();
}

void CappedState::CheckSize() {
  // Between two measurements it is taken to grow evenly.
  constexpr std::uint64_t kEventsAtLeast = 16;
  if (bytes_max_ == SIZE_MAX) return;
  if (events_ - measured_events_ >= std::max(kEventsAtLeast, measured_events_ / 8)) {
    measured_bytes_ = all_->bytes();
    measured_events_ = events_;
  }
  if (bytes() > bytes_max_) StartCaching();
}

std::size_t CappedState::bytes() const {
  if (cache_ != nullptr) {
    return cache_->ReadStats().bytes + (schema_->Keeps(StateEntity::kGlobal) ? all_->bytes() : 0);
  }
  if (measured_events_ == 0) return 0;
  return static_cast<std::size_t>(static_cast<double>(measured_bytes_) *
                                  static_cast<double>(events_) /
                                  static_cast<double>(measured_events_));
}

void CappedState::StartCaching() {
  all_->KeepOnlyGlobal();
  cache_ = std::make_shared<EntityCache>(schema_, store_, all_->shared_interner(), bytes_max_);
}

absl::Status CappedState::Prefetch(const StateSchema& schema, const EventStore& store,
                                   const FeatureRequest& request, EntityCache::Loading* loading) {
  const auto want = [&](StateEntity entity, std::string_view id) -> absl::Status {
    if (id.empty()) return absl::OkStatus();
    if (schema.KeepsFacts(entity)) {
      FOURFOLD_RETURN_IF_ERROR(loading->Want(FactsOf(entity), id));
    }
    if (!schema.Keeps(entity)) return absl::OkStatus();
    if (entity == StateEntity::kUser) {
      FOURFOLD_ASSIGN_OR_RETURN(const bool may_have_joined, store.MayHaveJoinedSessions(id));
      if (may_have_joined) return absl::OkStatus();
    }
    return loading->Want(ActionsOf(entity), id);
  };
  for (const FeatureCandidate& candidate : request.candidates) {
    FOURFOLD_RETURN_IF_ERROR(want(StateEntity::kItem, candidate.item));
  }
  FOURFOLD_RETURN_IF_ERROR(want(StateEntity::kUser, request.user));
  return want(StateEntity::kSession, request.session);
}

absl::StatusOr<const EntityState*> CappedState::View::Find(StateEntity entity, std::string_view id,
                                                           const ReadPoint& at,
                                                           StateHolder* holder) const {
  EntityCache* const cache = state_.cache_.get();
  if (cache == nullptr || entity == StateEntity::kGlobal) {
    return state_.all_->Find(entity, id, at, holder);
  }
  if (id.empty()) return nullptr;
  std::shared_ptr<const OwnedState> owned;
  bool may_have_joined = false;
  if (entity == StateEntity::kUser) {
    FOURFOLD_ASSIGN_OR_RETURN(may_have_joined, state_.store_->MayHaveJoinedSessions(id));
  }
  if (may_have_joined) {
    // Whose a session is, is another thing at each read point.
    ReadPoint clipped = at;
    clipped.position_end = std::min(at.position_end, state_.end_);
    FOURFOLD_ASSIGN_OR_RETURN(owned, ReadOwnedState(*state_.store_, *state_.schema_, entity, id,
                                                    clipped, cache->interner()));
  } else {
    FOURFOLD_ASSIGN_OR_RETURN(owned, cache->Actions(ActionsOf(entity), id, state_.end_));
  }
  const EntityState* found = &owned->state;
  holder->push_back(std::move(owned));
  return found;
}

absl::StatusOr<const FactTimeline*> CappedState::View::FindFacts(StateEntity entity,
                                                                 std::string_view id,
                                                                 const ReadPoint& at,
                                                                 StateHolder* holder) const {
  EntityCache* const cache = state_.cache_.get();
  if (cache == nullptr) return state_.all_->FindFacts(entity, id, at, holder);
  if (id.empty()) return nullptr;
  FOURFOLD_ASSIGN_OR_RETURN(std::shared_ptr<const FactTimeline> facts,
                            cache->Facts(FactsOf(entity), id, state_.end_));
  const FactTimeline* found = facts.get();
  holder->push_back(std::move(facts));
  return found;
}

}  // namespace fourfold
