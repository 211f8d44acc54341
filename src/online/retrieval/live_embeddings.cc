#include "online/retrieval/live_embeddings.h"

#include <algorithm>
#include <limits>

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

// Of the newest fact that the clock has reached; the oldest age there is for an item without one.
std::pair<std::int64_t, Position> NewestFact(const EventStore& store, const std::string& item) {
  std::pair<std::int64_t, Position> newest{std::numeric_limits<std::int64_t>::min(), 0};
  const std::int64_t now_ms = store.NowMs();
  const absl::Status read =
      store.ReadItemEvents(item, store.EndPosition(), [&](const LoggedEvent& fact) {
        const std::int64_t since_ms = std::max(fact.event.event_time_ms, fact.known_time_ms);
        if (since_ms <= now_ms) newest = std::max(newest, {since_ms, fact.position});
      });
  // What cannot be read stays the oldest: it is shown by other retrievers.
  if (!read.ok()) return {std::numeric_limits<std::int64_t>::min(), 0};
  return newest;
}

}  // namespace

LiveEmbeddings::LiveEmbeddings(const ItemEmbeddings* embeddings, const BoundServable* bound,
                               const Catalogue& catalogue, const EventStore* store,
                               std::size_t fresh_max)
    : embeddings_(embeddings),
      bound_(bound),
      store_(store),
      fresh_max_(fresh_max),
      is_replaced_(embeddings->items()) {
  if (embeddings_->fields() == 0) return;
  std::vector<Changed> changed;
  ItemIndex next = 0;
  for (bool done = false; !done;) {
    const Catalogue::ReadLock lock(catalogue);
    // What changes while other locks are held is seen as changed after this moment.
    if (next == 0) seen_ = lock.changes();
    const auto end =
        static_cast<ItemIndex>(std::min<std::size_t>(next + kItemsPerLock, lock.size()));
    CollectChanged(lock, next, end, &changed);
    next = end;
    done = next == lock.size();
  }
  if (store_ != nullptr) {
    for (Changed& one : changed) one.age = NewestFact(*store_, one.id);
  }
  SortByAge(&changed);
  for (std::size_t begin = 0; begin < changed.size(); begin += kItemsPerLock) {
    const Catalogue::ReadLock lock(catalogue);
    WriterMutexLock writing(&mutex_);
    const std::size_t end = std::min(changed.size(), begin + kItemsPerLock);
    for (std::size_t i = begin; i < end; ++i) Update(lock, changed[i].item);
  }
}

bool LiveEmbeddings::IsAsTrained(ItemIndex item, const ItemEmbeddings::SideValues& values) const {
  const std::uint32_t index = bound_->VocabularyIndex(item);
  return index != kNotInVocabulary && embeddings_->AreThoseOf(index, values);
}

void LiveEmbeddings::CollectChanged(const Catalogue::ReadLock& catalogue, ItemIndex begin,
                                    ItemIndex end, std::vector<Changed>* changed) const {
  for (ItemIndex item = begin; item < end; ++item) {
    if (!catalogue.Exists(item)) continue;
    if (IsAsTrained(item, SideValuesIn(catalogue, item, *embeddings_))) continue;
    changed->push_back({{}, item, std::string(catalogue.Id(item))});
  }
}

void LiveEmbeddings::SortByAge(std::vector<Changed>* changed) {
  std::stable_sort(changed->begin(), changed->end(),
                   [](const Changed& a, const Changed& b) { return a.age < b.age; });
}

void LiveEmbeddings::StartAgain(const Catalogue::ReadLock& catalogue) const {
  fresh_items_.clear();
  fresh_vectors_.clear();
  fresh_numbers_.clear();
  by_age_.clear();
  left_out_.clear();
  is_replaced_.assign(is_replaced_.size(), false);
  std::vector<Changed> changed;
  CollectChanged(catalogue, 0, static_cast<ItemIndex>(catalogue.size()), &changed);
  // The order of the newest changes is known; a request waits while the others are read.
  absl::flat_hash_map<ItemIndex, std::uint64_t> newest;
  std::uint64_t number = 0;
  catalogue.VisitChangedSince(catalogue.changes() - Catalogue::kChangesKept,
                              [&](ItemIndex item) { newest[item] = ++number; });
  for (Changed& one : changed) {
    const auto found = newest.find(one.item);
    if (found != newest.end()) {
      one.age = {std::numeric_limits<std::int64_t>::max(), found->second};
    } else if (store_ != nullptr) {
      one.age = NewestFact(*store_, one.id);
    }
  }
  SortByAge(&changed);
  for (const Changed& one : changed) Update(catalogue, one.item);
}

void LiveEmbeddings::CatchUp(const Catalogue::ReadLock& catalogue) const {
  WriterMutexLock writing(&mutex_);
  if (catalogue.changes() - seen_ > Catalogue::kChangesKept) {
    StartAgain(catalogue);
  } else {
    catalogue.VisitChangedSince(
        seen_, [&](ItemIndex item) ABSL_NO_THREAD_SAFETY_ANALYSIS { Update(catalogue, item); });
  }
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
  if (IsAsTrained(item, values)) return;
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
