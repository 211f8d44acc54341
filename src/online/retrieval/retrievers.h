#pragma once

#include <memory>
#include <string>
#include <vector>

#include "online/pipeline/stage.h"
#include "online/policy/policy_options.h"
#include "servable/servable.h"

namespace fourfold {

std::unique_ptr<Retriever> MakeRetriever(const RetrieverSpec& spec);

// The retrievers of a servable; none where there is no servable.
std::vector<RetrieverSpec> RetrieversOf(const Servable* servable);
// Those that say what goes with an item.
std::vector<RetrieverSpec> SimilarItemRetrieversOf(const Servable* servable);
std::vector<std::string> NamesOf(const std::vector<RetrieverSpec>& specs);

// How many actions a request reads: what the policy says, more where a retriever wants more.
int HistoryActions(const PolicyOptions& policy, const std::vector<RetrieverSpec>& specs);

}  // namespace fourfold
