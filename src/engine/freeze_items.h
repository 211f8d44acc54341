#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/learning.h"
#include "model/transact/frozen_items.h"

namespace fourfold {

// The embeddings of a retriever as a ranker takes them whose actions are this sequence of the
// recipe's features: fitted on what was known before `cut_ms` alone. InvalidArgument: no action
// lies before it.
absl::StatusOr<std::shared_ptr<const FrozenItems>> FreezeItems(const Learning& learning,
                                                               const RetrieverSpec& retriever,
                                                               const std::string& sequence,
                                                               std::int64_t cut_ms);

// The parts of these embeddings. A row has `codes_per_field` codes of each of the fields, which are
// those of the embeddings in any order.
FrozenItems::Parts FrozenPartsOf(const ItemEmbeddings& embeddings,
                                 const std::vector<std::string>& items,
                                 std::vector<std::string> fields, std::size_t codes_per_field);

}  // namespace fourfold
