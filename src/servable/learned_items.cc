#include "servable/learned_items.h"

#include <map>
#include <string>
#include <utility>

#include "base/strings.h"

namespace fourfold {
namespace {

class MapNeighbours final : public ItemNeighbours {
 public:
  explicit MapNeighbours(const ItemToItemMap* map) : map_(map) {}
  std::span<const std::uint32_t> NeighboursOf(std::uint32_t item) const override {
    return map_->NeighboursOf(item);
  }
  std::span<const float> ScoresOf(std::uint32_t item) const override {
    return map_->ScoresOf(item);
  }

 private:
  const ItemToItemMap* map_;
};

class EmbeddingVectors final : public ItemVectors {
 public:
  explicit EmbeddingVectors(const ItemEmbeddings* embeddings) : embeddings_(embeddings) {}
  // None of an item that nobody had acted on: it may be here for what happened to it later, others
  // of its kind are not, and that would tell them apart.
  std::span<const float> VectorOf(std::uint32_t item) const override {
    return embeddings_->IsTrained(item) ? embeddings_->VectorOf(item) : std::span<const float>();
  }

 private:
  const ItemEmbeddings* embeddings_;
};

class ServableItems final : public LearnedItems {
 public:
  explicit ServableItems(std::shared_ptr<const Servable> servable)
      : servable_(std::move(servable)) {
    if (servable_ == nullptr) return;
    for (const auto& [name, map] : servable_->item_to_item) neighbours_.emplace(name, &map);
    for (const auto& [name, vectors] : servable_->embeddings) vectors_.emplace(name, &vectors);
  }
  std::uint32_t Find(std::string_view item) const override {
    if (servable_ == nullptr) return kUnknown;
    const auto found = servable_->vocabulary_index.find(item);
    return found == servable_->vocabulary_index.end() ? kUnknown : found->second;
  }
  const ItemNeighbours* FindNeighbours(std::string_view retriever) const override {
    const auto found = neighbours_.find(retriever);
    return found == neighbours_.end() ? nullptr : &found->second;
  }
  const ItemVectors* FindVectors(std::string_view retriever) const override {
    const auto found = vectors_.find(retriever);
    return found == vectors_.end() ? nullptr : &found->second;
  }

 private:
  const std::shared_ptr<const Servable> servable_;
  std::map<std::string, MapNeighbours, std::less<>> neighbours_;
  std::map<std::string, EmbeddingVectors, std::less<>> vectors_;
};

}  // namespace

std::shared_ptr<const LearnedItems> LearnedItemsOf(std::shared_ptr<const Servable> servable) {
  return std::make_shared<const ServableItems>(std::move(servable));
}

absl::Status CheckLearned(const FeaturePlan& plan, const Servable& servable) {
  for (const FeaturePlan::Output& output : plan.columns()) {
    const std::optional<LearnedRead> read = output.kind->learned();
    if (!read.has_value()) continue;
    const bool has = read->what == LearnedRead::What::kNeighbours
                         ? servable.item_to_item.contains(read->retriever)
                         : servable.embeddings.contains(read->retriever);
    if (has) continue;
    return InvalidArgument("feature \"", output.name, "\" reads the ", NameOf(read->what),
                           " of retriever \"", read->retriever, "\", which the servable lacks");
  }
  return absl::OkStatus();
}

}  // namespace fourfold
