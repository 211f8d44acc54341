#include "online/retrieval/retrievers.h"

#include <algorithm>

#include "base/check.h"
#include "online/retrieval/embedding_retriever.h"
#include "online/retrieval/item_to_item_retriever.h"
#include "online/retrieval/popular_retriever.h"
#include "online/retrieval/repeats_retriever.h"

namespace fourfold {
namespace {

bool ReadsHistory(const RetrieverSpec& spec) { return spec.kind != RetrieverSpec::Kind::kPopular; }

}  // namespace

std::unique_ptr<Retriever> MakeRetriever(const RetrieverSpec& spec) {
  switch (spec.kind) {
    case RetrieverSpec::Kind::kPopular:
      return std::make_unique<PopularRetriever>(spec);
    case RetrieverSpec::Kind::kItemCf:
    case RetrieverSpec::Kind::kCovisitation:
    case RetrieverSpec::Kind::kEase:
      return std::make_unique<ItemToItemRetriever>(spec);
    case RetrieverSpec::Kind::kEges:
      return std::make_unique<EmbeddingRetriever>(spec);
    case RetrieverSpec::Kind::kRepeats:
      return std::make_unique<RepeatsRetriever>(spec);
  }
  FOURFOLD_CHECK(false);
  return nullptr;
}

std::vector<RetrieverSpec> RetrieversOf(const Servable* servable) {
  if (servable == nullptr) return {};
  return servable->manifest.retrievers;
}

std::vector<RetrieverSpec> SimilarItemRetrieversOf(const Servable* servable) {
  std::vector<RetrieverSpec> specs = RetrieversOf(servable);
  std::erase_if(specs, [](const RetrieverSpec& spec) { return !FindsSimilarItems(spec); });
  return specs;
}

std::vector<std::string> NamesOf(const std::vector<RetrieverSpec>& specs) {
  std::vector<std::string> names;
  names.reserve(specs.size());
  for (const RetrieverSpec& spec : specs) names.push_back(spec.name);
  return names;
}

int HistoryActions(const PolicyOptions& policy, const std::vector<RetrieverSpec>& specs) {
  int actions = policy.history_actions;
  for (const RetrieverSpec& spec : specs) {
    if (ReadsHistory(spec)) actions = std::max(actions, spec.history_actions);
  }
  return actions;
}

}  // namespace fourfold
