#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "feature/event_store.h"
#include "feature/position.h"

namespace fourfold {

// What an action of a type that counts says of its item.
struct ActionMeaning {
  float label = 0;          // how good it is
  std::uint32_t heads = 0;  // bit h: head h of the ranker predicts such actions
  friend bool operator==(const ActionMeaning&, const ActionMeaning&) = default;
};

// When somebody acted, in a log that tells of no slates, and what they acted on from there on. A
// moment is the first action of a tie group or, without one, of an event time, of one user (or of
// one session without a user). Memory: 56 bytes an action.
class Moments {
 public:
  struct Moment {
    std::int64_t event_time_ms = 0;
    Position position = 0;  // of the event that it begins with
    std::uint64_t who = 0;
    std::uint64_t tie_group = 0;  // 0: none
    bool is_regular = false;      // of TakeEvery
  };

  // `meaning` unset: of a type that does not count.
  void Note(const LoggedEvent& logged, const std::optional<ActionMeaning>& meaning);
  // Once, after all was noted: those with an action that has a label above 0, in no order.
  std::vector<Moment> Take();

  // Instead of Take: moments `every_ms` apart, the last one at `last_ms`, each for all who did
  // something with a label above 0 before it and again not before it and up to `window_ms` after
  // it. Their position is that of the latter event; nobody need have acted at the moment itself.
  std::vector<Moment> TakeEvery(std::int64_t every_ms, std::int64_t last_ms,
                                std::int64_t window_ms);

  // The best label and all heads of each item acted on in the moment's tie group, or not before it
  // and up to `window_ms` after it, by HashOfId; unset: only by actions that do not count. Tie
  // groups that began before a moment of TakeEvery are none of its outcome: what they began with is
  // known at it. After Take or TakeEvery. Thread-safe.
  using Outcome = absl::flat_hash_map<std::uint64_t, std::optional<ActionMeaning>>;
  void OutcomeOf(const Moment& moment, std::int64_t window_ms, Outcome* outcome) const;

 private:
  void SortActions();

  struct Action {
    std::int64_t event_time_ms = 0;
    std::uint64_t item = 0;
    std::uint64_t tie_group = 0;
    Position position = 0;
    std::int64_t step = 0;
    std::optional<ActionMeaning> meaning;

    bool is_wanted() const { return meaning.has_value() && meaning->label > 0; }
  };
  absl::flat_hash_map<std::uint64_t, std::vector<Action>> actions_;  // by user or session, by time
};

}  // namespace fourfold
