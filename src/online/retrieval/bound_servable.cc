#include "online/retrieval/bound_servable.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

absl::Status CheckParts(const Servable& servable) {
  const std::size_t items = servable.vocabulary.size();
  if (servable.popularity.size() != items) {
    return FailedPrecondition("popularity has ", servable.popularity.size(), " items, not ", items);
  }
  std::vector<bool> ranked(items);
  for (const std::uint32_t rank : servable.tie_rank) {
    if (rank < items) ranked[rank] = true;
  }
  if (servable.tie_rank.size() != items ||
      std::find(ranked.begin(), ranked.end(), false) != ranked.end()) {
    return FailedPrecondition("the vocabulary is not indexed");
  }
  for (const auto& [name, table] : servable.popularity_tables) {
    if (table.scores.size() != items) {
      return FailedPrecondition("retriever ", name, ": its popularity table has ",
                                table.scores.size(), " items, not ", items);
    }
    std::vector<bool> listed(items);
    for (const std::uint32_t index : table.by_score) {
      if (index >= items || listed[index]) {
        return FailedPrecondition("retriever ", name, ": item ", index, " stands ",
                                  index >= items ? "past the vocabulary" : "twice");
      }
      listed[index] = true;
    }
  }
  for (const auto& [name, embeddings] : servable.embeddings) {
    if (embeddings.items() != items) {
      return FailedPrecondition("retriever ", name, ": its embeddings have ", embeddings.items(),
                                " items, not ", items);
    }
  }
  for (const auto& [name, graph] : servable.vector_graphs) {
    if (graph.items() > items) {
      return FailedPrecondition("retriever ", name, ": its graph names items past the vocabulary");
    }
  }
  for (const auto& [name, map] : servable.item_to_item) {
    if (map.items() != items) {
      return FailedPrecondition("retriever ", name, ": its item-to-item map has ", map.items(),
                                " items, not ", items);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<const BoundServable>> BoundServable::Bind(
    std::shared_ptr<const Servable> servable, Catalogue* catalogue, const EventStore* store) {
  std::unique_ptr<BoundServable> bound(new BoundServable);
  bound->servable_ = std::move(servable);
  if (bound->servable_ == nullptr) return bound;
  FOURFOLD_RETURN_IF_ERROR(CheckParts(*bound->servable_));

  const std::vector<std::string>& vocabulary = bound->servable_->vocabulary;
  const std::vector<float>& popularity = bound->servable_->popularity;
  bound->catalogue_items_ = catalogue->InternAll(vocabulary);
  const auto largest =
      std::max_element(bound->catalogue_items_.begin(), bound->catalogue_items_.end());
  if (largest != bound->catalogue_items_.end()) {
    bound->vocabulary_indexes_.assign(std::size_t{*largest} + 1, kNotInVocabulary);
  }
  for (std::uint32_t i = 0; i < vocabulary.size(); ++i) {
    std::uint32_t& index = bound->vocabulary_indexes_[bound->catalogue_items_[i]];
    if (index != kNotInVocabulary) {
      return FailedPrecondition("item ", vocabulary[i], " stands in the vocabulary twice");
    }
    index = i;
  }

  bound->by_popularity_.resize(vocabulary.size());
  for (std::uint32_t i = 0; i < vocabulary.size(); ++i) {
    bound->by_popularity_[bound->servable_->tie_rank[i]] = bound->catalogue_items_[i];
  }
  bound->by_popularity_.resize(static_cast<std::size_t>(
      std::count_if(popularity.begin(), popularity.end(), [](float count) { return count > 0; })));
  for (const auto& [name, embeddings] : bound->servable_->embeddings) {
    bound->embeddings_.emplace(
        name, std::make_unique<const LiveEmbeddings>(&embeddings, bound.get(), *catalogue, store));
  }
  return bound;
}

std::map<std::string, std::size_t> BoundServable::LeftOutOfEmbeddings() const {
  std::map<std::string, std::size_t> left_out;
  for (const auto& [name, embeddings] : embeddings_) {
    if (const std::size_t items = embeddings->left_out(); items > 0) left_out[name] = items;
  }
  return left_out;
}

const std::string& BoundServable::version() const {
  static const std::string* const kNone = new std::string;
  return servable_ == nullptr ? *kNone : servable_->manifest.version;
}

}  // namespace fourfold
