#include "feature/state/entity_state.h"

#include <gtest/gtest.h>

#include <vector>

namespace fourfold {
namespace {

using Split = TimelineFamily::Split;

// An item's actions by the query that they came after.
class EntityStateTest : public testing::Test {
 protected:
  // Returns by how much the state grew.
  std::size_t Act(const std::vector<Field>& fields) {
    std::vector<double> values;
    ValuesOf(fields, schema_, &interner_, &values);
    const ActionEntry entry{.event_time_ms = 1, .known_time_ms = 1, .position = actions_.size()};
    return state_.Insert(actions_.Add(entry, values), 1);
  }

  const StateSchema schema_ = {.action_types = {},
                               .action_fields = {{"query", /*is_text=*/true}},
                               .families = {{StateEntity::kItem, Split::kField, 0, {}}},
                               .item_fields = {},
                               .user_fields = {}};
  Interner interner_;
  ActionTable actions_{1};
  EntityState state_{&schema_, StateEntity::kItem, &actions_};
};

TEST_F(EntityStateTest, ActionsAfterATextAreFoundByIt) {
  EXPECT_GT(Act({{"query", std::string("lamp")}}), 0u);
  EXPECT_GT(Act({{"query", std::string("sofa")}}), 0u);
  const Timeline* const after_lamp = state_.Find(0, KeyOfValue(interner_.Find("lamp")));
  const Timeline* const after_sofa = state_.Find(0, KeyOfValue(interner_.Find("sofa")));
  ASSERT_NE(after_lamp, nullptr);
  ASSERT_NE(after_sofa, nullptr);
  EXPECT_NE(after_lamp, after_sofa);
}

TEST_F(EntityStateTest, ActionsForWhichNoRequestCanAskTakeNoRoom) {
  const std::size_t bytes = state_.bytes();
  for (const std::vector<Field>& fields :
       {std::vector<Field>(), {{"query", std::string()}}, {{"query", 0.0}}, {{"query", 5.0}}}) {
    EXPECT_EQ(Act(fields), 0u);
  }
  EXPECT_EQ(state_.Find(0, KeyOfValue(0)), nullptr);
  EXPECT_EQ(state_.bytes(), bytes);
}

}  // namespace
}  // namespace fourfold
