#include "feature/state/interner.h"

#include "base/check.h"

namespace fourfold {

TextIndex Interner::Find(std::string_view text) const {
  if (text.empty()) return 0;
  const ReaderMutexLock lock(&mutex_);
  const auto found = index_.find(text);
  return found == index_.end() ? 0 : found->second;
}

TextIndex Interner::Intern(std::string_view text) {
  if (const TextIndex known = Find(text); known != 0 || text.empty()) return known;
  const WriterMutexLock lock(&mutex_);
  const auto found = index_.find(text);
  if (found != index_.end()) return found->second;
  FOURFOLD_CHECK(texts_.size() < UINT32_MAX);
  const auto index = static_cast<TextIndex>(texts_.size());
  index_.emplace(texts_.emplace_back(text), index);
  return index;
}

std::string_view Interner::TextOf(TextIndex index) const {
  const ReaderMutexLock lock(&mutex_);
  FOURFOLD_CHECK(index < texts_.size());
  return texts_[index];
}

}  // namespace fourfold
