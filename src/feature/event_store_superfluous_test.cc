#include "feature/event_store_superfluous.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fourfold {
namespace {

// As SuperfluousFacts, looking at every newer fact.
class PlainSuperfluousFacts {
 public:
  explicit PlainSuperfluousFacts(const Horizon& horizon) : horizon_(horizon) {}

  bool Add(const LoggedEvent& fact) {
    bool exists = false;
    bool is_deleted = false;
    std::vector<Field> untold = fact.event.fields;
    for (const LoggedEvent& newer : kept_) {
      if (!SeenWith({newer.known_time_ms, newer.position}, {fact.known_time_ms, fact.position},
                    horizon_)) {
        continue;
      }
      exists = true;
      is_deleted = is_deleted || newer.event.deleted;
      std::erase_if(untold, [&](const Field& field) {
        return std::any_of(newer.event.fields.begin(), newer.event.fields.end(),
                           [&](const Field& told) { return told.name == field.name; });
      });
    }
    if (is_deleted || (exists && untold.empty() && !fact.event.deleted)) return true;
    kept_.push_back(fact);
    return false;
  }

 private:
  const Horizon& horizon_;
  std::vector<LoggedEvent> kept_;
};

TEST(SuperfluousFactsTest, AreThoseThatNoReadNeedsAsLookingAtEveryNewerOneSays) {
  std::mt19937_64 random(1);
  const auto draw = [&](std::uint64_t count) {
    return static_cast<std::int64_t>(random() % count);
  };
  int superfluous = 0;
  int tombstones = 0;  // of them
  int stay = 0;        // though a newer one is known and written before
  for (int entity = 0; entity < 3000; ++entity) {
    const std::size_t count = 1 + random() % 40;
    // From few different ones to many.
    const std::uint64_t times = 1 + random() % 60;
    Horizon horizon;
    horizon.time_ms = draw(times + 1) - 1;
    horizon.position = static_cast<Position>(draw(count + 1));
    std::vector<Position> positions(count);
    for (std::size_t i = 0; i < count; ++i) positions[i] = i;
    // In the order of the log, against it, or in none.
    if (entity % 3 != 0) std::reverse(positions.begin(), positions.end());
    if (entity % 3 == 2) std::shuffle(positions.begin(), positions.end(), random);
    SuperfluousFacts facts(horizon);
    PlainSuperfluousFacts plain(horizon);
    for (const Position position : positions) {
      LoggedEvent fact;
      fact.position = position;
      fact.known_time_ms = draw(20) == 0 ? kSinceForEverMs : draw(times);
      fact.event.deleted = draw(8) == 0;
      for (const char* field : {"brand", "price", "stock"}) {
        if (draw(2) == 0) fact.event.fields.push_back({field, 1.0});
      }
      const bool is_superfluous = plain.Add(fact);
      ASSERT_EQ(facts.Add(fact), is_superfluous) << "entity " << entity << " position " << position;
      superfluous += is_superfluous ? 1 : 0;
      tombstones += is_superfluous && fact.event.deleted ? 1 : 0;
      stay += is_superfluous ? 0 : 1;
    }
  }
  EXPECT_GT(superfluous, 5000);
  EXPECT_GT(tombstones, 500);
  EXPECT_GT(stay, 5000);
}

// Whatever is newer was known before and written after; looking at all of that would take minutes.
TEST(SuperfluousFactsTest, ManyOfOneItemThatAllStayTakeNoTimeToSpeakOf) {
  constexpr int kFacts = 300'000;
  Horizon horizon;
  horizon.time_ms = 0;
  SuperfluousFacts facts(horizon);
  LoggedEvent fact;
  fact.event.fields = {{"price", 1.0}};
  for (int i = 0; i < kFacts; ++i) {
    fact.position = static_cast<Position>(kFacts - i);
    fact.known_time_ms = 1 + i;
    ASSERT_EQ(facts.Add(fact), false);
  }
}

}  // namespace
}  // namespace fourfold
