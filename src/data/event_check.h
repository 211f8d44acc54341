#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "fourfold/event.h"

// What every event must fulfil, wherever it comes from.
namespace fourfold {

// What is wrong with an event, and in which of its JSON keys ("user", "fields.price").
struct EventProblem {
  std::string field;  // empty: the event as a whole
  std::string reason;
};

// "field: reason", or the reason alone.
std::string ToString(const EventProblem& problem);

// Checks an event against data/limits.h and the rules of its kind:
//   item          needs item; no user, session or anything of a slate or an action
//   user          needs user; may name a session that is theirs
//   ranking       needs user or session; items in order shown, each once
//   interaction   needs item, type, and user or session
// Ids, types and names of fields are 1 to 256 bytes of UTF-8 without control characters; text is
// UTF-8; numbers are finite; a field stands once; a time lies in years 1 to 9999 or is kNoTimeMs,
// or kSinceForEverMs for items and users. Nothing: the event is good.
std::optional<EventProblem> FindProblem(const Event& event);

// The same as a status: InvalidArgument with ToString(problem).
absl::Status CheckEvent(const Event& event);

// The rule for ids alone.
std::optional<std::string> FindIdProblem(std::string_view id);

}  // namespace fourfold
