#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "math/bootstrap.h"
#include "offline/dataset/interaction_table.h"
#include "offline/evaluation/evaluator.h"

// A mean over all users can be the doing of a few: the same figures over parts of them.
namespace fourfold {

// Users who did the same `run` things in a row as somebody else: copies, in whole or in part, of
// one person's history, whose targets stand in the other's. Rows of other types than these are as
// if they were not (empty: all count), as are rows with keep[row] == 0. One entry a user of the
// table; anonymous sessions are users, too. `run` is at least 1.
std::vector<char> NearDuplicateUsers(const InteractionTable& table, const std::vector<char>& keep,
                                     std::span<const std::uint16_t> types, int run);

// The queries with in_group[query] != 0 alone: each method's metrics, and its differences to the
// method that it is compared with in `all`. What a catalogue saw is not told of parts.
EvaluationResult ResultOfGroup(const EvaluationResult& all,
                               std::span<const EvaluationQuery> queries,
                               const std::vector<char>& in_group,
                               const BootstrapOptions& bootstrap);

}  // namespace fourfold
