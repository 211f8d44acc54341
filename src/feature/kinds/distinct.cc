#include <algorithm>
#include <cstdint>
#include <vector>

#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// distinct: how many different items, users or sessions the actions are of.
namespace fourfold {
namespace {

// Counts different ids above 0. Clearing takes no time, so that one serves many candidates.
class DistinctCounter {
 public:
  void Clear() {
    ++round_;
    count_ = 0;
  }
  void Add(std::uint64_t id) {
    if (2 * (count_ + 1) > slots_.size()) Grow();
    Slot& slot = SlotOf(id);
    if (slot.round == round_) return;
    slot = {.id = id, .round = round_};
    ++count_;
  }
  std::size_t count() const { return count_; }

 private:
  struct Slot {
    std::uint64_t id = 0;
    std::uint64_t round = 0;  // in which it was taken
  };

  // That of the id or, when it has none, a free one.
  Slot& SlotOf(std::uint64_t id) {
    constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // item ids are small numbers
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (id * kGoldenRatio) >> 32 & mask;
    while (slots_[at].round == round_ && slots_[at].id != id) at = (at + 1) & mask;
    return slots_[at];
  }
  void Grow() {
    std::vector<Slot> old(std::max<std::size_t>(64, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.round == round_) SlotOf(slot.id) = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of 2, at least half of it free
  std::uint64_t round_ = 1;
  std::size_t count_ = 0;
};

class DistinctFeature final : public FeatureKind {
 public:
  enum class Of : std::uint8_t { kItem, kUser, kSession };

  DistinctFeature(ActionView view, Of of) : view_(view), of_(of) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  std::optional<float> default_value() const override { return 0.0F; }
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    DistinctCounter counter;
    std::vector<const ActionEntry*> actions;
    for (std::size_t c = 0; c < out.size(); ++c) {
      actions.clear();
      const TimelineAt& timeline = context.TimelineOf(view_.family, c);
      // Actions lie anywhere in memory: all are on their way before the first is looked at.
      timeline.VisitAll(view_.type_mask, view_.FromMs(context.now_ms()),
                        [&](const TimelineEntry& entry) {
                          actions.push_back(&timeline.ActionOf(entry));
                          __builtin_prefetch(IdAddressOf(*actions.back()));
                        });
      counter.Clear();
      for (const ActionEntry* action : actions) {
        const std::uint64_t id = IdOf(*action);
        if (id != 0) counter.Add(id);
      }
      out[c] = static_cast<float>(counter.count());
    }
  }

 private:
  std::uint64_t IdOf(const ActionEntry& entry) const {
    return of_ == Of::kItem ? entry.item : of_ == Of::kUser ? entry.user : entry.session;
  }
  const void* IdAddressOf(const ActionEntry& entry) const {
    if (of_ == Of::kItem) return &entry.item;
    return of_ == Of::kUser ? &entry.user : &entry.session;
  }

  ActionView view_;
  Of of_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeDistinct(ParameterReader* parameters, PlanBuilder* plan) {
  const ActionView view = ReadActionView(parameters, plan);
  const std::string of = parameters->Choice("of", {"item", "user", "session"});
  using Of = DistinctFeature::Of;
  return std::make_unique<DistinctFeature>(view, of == "item"   ? Of::kItem
                                                 : of == "user" ? Of::kUser
                                                                : Of::kSession);
}

}  // namespace fourfold
