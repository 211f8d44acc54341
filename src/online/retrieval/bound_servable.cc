#include "online/retrieval/bound_servable.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

absl::Status CheckParts(const Servable& servable) {
  const std::size_t items = servable.vocabulary.size();
  if (servable.popularity.size() != items) {
    return FailedPrecondition("popularity has ", servable.popularity.size(), " items, not ", items);
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
    std::shared_ptr<const Servable> servable, Catalogue* catalogue) {
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

  std::vector<std::uint64_t> hashes(vocabulary.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = StableHash(vocabulary[i]);
  std::vector<std::uint32_t> order(vocabulary.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (popularity[a] != popularity[b]) return popularity[a] > popularity[b];
    return hashes[a] < hashes[b];
  });
  bound->tie_ranks_.resize(vocabulary.size());
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) {
    bound->tie_ranks_[order[rank]] = rank;
    if (popularity[order[rank]] > 0) {
      bound->by_popularity_.push_back(bound->catalogue_items_[order[rank]]);
    }
  }
  return bound;
}

const std::string& BoundServable::version() const {
  static const std::string* const kNone = new std::string;
  return servable_ == nullptr ? *kNone : servable_->manifest.version;
}

}  // namespace fourfold
