#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "feature/read_point.h"
#include "fourfold/event.h"

namespace fourfold {

class LearnedItems;

// One item whose features are asked for.
struct FeatureCandidate {
  std::string item;
  std::vector<Field> fields;  // given with it by the caller (the price shown, ...)
  int shown_position = 0;     // 1-based place in the slate that was shown; 0: not shown yet
};

// Whose features are asked for, and from where in time.
struct FeatureRequest {
  std::string user;  // either may be empty
  std::string session;
  std::string surface;
  std::vector<Field> fields;  // of the request: device, place, ..., and its query (kQueryField)
  ReadPoint at;
  std::int64_t now_ms = 0;  // windows and ages count from here: the request's own time
  std::vector<FeatureCandidate> candidates;
  // What features that read it are computed of; not null where the plan has such. Not logged: the
  // servable says it.
  std::shared_ptr<const LearnedItems> learned = nullptr;
};

// What the request that a slate answered said: the slate's fields, and its query as one of them.
std::vector<Field> RequestFieldsOf(const Event& slate);

// The last actions of a user or session, newest first.
struct FeatureSequence {
  std::vector<std::string> items;
  std::vector<std::string> types;
  std::vector<std::int64_t> event_times_ms;
  std::vector<std::vector<float>> fields;  // one column a field of the declaration
  friend bool operator==(const FeatureSequence&, const FeatureSequence&) = default;
};

// NaN, of one bit pattern, is "no value".
inline constexpr float kNoFeature = std::numeric_limits<float>::quiet_NaN();

// Feature f of candidate c is columns[f][c], or columns[f][0] for a feature that is the same for
// all candidates; sequences[s] belongs to the plan's s-th sequence.
struct FeatureTable {
  std::vector<std::vector<float>> columns;
  std::vector<FeatureSequence> sequences;
};

}  // namespace fourfold
