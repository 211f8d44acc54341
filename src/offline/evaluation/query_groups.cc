#include "offline/evaluation/query_groups.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"

namespace fourfold {
namespace {

using Items = std::vector<std::uint32_t>;

// The items of a user's rows that count, in their order.
void CollectItems(const InteractionTable& table, const std::vector<char>& keep,
                  std::span<const std::uint16_t> types, std::size_t user, Items* items) {
  items->clear();
  for (std::size_t row = table.user_begin[user]; row < table.user_begin[user + 1]; ++row) {
    if (keep[row] == 0) continue;
    if (!types.empty() && std::find(types.begin(), types.end(), table.type[row]) == types.end()) {
      continue;
    }
    items->push_back(table.item[row]);
  }
}

// Those values of the queries that are in the group, in their order.
std::vector<double> SelectRows(const std::vector<double>& values, std::size_t columns,
                               const std::vector<char>& in_group) {
  std::vector<double> selected;
  for (std::size_t query = 0; query < in_group.size(); ++query) {
    if (in_group[query] == 0) continue;
    const auto row = values.begin() + static_cast<std::ptrdiff_t>(query * columns);
    selected.insert(selected.end(), row, row + static_cast<std::ptrdiff_t>(columns));
  }
  return selected;
}

}  // namespace

std::vector<char> NearDuplicateUsers(const InteractionTable& table, const std::vector<char>& keep,
                                     std::span<const std::uint16_t> types, int run) {
  FOURFOLD_CHECK(run >= 1 && keep.size() == table.rows());
  const auto length = static_cast<std::size_t>(run);
  const std::size_t users = table.user_begin.size() - 1;
  std::vector<char> is_duplicate(users, 0);
  absl::flat_hash_map<Items, std::size_t> first_user;
  Items items;
  for (std::size_t user = 0; user < users; ++user) {
    CollectItems(table, keep, types, user, &items);
    for (std::size_t i = 0; i + length <= items.size(); ++i) {
      const auto begin = items.begin() + static_cast<std::ptrdiff_t>(i);
      const Items of_run(begin, begin + run);
      const auto [found, is_first] = first_user.try_emplace(of_run, user);
      if (is_first || found->second == user) continue;
      is_duplicate[user] = is_duplicate[found->second] = 1;
    }
  }
  return is_duplicate;
}

EvaluationResult ResultOfGroup(const EvaluationResult& all,
                               std::span<const EvaluationQuery> queries,
                               const std::vector<char>& in_group,
                               const BootstrapOptions& bootstrap) {
  FOURFOLD_CHECK(in_group.size() == queries.size());
  std::vector<EvaluationQuery> selected;
  for (std::size_t query = 0; query < queries.size(); ++query) {
    if (in_group[query] != 0) selected.push_back(queries[query]);
  }
  const std::vector<std::uint32_t> clusters = ClustersOf(selected);
  const std::size_t columns = all.metrics.size();
  EvaluationResult result;
  result.metrics = all.metrics;
  result.queries = selected.size();
  result.best_part = all.best_part;
  for (const MethodResult& method : all.methods) {
    MethodResult& row = result.methods.emplace_back();
    row.name = method.name;
    row.blend = method.blend;
    row.values = SelectRows(method.values, columns, in_group);
    row.metrics = BootstrapMeans(row.values, columns, clusters, bootstrap);
    row.compared_with = method.compared_with;
  }
  for (MethodResult& row : result.methods) {
    if (row.compared_with.empty()) continue;
    const auto other =
        std::find_if(result.methods.begin(), result.methods.end(),
                     [&](const MethodResult& method) { return method.name == row.compared_with; });
    FOURFOLD_CHECK(other != result.methods.end());
    row.difference = PairedDifferences(row.values, other->values, columns, clusters, bootstrap);
  }
  return result;
}

}  // namespace fourfold
