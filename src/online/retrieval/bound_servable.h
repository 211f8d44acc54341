#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/catalogue.h"
#include "online/retrieval/live_embeddings.h"
#include "servable/servable.h"

namespace fourfold {

inline constexpr std::uint32_t kNotInVocabulary = 0xffffffffu;

// A servable and a catalogue that know each other's item numbers. Or no servable: then nothing is
// in the vocabulary. Immutable but for the embeddings, which follow the catalogue; thread-safe;
// does not outlive the catalogue.
class BoundServable {
 public:
  // FailedPrecondition when the parts of the servable do not fit together. Interns the vocabulary.
  // `store` tells when items were put (live_embeddings.h); it may be null, and outlives the result.
  static absl::StatusOr<std::unique_ptr<const BoundServable>> Bind(
      std::shared_ptr<const Servable> servable, Catalogue* catalogue,
      const EventStore* store = nullptr);

  const Servable* servable() const { return servable_.get(); }  // null: none
  const std::string& version() const;                           // empty: none

  ItemIndex CatalogueItem(std::uint32_t vocabulary_index) const {
    return catalogue_items_[vocabulary_index];
  }
  std::uint32_t VocabularyIndex(ItemIndex item) const {
    return item < vocabulary_indexes_.size() ? vocabulary_indexes_[item] : kNotInVocabulary;
  }
  std::size_t vocabulary_size() const { return catalogue_items_.size(); }
  // All-time popularity; 0 for items that the servable does not know.
  float Popularity(ItemIndex item) const {
    const std::uint32_t index = VocabularyIndex(item);
    return index == kNotInVocabulary ? 0 : servable_->popularity[index];
  }
  // The tie rule as one number: smaller for higher popularity, then for a smaller OrderHash.
  std::uint32_t TieRank(std::uint32_t vocabulary_index) const {
    return servable_->tie_rank[vocabulary_index];
  }
  // Of a retriever that has some; null for any other.
  const LiveEmbeddings* Embeddings(const std::string& retriever) const {
    const auto found = embeddings_.find(retriever);
    return found == embeddings_.end() ? nullptr : found->second.get();
  }
  // Items whose embeddings are left out (live_embeddings.h), by retriever; only where some are.
  std::map<std::string, std::size_t> LeftOutOfEmbeddings() const;
  // Items with a popularity above 0 by the tie rule, best first.
  std::span<const ItemIndex> by_popularity() const { return by_popularity_; }

 private:
  BoundServable() = default;

  std::shared_ptr<const Servable> servable_;
  std::vector<ItemIndex> catalogue_items_;         // by vocabulary index
  std::vector<std::uint32_t> vocabulary_indexes_;  // by item index
  std::vector<ItemIndex> by_popularity_;
  std::map<std::string, std::unique_ptr<const LiveEmbeddings>> embeddings_;  // by retriever
};

}  // namespace fourfold
