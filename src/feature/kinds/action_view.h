#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "feature/plan/feature_kind.h"

namespace fourfold {

// What the kinds that look at actions share: whose (`entity`, `context`), of which types (`types`)
// and how far back (`window`: after now - window; absent: all).
struct ActionView {
  std::size_t family = 0;
  bool per_candidate = false;
  std::uint64_t type_mask = 0;
  std::int64_t window_ms = 0;
  std::int64_t half_life_ms = 0;  // of every ActionSum over it; 0: none

  std::int64_t FromMs(std::int64_t now_ms) const;
  FeatureOrigin origin() const;
};

// The entities that actions can be of: item, user, session, user_item (the user's with the
// candidate), session_item, item_context (the item's with the request's value of the field
// `context`), query_item (the item's with the request's query, kQueryField), global.
std::size_t ReadEntity(ParameterReader* parameters, PlanBuilder* plan, bool* per_candidate);
std::uint64_t ReadTypes(ParameterReader* parameters, PlanBuilder* plan, std::string_view name);
ActionView ReadActionView(ParameterReader* parameters, PlanBuilder* plan);

// A number of actions, or a sum over a field of theirs.
//
// With a half-life each weighs 2^(-steps / 8), where `steps` is how many eighths of a half-life,
// counted from the epoch, lie between its time and now. Weights are whole numbers of 2^-40, so the
// sum is exact and free of order; what is past 41 half-lives weighs nothing.
struct ActionSum {
  std::size_t aggregate = 0;
  Aggregate of;
  std::int64_t half_life_ms = 0;

  double Compute(const TimelineAt& timeline, std::int64_t from_ms, std::int64_t now_ms) const;
};

// Where a text stands among `categories`, from 0; no value when it is not among them.
float CategoryOf(const std::vector<std::string>& categories, std::string_view text);
// A number, a flag as 0 or 1, or a text's category.
// The nearest float, never infinite; kNoFeature for NaN.
float FloatOf(double value);
float NumberOf(const FieldValue* value, const std::vector<std::string>& categories);

// Whether values are to be codes; `numbered`: a parameter says otherwise how they become numbers.
bool ReadEmbedded(ParameterReader* parameters, bool numbered);

}  // namespace fourfold
