#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "data/event_check.h"
#include "data/limits.h"
#include "fourfold/event.h"

// Events as JSON, in the shape that Metarank's users know (docs/formats.md has every key):
//
//   {"event": "interaction", "id": "e1", "timestamp": "2011-12-09T12:50:00Z", "user": "17850",
//    "session": "581587", "type": "purchase", "item": "22138", "ranking": "r1",
//    "fields": [{"name": "quantity", "value": 3}], "tie_group": "581587", "step": 0}
//   {"event": "ranking", "user": "17850", "items": [{"id": "22138", "fields": []}],
//    "surface": "home", "query": "baking set"}
//   {"event": "item", "item": "22138", "fields": [{"name": "price", "value": 4.95}]}
//   {"event": "user", "user": "17850", "session": "s1", "fields": []}
//
// `timestamp` is a string of Unix milliseconds, ISO-8601 with a zone, a number of milliseconds, or
// (items and users) "since_for_ever"; without it the event takes the engine's clock. A value is
// null, true, false, a number, a string, a list of strings or a list of numbers. `tenant` may be
// "default". null stands for an absent key. An unknown key, a key that stands twice and a key that
// does not belong to the kind are errors that name it, and FindProblem's rules hold.
namespace fourfold {

// Reads one JSON object. Nothing: *event holds it (it is overwritten, its memory reused).
// Thread-safe: every thread keeps a parser of its own.
std::optional<EventProblem> ReadEventJson(std::string_view json, Event* event);
absl::StatusOr<Event> ParseEventJson(std::string_view json);

// One object, an array of objects, or one object a line (empty lines are passed over). Results are
// in order, one for each object, element or line; a bad one does not lose the good ones, and its
// InvalidArgument names its place ("events[3]: user: ...", "line 4: ..."). Fails as a whole when
// the body is empty, an array is not JSON, or there are more than events_max events.
absl::StatusOr<std::vector<absl::StatusOr<Event>>> ParseEventsJson(
    std::string_view body, std::size_t events_max = limits::kEventsPerBatchMax);

// One line without its end; ParseEventJson gives the same event back. What only the engine may
// state (served_from) is left out.
std::string EventToJson(const Event& event);

}  // namespace fourfold
