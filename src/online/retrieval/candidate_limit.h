#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "data/action.h"
#include "online/pipeline/query.h"
#include "servable/servable.h"

namespace fourfold {

// How many candidates a retriever hands on: what its spec says or, alone on the slate, at least as
// many as are wanted; `depth` times that when filters left too few.
inline std::size_t CandidateLimit(const RetrieverSpec& spec, const Query& query) {
  std::size_t limit = static_cast<std::size_t>(std::max(spec.candidates, 1));
  if (!query.only_retriever.empty()) limit = std::max(limit, std::size_t(query.limit));
  return limit * static_cast<std::size_t>(query.depth);
}

// Whether an action is of a type that the retriever looks at. An action without a type is a request
// about an item (similar items): it counts everywhere.
inline bool Counts(const RetrieverSpec& spec, const HistoryEntry& action) {
  return spec.action_types.empty() || action.type.empty() ||
         std::find(spec.action_types.begin(), spec.action_types.end(), action.type) !=
             spec.action_types.end();
}

}  // namespace fourfold
