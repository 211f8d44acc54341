#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "feature/state/action_entry.h"

namespace fourfold {

// Numbers texts densely in the order in which they are first met; 0 is the empty text. Thread-safe.
class Interner {
 public:
  Interner() { texts_.emplace_back(); }

  TextIndex Intern(std::string_view text) ABSL_LOCKS_EXCLUDED(mutex_);
  // 0 where it was never interned.
  TextIndex Find(std::string_view text) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Valid as long as the interner.
  std::string_view TextOf(TextIndex index) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable SharedMutex mutex_;
  std::deque<std::string> texts_ ABSL_GUARDED_BY(mutex_);  // never moves a text: keys point here
  absl::flat_hash_map<std::string_view, TextIndex, StringHash, std::equal_to<>> index_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
