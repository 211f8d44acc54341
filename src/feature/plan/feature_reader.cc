#include "feature/plan/feature_reader.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

class Reading final : public FeatureContext {
 public:
  Reading(const FeaturePlan& plan, const StateSource& source, const FeatureRequest& request,
          FeatureTable* table)
      : schema_(plan.schema()),
        use_(plan.use()),
        reads_learned_(plan.reads_learned()),
        source_(source) {
    request_ = &request;
    read_ = MakeStateRead(request.at, request.now_ms);
    table_ = table;
  }

  absl::Status Prepare() {
    for (const FeatureCandidate& candidate : request_->candidates) {
      if (use_.Reads(StateEntity::kItem)) {
        FOURFOLD_ASSIGN_OR_RETURN(items_.emplace_back(), Find(StateEntity::kItem, candidate.item));
      }
      if (use_.ReadsFacts(StateEntity::kItem)) {
        FOURFOLD_ASSIGN_OR_RETURN(item_facts_.emplace_back(),
                                  FindFacts(StateEntity::kItem, candidate.item, &holder_));
      }
    }
    if (use_.Reads(StateEntity::kUser) && !request_->user.empty()) {
      FOURFOLD_ASSIGN_OR_RETURN(user_, Find(StateEntity::kUser, request_->user));
    }
    if (use_.ReadsFacts(StateEntity::kUser) && !request_->user.empty()) {
      FOURFOLD_ASSIGN_OR_RETURN(user_facts_,
                                FindFacts(StateEntity::kUser, request_->user, &holder_));
    }
    if (use_.Reads(StateEntity::kSession) && !request_->session.empty()) {
      FOURFOLD_ASSIGN_OR_RETURN(session_, Find(StateEntity::kSession, request_->session));
    }
    if (use_.Reads(StateEntity::kGlobal)) {
      FOURFOLD_ASSIGN_OR_RETURN(global_, Find(StateEntity::kGlobal, ""));
    }
    if (reads_learned_) {
      if (request_->learned == nullptr) {
        return FailedPrecondition(
            "features read what retrievers learned, and nothing of it is given");
      }
      for (const FeatureCandidate& candidate : request_->candidates) {
        learned_numbers_.push_back(request_->learned->Find(candidate.item));
      }
    }
    timelines_.resize(schema_.families.size());
    for (std::size_t family = 0; family < schema_.families.size(); ++family) {
      if (use_.families[family]) ResolveFamily(family);
    }
    return absl::OkStatus();
  }

  const FieldValue* ItemField(std::size_t candidate, std::string_view field) const override {
    return FieldOf(item_facts_[candidate], field);
  }
  const FieldValue* UserField(std::string_view field) const override {
    return FieldOf(user_facts_, field);
  }
  const FieldValue* FieldOfItem(TextIndex item, std::string_view field) const override {
    other_items_.clear();
    const absl::StatusOr<const FactTimeline*> facts =
        FindFacts(StateEntity::kItem, source_.interner().TextOf(item), &other_items_);
    if (facts.ok()) return FieldOf(*facts, field);
    status_.Update(facts.status());
    return nullptr;
  }
  std::string_view TextOf(TextIndex text) const override { return source_.interner().TextOf(text); }

  // How the values of one feature turned out.
  void Note(const FeaturePlan::Output& output, std::size_t index, std::span<const float> values,
            FeatureStatistics* statistics) {
    staleness_ms_.clear();
    const FeatureOrigin origin = output.kind->origin();
    for (std::size_t c = 0; c < values.size(); ++c) {
      const std::optional<std::int64_t> newest_ms = NewestOf(origin, c);
      // What holds since for ever does not age.
      if (!newest_ms.has_value() || *newest_ms == kSinceForEverMs) continue;
      staleness_ms_.push_back(read_.now_ms - *newest_ms);
    }
    statistics->Note(index, values, output.kind->default_value(), std::span(staleness_ms_));
  }

  // Of the reads made while computing.
  const absl::Status& status() const { return status_; }

 private:
  absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id) {
    return source_.Find(entity, id, request_->at, &holder_);
  }
  absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                StateHolder* holder) const {
    return source_.FindFacts(entity, id, request_->at, holder);
  }
  const FieldValue* FieldOf(const FactTimeline* facts, std::string_view field) const {
    return facts == nullptr ? nullptr : facts->Find(field, read_);
  }

  // The event time of the newest event that a candidate's value comes of.
  std::optional<std::int64_t> NewestOf(const FeatureOrigin& origin, std::size_t candidate) const {
    const FactTimeline* facts = nullptr;
    switch (origin.of) {
      case FeatureOrigin::Of::kNothing:
        return std::nullopt;
      case FeatureOrigin::Of::kTimeline: {
        const TimelineEntry* newest =
            TimelineOf(origin.family, candidate).Newest(~std::uint64_t{0}, INT64_MIN);
        return newest == nullptr ? std::nullopt : std::optional(newest->event_time_ms);
      }
      case FeatureOrigin::Of::kItemFacts:
        facts = item_facts_[candidate];
        break;
      case FeatureOrigin::Of::kUserFacts:
        facts = user_facts_;
    }
    return facts == nullptr ? std::nullopt : facts->NewestMs(read_);
  }

  void ResolveFamily(std::size_t index) {
    const TimelineFamily& family = schema_.families[index];
    std::vector<TimelineAt>& timelines = timelines_[index];
    const bool is_item = family.entity == StateEntity::kItem;
    const bool by_item = family.split == TimelineFamily::Split::kItem;
    const std::uint64_t field_key =
        family.split == TimelineFamily::Split::kField ? KeyOfRequestField(family.field) : 0;
    const std::size_t count = is_item || by_item ? candidates() : 1;
    found_.assign(count, nullptr);
    for (std::size_t c = 0; c < count; ++c) {
      const EntityState* state = is_item                                  ? items_[c]
                                 : family.entity == StateEntity::kUser    ? user_
                                 : family.entity == StateEntity::kSession ? session_
                                                                          : global_;
      if (state == nullptr) continue;
      const std::uint64_t key =
          by_item ? source_.interner().Find(request_->candidates[c].item) : field_key;
      if (by_item && key == 0) continue;
      found_[c] = state->Find(index, key);
      __builtin_prefetch(found_[c]);
    }
    // They lie anywhere in memory: all are on their way before the first is looked at.
    for (const Timeline* timeline : found_) {
      if (timeline != nullptr) timeline->PrefetchNewest();
    }
    timelines.resize(count);
    for (std::size_t c = 0; c < count; ++c) timelines[c] = TimelineAt(found_[c], &read_);
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
  const StateUse& use_;
  const bool reads_learned_;
  const StateSource& source_;
  StateHolder holder_;
  std::vector<const EntityState*> items_;        // empty where the plan reads none
  std::vector<const FactTimeline*> item_facts_;  // the same
  const EntityState* user_ = nullptr;
  const FactTimeline* user_facts_ = nullptr;
  const EntityState* session_ = nullptr;
  const EntityState* global_ = nullptr;
  std::vector<const Timeline*> found_;  // of the family being resolved
  mutable StateHolder other_items_;
  std::vector<std::int64_t> staleness_ms_;
  mutable absl::Status status_;
};

// The first event time that a value may come of.
std::int64_t FirstReadMs(std::int64_t reach_ms, const FeatureRequest& request) {
  if (reach_ms == 0) return request.at.as_of_ms;
  if (reach_ms == FeatureOrigin::kUnboundedReach || request.now_ms < kSinceForEverMs + reach_ms) {
    return kSinceForEverMs;
  }
  return request.now_ms - reach_ms + 1;
}

}  // namespace

absl::Status ReadFeatures(const FeaturePlan& plan, const StateSource& source,
                          const FeatureRequest& request, FeatureTable* table,
                          FeatureStatistics* statistics) {
  Reading reading(plan, source, request, table);
  FOURFOLD_RETURN_IF_ERROR(reading.Prepare());
  table->columns.resize(plan.columns().size());
  for (std::size_t i = 0; i < plan.columns().size(); ++i) {
    const FeaturePlan::Output& output = plan.columns()[i];
    table->columns[i].resize(output.per_candidate ? request.candidates.size() : 1);
    output.kind->Compute(reading, std::span<float>(table->columns[i]));
    if (statistics != nullptr) {
      reading.Note(output, i, std::span<const float>(table->columns[i]), statistics);
    }
  }
  table->sequences.resize(plan.sequences().size());
  for (std::size_t i = 0; i < plan.sequences().size(); ++i) {
    plan.sequences()[i].kind->ComputeSequence(reading, &table->sequences[i]);
    if (statistics == nullptr) continue;
    const float length_or_none = table->sequences[i].items.empty()
                                     ? kNoFeature
                                     : static_cast<float>(table->sequences[i].items.size());
    reading.Note(plan.sequences()[i], plan.columns().size() + i, {&length_or_none, 1}, statistics);
  }
  FOURFOLD_RETURN_IF_ERROR(reading.status());
  return source.CheckReach(request.at, FirstReadMs(plan.reach_ms(), request));
}

}  // namespace fourfold
