#include "online/retrieval/live_embeddings.h"

#include <algorithm>

#include "online/retrieval/bound_servable.h"
#include "servable/side_values.h"

namespace fourfold {
namespace {

// Reading a whole catalogue lets writers in after this many items.
constexpr ItemIndex kItemsPerLock = 4096;

ItemEmbeddings::SideValues SideValuesIn(const Catalogue::ReadLock& catalogue, ItemIndex item,
                                        const ItemEmbeddings& embeddings) {
  ItemEmbeddings::SideValues values(embeddings.fields());
  for (std::size_t field = 0; field < values.size(); ++field) {
    const FieldValue* value = catalogue.FieldOf(item, embeddings.FieldName(field));
    if (value != nullptr) values[field] = SideValuesOf(*value);
  }
  return values;
}

}  // namespace

LiveEmbeddings::LiveEmbeddings(const ItemEmbeddings* embeddings, const BoundServable* bound,
                               const Catalogue& catalogue, std::size_t fresh_max)
    : embeddings_(embeddings),
      bound_(bound),
      fresh_max_(fresh_max),
      is_replaced_(embeddings->items()) {
  if (embeddings_->fields() == 0) return;
  ItemIndex next = 0;
  for (bool done = false; !done;) {
    const Catalogue::ReadLock lock(catalogue);
    WriterMutexLock writing(&mutex_);
    // What changes while other locks are held is seen as changed after this moment.
    if (next == 0) seen_ = lock.changes();
    const auto end =
        static_cast<ItemIndex>(std::min<std::size_t>(next + kItemsPerLock, lock.size()));
    for (; next < end; ++next) Update(lock, next);
    done = next == lock.size();
  }
}

void LiveEmbeddings::CatchUp(const Catalogue::ReadLock& catalogue) const {
  WriterMutexLock writing(&mutex_);
  catalogue.VisitChangedSince(
      seen_, [&](ItemIndex item) ABSL_NO_THREAD_SAFETY_ANALYSIS { Update(catalogue, item); });
  seen_ = catalogue.changes();
}

void LiveEmbeddings::Update(const Catalogue::ReadLock& catalogue, ItemIndex item) const {
  Drop(item);
  left_out_.erase(item);
  const std::uint32_t index = bound_->VocabularyIndex(item);
  const bool in_vocabulary = index != kNotInVocabulary;
  if (in_vocabulary) is_replaced_[index] = false;
  if (!catalogue.Exists(item)) return;  // the pipeline shows nothing that does not exist
  const ItemEmbeddings::SideValues values = SideValuesIn(catalogue, item, *embeddings_);
  if (in_vocabulary && embeddings_->AreThoseOf(index, values)) return;
  if (in_vocabulary) is_replaced_[index] = true;
  const std::vector<float> vector =
      embeddings_->Compose(in_vocabulary ? index : ItemEmbeddings::kNoItemRow, values);
  if (vector.empty()) return;
  if (fresh_items_.size() >= fresh_max_) LeaveOutOldest();
  fresh_numbers_[item] = static_cast<std::uint32_t>(fresh_items_.size());
  by_age_[next_age_rank_] = item;
  fresh_items_.push_back({item, next_age_rank_++});
  fresh_vectors_.insert(fresh_vectors_.end(), vector.begin(), vector.end());
}

void LiveEmbeddings::Drop(ItemIndex item) const {
  const auto found = fresh_numbers_.find(item);
  if (found == fresh_numbers_.end()) return;
  const std::uint32_t number = found->second;
  fresh_numbers_.erase(found);
  by_age_.erase(fresh_items_[number].age_rank);
  // The last one takes the place.
  const std::size_t dimension = embeddings_->dimension();
  const std::size_t last = fresh_items_.size() - 1;
  if (number != last) {
    fresh_items_[number] = fresh_items_[last];
    fresh_numbers_[fresh_items_[number].item] = number;
    std::copy_n(fresh_vectors_.begin() + static_cast<std::ptrdiff_t>(last * dimension), dimension,
                fresh_vectors_.begin() + static_cast<std::ptrdiff_t>(number * dimension));
  }
  fresh_items_.pop_back();
  fresh_vectors_.resize(last * dimension);
}

void LiveEmbeddings::LeaveOutOldest() const {
  const ItemIndex item = by_age_.begin()->second;
  Drop(item);
  left_out_.insert(item);
  const std::uint32_t index = bound_->VocabularyIndex(item);
  if (index != kNotInVocabulary) is_replaced_[index] = false;
}

std::size_t LiveEmbeddings::left_out() const {
  ReaderMutexLock reading(&mutex_);
  return left_out_.size();
}

LiveEmbeddings::View::View(const LiveEmbeddings& live, const Catalogue::ReadLock& catalogue)
    : live_(live) {
  if (live_.embeddings_->fields() > 0 && live_.seen_ != catalogue.changes()) {
    live_.CatchUp(catalogue);
  }
  live_.mutex_.ReaderLock();
}

LiveEmbeddings::View::~View() { live_.mutex_.ReaderUnlock(); }

// The compiler cannot see that the members below run under the lock that the object itself holds.
std::uint32_t LiveEmbeddings::View::fresh() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return static_cast<std::uint32_t>(live_.fresh_items_.size());
}

ItemIndex LiveEmbeddings::View::FreshItem(std::uint32_t number) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return live_.fresh_items_[number].item;
}

std::span<const float> LiveEmbeddings::View::FreshVector(std::uint32_t number) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const std::size_t dimension = live_.embeddings_->dimension();
  return std::span(live_.fresh_vectors_).subspan(number * dimension, dimension);
}

bool LiveEmbeddings::View::IsReplaced(std::uint32_t vocabulary_index) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return live_.is_replaced_[vocabulary_index];
}

std::span<const float> LiveEmbeddings::View::VectorOf(ItemIndex item) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const auto found = live_.fresh_numbers_.find(item);
  if (found != live_.fresh_numbers_.end()) return FreshVector(found->second);
  const std::uint32_t index = live_.bound_->VocabularyIndex(item);
  if (index == kNotInVocabulary || live_.is_replaced_[index]) return {};
  return live_.embeddings_->VectorOf(index);
}

}  // namespace fourfold
