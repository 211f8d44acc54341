#include "feature/state/capped_state.h"

#include <algorithm>
#include <optional>
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
  end_ = logged.position + 1;
  if (cache_ != nullptr) {
    cache_->Follow(logged);
  } else if (all_->bytes() > limits_.bytes_max) {
    StartCaching();
  }
}

absl::Status CappedState::AddUpTo(Position end) {
  if (end <= end_) return absl::OkStatus();
  const bool is_followed =
      cache_ == nullptr || schema_->Keeps(StateEntity::kGlobal) || !cache_->Skip(end);
  if (is_followed) {
    FOURFOLD_RETURN_IF_ERROR(store_->ScanLog(end_, end, [&](const LoggedEvent& logged) {
      Add(logged);
      return true;
    }));
  }
  AddedUpTo(end);
  return absl::OkStatus();
}

void CappedState::AddedUpTo(Position end) {
  end_ = std::max(end_, end);
  if (cache_ == nullptr) return;
  cache_->FollowedUpTo(end_);
  cache_->Trim();
}

std::size_t CappedState::bytes() const {
  if (cache_ != nullptr) {
    return cache_->ReadStats().bytes + (schema_->Keeps(StateEntity::kGlobal) ? all_->bytes() : 0);
  }
  return all_->bytes();
}

void CappedState::StartCaching() {
  std::shared_ptr<storage::SpillFile> spill;
  if (!limits_.spill_directory.empty()) {
    // Without it the histories are read more often.
    auto opened = storage::SpillFile::Open(limits_.spill_directory);
    if (opened.ok()) spill = *std::move(opened);
  }
  cache_ = std::make_shared<EntityCache>(schema_, store_, all_->shared_interner(),
                                         limits_.bytes_max, std::move(spill), end_);
  cache_->Adopt(*all_);
  all_->KeepOnlyGlobal();
  cache_->Trim();
}

absl::Status CappedState::Pin(const StateSchema& schema, const StateUse& use,
                              const EventStore& store, const FeatureRequest& request,
                              EntityCache* cache, EntityCache::Pins* pins) {
  EntityCache::Wanted wanted;
  const auto want = [&](StateEntity entity, std::string_view id) {
    if (id.empty()) return;
    if (use.ReadsFacts(entity)) wanted.emplace_back(FactsOf(entity), id);
    if (use.Reads(entity)) wanted.emplace_back(ActionsOf(entity), id);
  };
  // Whose a session is, is another thing at each read point.
  const auto pin_joined = [&]() -> absl::StatusOr<bool> {
    if (!use.Reads(StateEntity::kUser) || request.user.empty()) return false;
    FOURFOLD_ASSIGN_OR_RETURN(const bool may_have_joined,
                              store.MayHaveJoinedSessions(request.user));
    if (!may_have_joined) return false;
    FOURFOLD_ASSIGN_OR_RETURN(std::shared_ptr<const OwnedState> joined,
                              ReadOwnedState(store, schema, StateEntity::kUser, request.user,
                                             request.at, cache->interner()));
    pins->Put(EntityPart::kUserActions, request.user, std::move(joined));
    return true;
  };
  FOURFOLD_ASSIGN_OR_RETURN(const bool had_joined, pin_joined());
  want(StateEntity::kUser, request.user);
  want(StateEntity::kSession, request.session);
  for (const FeatureCandidate& candidate : request.candidates) {
    want(StateEntity::kItem, candidate.item);
  }
  FOURFOLD_RETURN_IF_ERROR(cache->Pin(wanted, pins));
  // One may have joined while the rest was read.
  return had_joined ? absl::OkStatus() : pin_joined().status();
}

absl::StatusOr<const EntityState*> CappedState::View::Find(StateEntity entity, std::string_view id,
                                                           const ReadPoint& at,
                                                           StateHolder* holder) const {
  if (state_.cache_ == nullptr || entity == StateEntity::kGlobal) {
    return state_.all_->Find(entity, id, at, holder);
  }
  const std::optional<const OwnedState*> pinned = pins_.Actions(ActionsOf(entity), id);
  if (!pinned.has_value() && !id.empty()) missing_.emplace_back(ActionsOf(entity), id);
  return pinned.value_or(nullptr) == nullptr ? nullptr : &(*pinned)->state;
}

absl::StatusOr<const FactTimeline*> CappedState::View::FindFacts(StateEntity entity,
                                                                 std::string_view id,
                                                                 const ReadPoint& at,
                                                                 StateHolder* holder) const {
  if (state_.cache_ == nullptr) return state_.all_->FindFacts(entity, id, at, holder);
  const std::optional<const FactTimeline*> pinned = pins_.Facts(FactsOf(entity), id);
  if (!pinned.has_value() && !id.empty()) missing_.emplace_back(FactsOf(entity), id);
  return pinned.value_or(nullptr);
}

}  // namespace fourfold
