#include "online/retrieval/embedding_retriever.h"

#include <algorithm>
#include <cstdint>
#include <span>
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
  Search(const RetrieverSpec& spec, const BoundServable& bound, const LiveEmbeddings::View& view,
         RetrievalScratch* scratch)
      : spec_(spec),
        map_(bound.servable()->item_to_item.at(spec.name)),
        embeddings_(bound.servable()->embeddings.at(spec.name)),
        bound_(bound),
        view_(view),
        scratch_(scratch),
        known_(static_cast<std::uint32_t>(bound.vocabulary_size())) {
    const std::size_t candidates = known_ + view_.fresh();
    if (scratch_->sums.size() < candidates) scratch_->sums.resize(candidates);
    scratch_->touched.clear();
  }

  void AddAction(std::uint32_t action, ItemIndex item, double weight) {
    const std::span<const float> vector = view_.VectorOf(item);
    if (vector.empty()) return;
    const std::uint32_t index = bound_.VocabularyIndex(item);
    if (index != kNotInVocabulary && !view_.IsReplaced(index)) {
      AddRow(map_.NeighboursOf(index), map_.ScoresOf(index), weight, action, scratch_);
      AddFresh(vector, LeastThatStands(index), weight, action);
    } else if (compared_++ < kComparedActionsMax) {
      AddNearest(item, vector, weight, action);
    }
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

  // The score that a newcomer to a row must exceed.
  float LeastThatStands(std::uint32_t index) const {
    const std::span<const float> scores = map_.ScoresOf(index);
    const bool is_full =
        spec_.neighbours > 0 && scores.size() >= static_cast<std::size_t>(spec_.neighbours);
    return is_full ? scores.back() : 0;
  }

  void AddFresh(std::span<const float> vector, float least, double weight, std::uint32_t action) {
    for (std::uint32_t number = 0; number < view_.fresh(); ++number) {
      const float cosine = Cosine(vector, view_.FreshVector(number).data());
      if (cosine > least) {
        AddShare(known_ + number, weight * static_cast<double>(cosine), action, scratch_);
      }
    }
  }

  void AddNearest(ItemIndex item, std::span<const float> vector, double weight,
                  std::uint32_t action) {
    const std::size_t limit = spec_.neighbours > 0 ? static_cast<std::size_t>(spec_.neighbours)
                                                   : known_ + std::size_t{view_.fresh()};
    BestCandidates nearest(limit, &scratch_->best);
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
  const ItemToItemMap& map_;
  const ItemEmbeddings& embeddings_;
  const BoundServable& bound_;
  const LiveEmbeddings::View& view_;
  RetrievalScratch* const scratch_;
  const std::uint32_t known_;
  const VectorKernels& kernels_ = FastVectorKernels();
  int compared_ = 0;
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
  if (live == nullptr || !bound.servable()->item_to_item.contains(spec_.name)) {
    return NotFound("the servable has no embeddings named ", spec_.name);
  }
  const LiveEmbeddings::View view(*live, *query.catalogue);
  Search search(spec_, bound, view, scratch);
  VisitTriggers(spec_, query, scratch, [&](std::uint32_t action, ItemIndex item, double weight) {
    search.AddAction(action, item, weight);
  });
  BestCandidates best(CandidateLimit(spec_, query), &scratch->best);
  for (const std::uint32_t candidate : scratch->touched) {
    const RetrievalScratch::Scored scored = search.Score(candidate, *query.catalogue);
    if (scored.score > 0) best.Offer(scored);
  }
  if (best.Finish()) sink->MarkCutOff();
  for (const auto& scored : scratch->best) {
    if (!sink->Add(search.ItemOf(scored.item), scored.score, scored.trigger)) break;
  }
  return absl::OkStatus();
}

}  // namespace fourfold
