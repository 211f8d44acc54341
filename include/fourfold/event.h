#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What happened: the four kinds of events that an engine takes in, in the shape that users of
// Metarank know. docs/formats.md has the JSON form.
namespace fourfold {

// The event time of a fact that holds since for ever (an imported item without a timestamp).
inline constexpr std::int64_t kSinceForEverMs = std::numeric_limits<std::int64_t>::min();
// An event that states no time: it takes the engine's clock when it is acknowledged.
inline constexpr std::int64_t kNoTimeMs = std::numeric_limits<std::int64_t>::max();

enum class EventKind : std::uint8_t { kItem = 1, kUser = 2, kRanking = 3, kInteraction = 4 };

// std::monostate is JSON's null: "this field has no value from now on".
using FieldValue = std::variant<std::monostate, bool, double, std::string, std::vector<std::string>,
                                std::vector<double>>;

// The field in which a request, and an action that came of it, says what was searched for.
inline constexpr std::string_view kQueryField = "query";

struct Field {
  std::string name;
  FieldValue value;
  friend bool operator==(const Field&, const Field&) = default;
};

// One impression of a slate, in the order shown.
struct RankedItem {
  std::string item;
  std::vector<Field> fields;
  friend bool operator==(const RankedItem&, const RankedItem&) = default;
};

// What a slate that this engine served was computed from: the engine fills it, a client cannot.
// A value belongs to it if event time <= as_of_ms, known time <= known_at_ms and its position in
// the log is below position_end.
struct ServedFrom {
  std::int64_t as_of_ms = 0;
  std::int64_t known_at_ms = 0;
  std::uint64_t position_end = 0;
  std::string servable;
  std::string after_request;  // the page before this one, or empty
  friend bool operator==(const ServedFrom&, const ServedFrom&) = default;
};

struct Event {
  EventKind kind = EventKind::kInteraction;
  std::string id;  // duplicates are dropped by it, for ever; empty: the engine makes one
  std::int64_t event_time_ms = kNoTimeMs;  // Unix epoch, UTC
  std::string user;                        // empty for an item event and for an anonymous session
  std::string session;
  std::string item;        // item events and interactions
  std::string type;        // interactions: the kind of action ("click", "purchase")
  std::string ranking;     // interactions: the id of the slate that it answers, or empty
  std::string tie_group;   // members never see each other (the lines of one basket), or empty
  std::int64_t step = 0;   // order within the session where the source has one, else 0
  std::string surface;     // rankings: where the slate was shown
  std::string query_text;  // rankings: the search query if there was one
  std::vector<Field> fields;
  std::vector<RankedItem> items;  // rankings: the impressions in order
  bool deleted = false;           // item events: a tombstone from event_time_ms on
  ServedFrom served_from;         // rankings left by this engine
  friend bool operator==(const Event&, const Event&) = default;
};

}  // namespace fourfold
