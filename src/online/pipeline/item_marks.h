#pragma once

#include <cstdint>
#include <vector>

#include "feature/catalogue.h"

namespace fourfold {

// A number for each item, zero unless set: what a request needs to know of many items at the cost
// of one load. Emptied in constant time, so that one is used for request after request. Not
// thread-safe.
class ItemMarks {
 public:
  // Forgets everything; items are below `items` from now on.
  void Reset(std::size_t items) {
    if (slots_.size() < items) slots_.resize(items);
    if (++epoch_ == 0) {  // wrapped: old marks would look new
      slots_.assign(slots_.size(), {});
      epoch_ = 1;
    }
  }
  std::uint32_t Get(ItemIndex item) const {
    const Slot& slot = slots_[item];
    return slot.epoch == epoch_ ? slot.value : 0;
  }
  void Set(ItemIndex item, std::uint32_t value) { slots_[item] = {epoch_, value}; }
  void Add(ItemIndex item, std::uint32_t bits) { Set(item, Get(item) | bits); }

 private:
  struct Slot {
    std::uint32_t epoch = 0;
    std::uint32_t value = 0;
  };
  std::vector<Slot> slots_;
  std::uint32_t epoch_ = 0;
};

}  // namespace fourfold
