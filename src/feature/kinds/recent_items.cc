#include "feature/kinds/recent_items.h"

#include "absl/container/flat_hash_set.h"

namespace fourfold {

RecentItems::RecentItems(ParameterReader* parameters, PlanBuilder* plan) {
  const bool is_user = parameters->Choice("entity", {"user", "session"}) == "user";
  view_.family = plan->AddTimeline(is_user ? StateEntity::kUser : StateEntity::kSession,
                                   TimelineFamily::Split::kNone);
  view_.type_mask = ReadTypes(parameters, plan, "types");
  view_.window_ms = parameters->Duration("window");
  actions_ = static_cast<std::size_t>(parameters->Number("actions", 100, 1, 1000));
  decay_ = parameters->Number("decay", 1, 0, 1);
}

std::vector<RecentItems::Item> RecentItems::Read(const FeatureContext& context) const {
  std::vector<Item> items;
  absl::flat_hash_set<TextIndex> met;
  const TimelineAt& timeline = context.TimelineOf(view_.family, 0);
  std::size_t visited = 0;
  double weight = 1;
  timeline.VisitNewest(view_.type_mask, view_.FromMs(context.now_ms()),
                       [&](const TimelineEntry& entry) {
                         const TextIndex item = timeline.ActionOf(entry).item;
                         if (met.insert(item).second) {
                           items.push_back({context.learned().Find(context.TextOf(item)), weight});
                           weight *= decay_;
                         }
                         return ++visited < actions_;
                       });
  return items;
}

}  // namespace fourfold
