#include "feature/plan/feature_reader.h"

#include <algorithm>
#include <array>

#include "base/status_macros.h"

namespace fourfold {
namespace {

class Reading final : public FeatureContext {
 public:
  Reading(const FeaturePlan& plan, const StateSource& source, const FeatureRequest& request,
          FeatureTable* table)
      : schema_(plan.schema()), source_(source) {
    request_ = &request;
    read_ = MakeStateRead(request.at, request.now_ms);
    table_ = table;
  }

  absl::Status Prepare() {
    if (Needs(StateEntity::kItem)) {
      for (const FeatureCandidate& candidate : request_->candidates) {
        FOURFOLD_ASSIGN_OR_RETURN(const EntityState* state,
                                  Find(StateEntity::kItem, candidate.item));
        items_.push_back(state);
      }
    }
    if (Needs(StateEntity::kUser) && !request_->user.empty()) {
      FOURFOLD_ASSIGN_OR_RETURN(user_, Find(StateEntity::kUser, request_->user));
    }
    if (Needs(StateEntity::kSession) && !request_->session.empty()) {
      FOURFOLD_ASSIGN_OR_RETURN(session_, Find(StateEntity::kSession, request_->session));
    }
    if (Needs(StateEntity::kGlobal)) {
      FOURFOLD_ASSIGN_OR_RETURN(global_, Find(StateEntity::kGlobal, ""));
    }
    timelines_.resize(schema_.families.size());
    for (std::size_t family = 0; family < schema_.families.size(); ++family) ResolveFamily(family);
    return absl::OkStatus();
  }

  const FieldValue* ItemField(std::size_t candidate, std::string_view field) const override {
    return FieldOf(items_[candidate], field);
  }
  const FieldValue* UserField(std::string_view field) const override {
    return FieldOf(user_, field);
  }
  const FieldValue* FieldOfItem(TextIndex item, std::string_view field) const override {
    other_items_.clear();
    const absl::StatusOr<const EntityState*> state = source_.Find(
        StateEntity::kItem, source_.interner().TextOf(item), request_->at, &other_items_);
    if (state.ok()) return FieldOf(*state, field);
    status_.Update(state.status());
    return nullptr;
  }
  std::string_view TextOf(TextIndex text) const override { return source_.interner().TextOf(text); }

  // Of the reads made while computing.
  const absl::Status& status() const { return status_; }

 private:
  bool Needs(StateEntity entity) const {
    return schema_.Keeps(entity) || schema_.KeepsFacts(entity);
  }
  absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id) {
    return source_.Find(entity, id, request_->at, &holder_);
  }
  const FieldValue* FieldOf(const EntityState* state, std::string_view field) const {
    return state == nullptr ? nullptr : state->facts().Find(field, read_);
  }

  void ResolveFamily(std::size_t index) {
    const TimelineFamily& family = schema_.families[index];
    std::vector<TimelineAt>& timelines = timelines_[index];
    const bool is_item = family.entity == StateEntity::kItem;
    const bool by_item = family.split == TimelineFamily::Split::kItem;
    const std::uint64_t field_key =
        family.split == TimelineFamily::Split::kField ? KeyOfRequestField(family.field) : 0;
    const std::size_t count = is_item || by_item ? candidates() : 1;
    timelines.resize(count);
    for (std::size_t c = 0; c < count; ++c) {
      const EntityState* state = is_item                                  ? items_[c]
                                 : family.entity == StateEntity::kUser    ? user_
                                 : family.entity == StateEntity::kSession ? session_
                                                                          : global_;
      if (state == nullptr) continue;
      const std::uint64_t key =
          by_item ? source_.interner().Find(request_->candidates[c].item) : field_key;
      if (by_item && key == 0) continue;
      timelines[c] = TimelineAt(state->Find(index, key), &read_);
    }
  }

  // Of the value that the request has for a field of actions; that of no action where it has none.
  std::uint64_t KeyOfRequestField(int field) const {
    const std::string& name = schema_.action_fields[static_cast<std::size_t>(field)].name;
    for (const Field& given : request_->fields) {
      if (given.name != name) continue;
      const auto* text = std::get_if<std::string>(&given.value);
      const TextIndex index = text == nullptr ? 0 : source_.interner().Find(*text);
      if (index != 0) return KeyOfValue(index);
    }
    return KeyOfValue(-1);
  }

  const StateSchema& schema_;
  const StateSource& source_;
  StateHolder holder_;
  std::vector<const EntityState*> items_;
  const EntityState* user_ = nullptr;
  const EntityState* session_ = nullptr;
  const EntityState* global_ = nullptr;
  mutable StateHolder other_items_;
  mutable absl::Status status_;
};

}  // namespace

absl::Status ReadFeatures(const FeaturePlan& plan, const StateSource& source,
                          const FeatureRequest& request, FeatureTable* table) {
  Reading reading(plan, source, request, table);
  FOURFOLD_RETURN_IF_ERROR(reading.Prepare());
  table->columns.resize(plan.columns().size());
  for (std::size_t i = 0; i < plan.columns().size(); ++i) {
    const FeaturePlan::Output& output = plan.columns()[i];
    table->columns[i].resize(output.per_candidate ? request.candidates.size() : 1);
    output.kind->Compute(reading, std::span<float>(table->columns[i]));
  }
  table->sequences.resize(plan.sequences().size());
  for (std::size_t i = 0; i < plan.sequences().size(); ++i) {
    plan.sequences()[i].kind->ComputeSequence(reading, &table->sequences[i]);
  }
  return reading.status();
}

}  // namespace fourfold
