#include "online/retrieval/embedding_retriever.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "base/strings.h"
#include "math/vector_kernels.h"
#include "online/retrieval/best_candidates.h"
#include "online/retrieval/live_embeddings.h"
#include "online/retrieval/triggers.h"

namespace fourfold {

// One request. Candidates are numbered: the vocabulary's items by their index, then the view's
// fresh items.
class EmbeddingRetriever::Search {
 public:
  // What the spec's way of searching needs is there.
  Search(const RetrieverSpec& spec, const BoundServable& bound, const LiveEmbeddings::View& view,
         RetrievalScratch* scratch)
      : spec_(spec),
        map_(PartOf(bound.servable()->item_to_item, spec.name)),
        graph_(PartOf(bound.servable()->vector_graphs, spec.name)),
        embeddings_(bound.servable()->embeddings.at(spec.name)),
        bound_(bound),
        view_(view),
        scratch_(scratch),
        known_(static_cast<std::uint32_t>(bound.vocabulary_size())) {
    const std::size_t candidates = known_ + view_.fresh();
    if (scratch_->sums.size() < candidates) scratch_->sums.resize(candidates);
    scratch_->touched.clear();
    scratch_->query_vector.assign(embeddings_.dimension(), 0.0F);
  }

  void AddAction(std::uint32_t action, ItemIndex item, double weight) {
    const std::span<const float> vector = view_.VectorOf(item);
    if (vector.empty()) return;
    switch (spec_.search) {
      case RetrieverSpec::Search::kMap:
        return AddByMap(action, item, vector, weight);
      case RetrieverSpec::Search::kActions:
        return AddByGraph(vector, RowLimit(), item, weight, action);
      case RetrieverSpec::Search::kMean:
        if (newest_ == kNoTrigger) newest_ = action;
        ++averaged_;
        kernels_.add_scaled(static_cast<float>(weight), vector.data(),
                            scratch_->query_vector.data(), vector.size());
    }
  }

  // After the actions. `limit`: how many candidates are wanted.
  void AddMean(std::size_t limit) {
    std::vector<float>& mean = scratch_->query_vector;
    const float square = kernels_.dot(mean.data(), mean.data(), mean.size());
    if (newest_ == kNoTrigger || !(square > 0)) return;
    for (float& value : mean) value /= std::sqrt(square);
    // The items acted on are nearest, and mostly not shown again.
    AddByGraph(mean, limit + averaged_, kNoItem, 1, newest_);
  }

  RetrievalScratch::Scored Score(std::uint32_t candidate, const Catalogue::ReadLock& catalogue) {
    const RetrievalScratch::Sum sum = std::exchange(scratch_->sums[candidate], {});
    if (candidate < known_) {
      const double score = view_.IsReplaced(candidate) ? 0 : sum.score;
      return {score, bound_.TieRank(candidate), candidate, sum.trigger};
    }
    // What nobody has acted on comes after what somebody has, by the hash of the id.
    const std::uint64_t hash = catalogue.OrderHash(view_.FreshItem(candidate - known_));
    return {sum.score, static_cast<std::uint32_t>(hash >> 33) | 0x80000000u, candidate,
            sum.trigger};
  }

  ItemIndex ItemOf(std::uint32_t candidate) const {
    return candidate < known_ ? bound_.CatalogueItem(candidate)
                              : view_.FreshItem(candidate - known_);
  }

 private:
  float Cosine(std::span<const float> a, const float* b) const {
    return kernels_.dot(a.data(), b, a.size());
  }

  template <typename Part>
  static const Part* PartOf(const std::map<std::string, Part>& parts, const std::string& name) {
    const auto found = parts.find(name);
    return found == parts.end() ? nullptr : &found->second;
  }

  std::size_t RowLimit() const {
    return spec_.neighbours > 0 ? static_cast<std::size_t>(spec_.neighbours)
                                : known_ + std::size_t{view_.fresh()};
  }

  void AddByMap(std::uint32_t action, ItemIndex item, std::span<const float> vector,
                double weight) {
    const std::uint32_t index = bound_.VocabularyIndex(item);
    if (index != kNotInVocabulary && !view_.IsReplaced(index)) {
      const std::span<const float> scores = map_->ScoresOf(index);
      AddRow(map_->NeighboursOf(index), scores, weight, action, scratch_);
      // A newcomer to a full row must be nearer than its last.
      AddFresh(vector, item, scores.size() < RowLimit() ? 0 : scores.back(), weight, action);
    } else if (compared_++ < kComparedActionsMax) {
      AddNearest(item, vector, weight, action);
    }
  }

  void AddByGraph(std::span<const float> query, std::size_t limit, ItemIndex self, double weight,
                  std::uint32_t action) {
    std::vector<Neighbour>& nearest = scratch_->nearest;
    // One more, since the item itself is its own nearest.
    graph_->Search(embeddings_.vectors(), query, limit + 1,
                   static_cast<std::size_t>(spec_.search_width), &scratch_->vector_search,
                   &nearest);
    std::erase_if(nearest, [&](const Neighbour& neighbour) {
      return neighbour.score <= 0 || view_.IsReplaced(neighbour.item) ||
             bound_.CatalogueItem(neighbour.item) == self;
    });
    if (nearest.size() > limit) nearest.resize(limit);
    const float least = nearest.size() < limit ? 0 : nearest.back().score;
    for (const Neighbour& neighbour : nearest) {
      AddShare(neighbour.item, weight * static_cast<double>(neighbour.score), action, scratch_);
    }
    AddFresh(query, self, least, weight, action);
  }

  void AddFresh(std::span<const float> vector, ItemIndex self, float least, double weight,
                std::uint32_t action) {
    for (std::uint32_t number = 0; number < view_.fresh(); ++number) {
      const float cosine = Cosine(vector, view_.FreshVector(number).data());
      if (cosine > least && view_.FreshItem(number) != self) {
        AddShare(known_ + number, weight * static_cast<double>(cosine), action, scratch_);
      }
    }
  }

  void AddNearest(ItemIndex item, std::span<const float> vector, double weight,
                  std::uint32_t action) {
    BestCandidates nearest(RowLimit(), &scratch_->best);
    const float* other = embeddings_.vectors().data();
    for (std::uint32_t index = 0; index < known_; ++index, other += vector.size()) {
      const float cosine = Cosine(vector, other);
      if (cosine > 0 && !view_.IsReplaced(index)) {
        nearest.Offer({static_cast<double>(cosine), index, index, action});
      }
    }
    for (std::uint32_t number = 0; number < view_.fresh(); ++number) {
      const float cosine = Cosine(vector, view_.FreshVector(number).data());
      if (cosine > 0 && view_.FreshItem(number) != item) {
        nearest.Offer({static_cast<double>(cosine), known_ + number, known_ + number, action});
      }
    }
    nearest.Finish();
    for (const auto& found : scratch_->best) {
      AddShare(found.item, weight * found.score, action, scratch_);
    }
  }

  const RetrieverSpec& spec_;
  const ItemToItemMap* const map_;  // search map
  const VectorGraph* const graph_;  // search mean, actions
  const ItemEmbeddings& embeddings_;
  const BoundServable& bound_;
  const LiveEmbeddings::View& view_;
  RetrievalScratch* const scratch_;
  const std::uint32_t known_;
  const VectorKernels& kernels_ = FastVectorKernels();
  int compared_ = 0;
  std::size_t averaged_ = 0;
  std::uint32_t newest_ = kNoTrigger;
};

EmbeddingRetriever::EmbeddingRetriever(RetrieverSpec spec)
    : Retriever({.name = spec.name,
                 .reads = {Column::kHistory},
                 .writes = {Column::kCandidates},
                 .on_failure = OnFailure::kSkipStage}),
      spec_(std::move(spec)) {}

absl::Status EmbeddingRetriever::Retrieve(const Query& query, RetrievalScratch* scratch,
                                          CandidateSink* sink) const {
  const BoundServable& bound = *query.servable;
  const LiveEmbeddings* const live = bound.Embeddings(spec_.name);
  const bool is_whole = HasVectorGraph(spec_) ? bound.servable()->vector_graphs.contains(spec_.name)
                                              : bound.servable()->item_to_item.contains(spec_.name);
  if (live == nullptr || !is_whole) {
    return NotFound("the servable has no embeddings, or no way to search them, named ", spec_.name);
  }
  const LiveEmbeddings::View view(*live, *query.catalogue);
  Search search(spec_, bound, view, scratch);
  VisitTriggers(spec_, query, scratch, [&](std::uint32_t action, ItemIndex item, double weight) {
    search.AddAction(action, item, weight);
  });
  const std::size_t limit = CandidateLimit(spec_, query);
  if (spec_.search == RetrieverSpec::Search::kMean) search.AddMean(limit);
  BestCandidates best(limit, &scratch->best);
  for (const std::uint32_t candidate : scratch->touched) {
    const RetrievalScratch::Scored scored = search.Score(candidate, *query.catalogue);
    if (scored.score > 0) best.Offer(scored);
  }
  best.HandOn(sink, [&](std::uint32_t candidate) { return search.ItemOf(candidate); });
  return absl::OkStatus();
}

}  // namespace fourfold
