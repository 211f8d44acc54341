#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "online/pipeline/retrieval_scratch.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// The order of a retriever's list. No function, which sorting would call through a pointer.
struct IsBetter {
  bool operator()(const RetrievalScratch::Scored& a, const RetrievalScratch::Scored& b) const {
    return a.score > b.score || (a.score == b.score && a.tie_rank < b.tie_rank);
  }
};

// Keeps the best `limit` of what is offered, in `buffer`. While twice as many are held, the worse
// half is thrown away: after that most offers cost one comparison.
class BestCandidates {
 public:
  using Scored = RetrievalScratch::Scored;

  BestCandidates(std::size_t limit, std::vector<Scored>* buffer) : limit_(limit), buffer_(buffer) {
    buffer_->clear();
  }

  void Offer(const Scored& offered) {
    ++offers_;
    if (has_bar_ && !IsBetter()(offered, bar_)) return;
    buffer_->push_back(offered);
    if (buffer_->size() >= 2 * limit_) {
      Halve();
      bar_ = *std::max_element(buffer_->begin(), buffer_->end(), IsBetter());  // the worst one kept
      has_bar_ = true;
    }
  }

  // Sorts the buffer, best first. Whether there was more than fits.
  bool Finish() {
    if (buffer_->size() > limit_) Halve();
    std::sort(buffer_->begin(), buffer_->end(), IsBetter());
    return offers_ > limit_;
  }

  // Finishes, and hands on what was found; item_of(candidate) is the catalogue's item.
  template <typename ItemOf>
  void HandOn(CandidateSink* sink, const ItemOf& item_of) {
    if (Finish()) sink->MarkCutOff();
    for (const Scored& scored : *buffer_) {
      if (!sink->Add(item_of(scored.item), scored.score, scored.trigger)) break;
    }
  }

 private:
  void Halve() {
    const auto end = buffer_->begin() + static_cast<std::ptrdiff_t>(limit_);
    std::nth_element(buffer_->begin(), end, buffer_->end(), IsBetter());
    buffer_->erase(end, buffer_->end());
  }

  std::size_t limit_;
  std::vector<Scored>* buffer_;
  std::size_t offers_ = 0;
  bool has_bar_ = false;
  Scored bar_;
};

}  // namespace fourfold
