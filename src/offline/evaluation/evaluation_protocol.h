#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/read_point.h"
#include "offline/dataset/interaction_table.h"

// How a log becomes an exam: which rows may be learned from, which questions are asked, and what is
// right. Items are numbers of the table's dictionary throughout.
//
// Time (DESIGN.md, rules 3 to 5). A question reads strictly before the rows it asks for, and only
// what was known by then; it never sees a member of their tie group. Rows with the same time as the
// target are neither its input nor excluded for it.
namespace fourfold {

enum class EvaluationVariant : std::uint8_t {
  kNew,  // relevant: items that the user had not acted on; those acted on before are excluded
  kAll,  // relevant: every item, nothing is excluded (buying again counts)
};

struct EvaluationQuery {
  std::uint32_t user_index = 0;         // into InteractionTable::users
  std::string user;                     // empty for an anonymous session
  std::string session;                  // empty for a user
  ReadPoint at;                         // where the user's history is read
  std::vector<std::uint32_t> excluded;  // ascending; may not be shown
  std::vector<std::uint32_t> relevant;  // ascending, at least one, none of them excluded
};

struct EvaluationSplit {
  std::vector<EvaluationQuery> queries;  // in the order of the table's users
  std::vector<char> fit_rows;            // per row of the table: 1 if it may be learned from
  // The read point of the fit: windows and decays end here.
  std::int64_t fit_as_of_ms = 0;
};

// What both protocols need to know.
struct EvaluationSplitOptions {
  EvaluationVariant variant = EvaluationVariant::kNew;
  // Which actions the exam is about: only they are targets, make an item "acted on before", or make
  // a user evaluated. Rows of other types are still fitted on where time allows. Empty: all types.
  std::vector<std::string> action_types;
  // Ask anonymous sessions too, not only users.
  bool anonymous_sessions = false;
  // Read with today's knowledge instead of that of the time: for a log whose known times are those
  // of its import (`knowledge: ingest`), where nothing would be known in time.
  bool as_known_now = false;
  // Nothing that was never seen before is relevant: only items of the fit's rows are. The question
  // is then how well known items are ranked, not how many new ones came up.
  bool fitted_items_only = false;
};

// One global split in time. Fit: rows before the cut that were known before it. A query for each
// user with an action before the cut and something relevant: the distinct items acted on in
// [cut_ms, end_ms), but for tie groups that began before the cut.
struct TimeSplitOptions : EvaluationSplitOptions {
  std::int64_t cut_ms = 0;
  std::int64_t end_ms = std::numeric_limits<std::int64_t>::max();  // exclusive
};

// For tuning, make a split of its own inside the fit: cut_ms at the validation cut, end_ms at the
// cut. InvalidArgument: an empty range, an unknown action type, or nobody to ask.
absl::StatusOr<EvaluationSplit> SplitInTime(const InteractionTable& table,
                                            const TimeSplitOptions& options);

// Leave one out. The target is the user's last action (second last for validation), the input
// everything before it. Users with fewer than three actions and anonymous sessions, where these are
// not asked, keep all their rows. With kNew, a user whose target is an item of the input has
// nothing relevant and is not asked.
struct LeaveOneOutOptions : EvaluationSplitOptions {
  enum class Target : std::uint8_t { kTest, kValidation } target = Target::kTest;
  // What the statistics are fitted on, of each user: kStrict all but the last two actions, kRefit
  // all but the last one. Validation is always strict. Rows after a row held out are held out too.
  enum class Fit : std::uint8_t { kStrict, kRefit } fit = Fit::kRefit;
};

// InvalidArgument: an unknown action type, or nobody to ask.
absl::StatusOr<EvaluationSplit> SplitLeaveOneOut(const InteractionTable& table,
                                                 const LeaveOneOutOptions& options);

// The same dictionaries, and only the rows with keep[row] != 0. `keep` has an entry per row.
InteractionTable KeepRows(const InteractionTable& table, const std::vector<char>& keep);

}  // namespace fourfold
