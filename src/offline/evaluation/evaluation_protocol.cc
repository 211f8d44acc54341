#include "offline/evaluation/evaluation_protocol.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::string_view kSessionPrefix = "session:";

// The table's rows with the questions that both protocols ask about them.
class Rows {
 public:
  static absl::StatusOr<Rows> Of(const InteractionTable& table,
                                 const EvaluationSplitOptions& options) {
    std::vector<char> counts(table.types.size(), options.action_types.empty() ? 1 : 0);
    for (const std::string& name : options.action_types) {
      const auto found = std::find(table.types.begin(), table.types.end(), name);
      if (found == table.types.end()) {
        return InvalidArgument("action type \"", name, "\": the log has no such action");
      }
      counts[static_cast<std::size_t>(found - table.types.begin())] = 1;
    }
    return Rows(table, options, std::move(counts));
  }

  // Strictly before `time_ms`, and known by then.
  ReadPoint Before(std::int64_t time_ms) const {
    ReadPoint at;
    at.as_of_ms = time_ms - 1;
    if (!options_.as_known_now) at.known_at_ms = time_ms - 1;
    return at;
  }
  bool Sees(const ReadPoint& at, std::size_t row) const {
    const std::int64_t known_ms =
        table_.known_time_ms.empty() ? table_.event_time_ms[row] : table_.known_time_ms[row];
    return table_.event_time_ms[row] <= at.as_of_ms && known_ms <= at.known_at_ms;
  }
  bool Asks(std::size_t user) const {
    return options_.anonymous_sessions || !table_.users[user].starts_with(kSessionPrefix);
  }
  // Of a type that the exam is about.
  bool Counts(std::size_t row) const { return counts_[table_.type[row]] != 0; }
  // The earliest event time of the row's tie group among the rows from `begin` to `end`.
  std::int64_t TieGroupBegin(std::size_t row, std::size_t begin, std::size_t end) const {
    std::int64_t earliest = table_.event_time_ms[row];
    const std::uint32_t group = table_.tie_group[row];
    for (std::size_t i = begin; group != 0 && i < end; ++i) {
      if (table_.tie_group[i] == group) earliest = std::min(earliest, table_.event_time_ms[i]);
    }
    return earliest;
  }

  // The query of a user, given the rows asked for; without relevant items where it is not to be
  // asked. `input` is what the user acted on before, as the read point sees it.
  EvaluationQuery MakeQuery(std::size_t user, ReadPoint at, const std::vector<std::size_t>& targets,
                            std::vector<std::uint32_t> input) const {
    EvaluationQuery query;
    query.user_index = static_cast<std::uint32_t>(user);
    const std::string& name = table_.users[user];
    if (name.starts_with(kSessionPrefix)) {
      query.session = name.substr(kSessionPrefix.size());
    } else {
      query.user = name;
    }
    query.at = std::move(at);
    if (input.empty()) return query;
    for (const std::size_t row : targets) query.relevant.push_back(table_.item[row]);
    MakeSet(&query.relevant);
    if (options_.variant == EvaluationVariant::kNew) {
      query.excluded = std::move(input);
      MakeSet(&query.excluded);
      std::erase_if(query.relevant, [&](std::uint32_t item) {
        return std::binary_search(query.excluded.begin(), query.excluded.end(), item);
      });
    }
    return query;
  }

 private:
  Rows(const InteractionTable& table, const EvaluationSplitOptions& options,
       std::vector<char> counts)
      : table_(table), options_(options), counts_(std::move(counts)) {}

  static void MakeSet(std::vector<std::uint32_t>* items) {
    std::sort(items->begin(), items->end());
    items->erase(std::unique(items->begin(), items->end()), items->end());
  }

  const InteractionTable& table_;
  const EvaluationSplitOptions& options_;
  std::vector<char> counts_;  // by type
};

// The user's query in time: everything before the cut asks for what comes from the cut on.
EvaluationQuery QueryInTime(const InteractionTable& table, const Rows& rows, std::size_t user,
                            const TimeSplitOptions& options) {
  const ReadPoint at = rows.Before(options.cut_ms);
  const std::size_t begin = table.user_begin[user];
  const std::size_t end = table.user_begin[user + 1];
  std::vector<std::uint32_t> input;
  std::vector<std::size_t> targets;
  for (std::size_t row = begin; row < end; ++row) {
    if (!rows.Counts(row)) continue;
    if (rows.Sees(at, row)) input.push_back(table.item[row]);
    const std::int64_t time_ms = table.event_time_ms[row];
    if (time_ms >= options.cut_ms && time_ms < options.end_ms &&
        rows.TieGroupBegin(row, begin, end) >= options.cut_ms) {
      targets.push_back(row);
    }
  }
  return rows.MakeQuery(user, at, targets, std::move(input));
}

// The query for one row of a user: everything before its tie group asks for it.
EvaluationQuery QueryForRow(const InteractionTable& table, const Rows& rows, std::size_t user,
                            std::size_t target) {
  const std::size_t begin = table.user_begin[user];
  const std::size_t end = table.user_begin[user + 1];
  const ReadPoint at = rows.Before(rows.TieGroupBegin(target, begin, end));
  std::vector<std::uint32_t> input;
  for (std::size_t row = begin; row < end; ++row) {
    if (rows.Counts(row) && rows.Sees(at, row)) input.push_back(table.item[row]);
  }
  return rows.MakeQuery(user, at, {target}, std::move(input));
}

// Leaves out what the fit has never seen, and the queries that ask for nothing else.
void KeepFittedItems(const InteractionTable& table, EvaluationSplit* split) {
  std::vector<char> fitted(table.items.size());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (split->fit_rows[row]) fitted[table.item[row]] = 1;
  }
  for (EvaluationQuery& query : split->queries) {
    std::erase_if(query.relevant, [&](std::uint32_t item) { return !fitted[item]; });
  }
  std::erase_if(split->queries,
                [](const EvaluationQuery& query) { return query.relevant.empty(); });
}

absl::Status CheckAnybody(const EvaluationSplit& split) {
  if (!split.queries.empty()) return absl::OkStatus();
  return InvalidArgument(
      "the split leaves nobody to ask: no user has both an input known in time "
      "and something relevant");
}

}  // namespace

absl::StatusOr<EvaluationSplit> SplitInTime(const InteractionTable& table,
                                            const TimeSplitOptions& options) {
  if (options.cut_ms >= options.end_ms) {
    return InvalidArgument("split in time: the cut (", options.cut_ms, ") is not before the end (",
                           options.end_ms, ")");
  }
  absl::StatusOr<Rows> rows = Rows::Of(table, options);
  if (!rows.ok()) return rows.status();
  EvaluationSplit split;
  const ReadPoint fit_at = rows->Before(options.cut_ms);
  split.fit_as_of_ms = fit_at.as_of_ms;
  split.fit_rows.resize(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    split.fit_rows[row] = rows->Sees(fit_at, row) ? 1 : 0;
  }
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    if (!rows->Asks(user)) continue;
    EvaluationQuery query = QueryInTime(table, *rows, user, options);
    if (!query.relevant.empty()) split.queries.push_back(std::move(query));
  }
  if (options.fitted_items_only) KeepFittedItems(table, &split);
  if (absl::Status status = CheckAnybody(split); !status.ok()) return status;
  return split;
}

absl::StatusOr<EvaluationSplit> SplitLeaveOneOut(const InteractionTable& table,
                                                 const LeaveOneOutOptions& options) {
  absl::StatusOr<Rows> rows = Rows::Of(table, options);
  if (!rows.ok()) return rows.status();
  using Target = LeaveOneOutOptions::Target;
  const bool refit =
      options.fit == LeaveOneOutOptions::Fit::kRefit && options.target == Target::kTest;
  EvaluationSplit split;
  split.fit_as_of_ms = kSinceForEverMs;
  split.fit_rows.assign(table.rows(), 1);
  std::vector<std::size_t> actions;  // the user's rows that count
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    if (!rows->Asks(user)) continue;
    const std::size_t end = table.user_begin[user + 1];
    actions.clear();
    for (std::size_t row = table.user_begin[user]; row < end; ++row) {
      if (rows->Counts(row)) actions.push_back(row);
    }
    if (actions.size() < 3) continue;
    const std::size_t last = actions.back();
    const std::size_t second_last = actions[actions.size() - 2];
    const auto held_out = [&split](std::size_t row) {
      return split.fit_rows.begin() + static_cast<std::ptrdiff_t>(row);
    };
    std::fill(held_out(refit ? last : second_last), held_out(end), char{0});
    EvaluationQuery query =
        QueryForRow(table, *rows, user, options.target == Target::kTest ? last : second_last);
    if (!query.relevant.empty()) split.queries.push_back(std::move(query));
  }
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (split.fit_rows[row]) {
      split.fit_as_of_ms = std::max(split.fit_as_of_ms, table.event_time_ms[row]);
    }
  }
  if (options.fitted_items_only) KeepFittedItems(table, &split);
  if (absl::Status status = CheckAnybody(split); !status.ok()) return status;
  return split;
}

InteractionTable KeepRows(const InteractionTable& table, const std::vector<char>& keep) {
  FOURFOLD_CHECK(keep.size() == table.rows());
  InteractionTable kept;
  kept.users = table.users;
  kept.items = table.items;
  kept.types = table.types;
  kept.item_index = table.item_index;
  kept.user_begin.push_back(0);
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    for (std::size_t row = table.user_begin[user]; row < table.user_begin[user + 1]; ++row) {
      if (!keep[row]) continue;
      kept.item.push_back(table.item[row]);
      kept.type.push_back(table.type[row]);
      kept.event_time_ms.push_back(table.event_time_ms[row]);
      if (!table.known_time_ms.empty()) kept.known_time_ms.push_back(table.known_time_ms[row]);
      kept.tie_group.push_back(table.tie_group[row]);
    }
    kept.user_begin.push_back(kept.rows());
  }
  return kept;
}

}  // namespace fourfold
