#include "feature/event_store_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

// The store against its plain twin.
namespace fourfold {
namespace {

class EventStoreRandomTest : public RandomLogTest {
 protected:
  void Compare() {
    const ReadPoint at = RandomReadPoint();
    EventStore::HistoryRequest request;
    const std::string user = Name("u", 5);
    const std::string session = Name("s", 7);
    if (Chance(75)) request.user = user;
    if (request.user.empty() || Chance(40)) request.session = session;
    request.limit = Chance(50) ? 100 : static_cast<std::size_t>(Draw(0, 6));
    if (Chance(30)) request.since_ms = clock_.NowMs() + DrawSpan(-120, 0);
    request.actions = Chance(80);
    request.impressions = Chance(50);
    ASSERT_EQ(Describe(History(request, at)), Describe(plain_.ReadHistory(request, at)))
        << "user " << request.user << " session " << request.session;

    const std::string item = Name("i", 6);
    std::vector<HistoryEntry> of_item;
    ASSERT_TRUE(store_->ReadItemHistory(item, at, request.limit, &of_item).ok());
    ASSERT_EQ(Describe(of_item), Describe(plain_.ReadItemHistory(item, at, request.limit)));
    ASSERT_EQ(Describe(store_->ReadItem(item, at).value()), Describe(plain_.ReadItem(item, at)));
    ASSERT_EQ(Describe(store_->ReadUser(user, at).value()), Describe(plain_.ReadUser(user, at)));
  }

  void CompareWhole() {
    std::vector<LoggedEvent> log;
    ASSERT_TRUE(store_
                    ->ScanLog(0, store_->EndPosition(),
                              [&](const LoggedEvent& logged) {
                                log.push_back(logged);
                                return true;
                              })
                    .ok());
    ASSERT_EQ(log.size(), plain_.log.size());
    for (std::size_t i = 0; i < log.size(); ++i) {
      ASSERT_EQ(log[i].position, plain_.log[i].position);
      ASSERT_EQ(log[i].known_time_ms, plain_.log[i].known_time_ms);
      ASSERT_EQ(log[i].client_time_ms, plain_.log[i].client_time_ms);
      ASSERT_TRUE(log[i].event == plain_.log[i].event);
    }
    std::vector<std::string> users;
    ASSERT_TRUE(store_->ScanUsers([&](auto id) { return users.emplace_back(id), true; }).ok());
    const std::set<std::string> expected_users = plain_.Users();
    ASSERT_EQ(users, std::vector<std::string>(expected_users.begin(), expected_users.end()));
    std::vector<std::string> items;
    ASSERT_TRUE(store_->ScanItems([&](auto id) { return items.emplace_back(id), true; }).ok());
    const std::set<std::string> expected_items = plain_.Items();
    ASSERT_EQ(items, std::vector<std::string>(expected_items.begin(), expected_items.end()));
    ASSERT_EQ(store_->EndPosition(), end_);
    for (const auto& [id, position] : taken_ids_) {
      const auto found = store_->FindEvent(id);
      const bool is_kept =
          std::any_of(plain_.log.begin(), plain_.log.end(),
                      [&, &wanted = id](const auto& logged) { return logged.event.id == wanted; });
      ASSERT_EQ(found.ok(), is_kept) << id << found.status();
      if (found.ok()) {
        ASSERT_EQ(found->position, position);
      }
    }
  }

  void Run(std::uint64_t seed, bool has_live_events, int steps) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Start(seed, has_live_events);
    for (int step = 0; step < steps; ++step) {
      ASSERT_NO_FATAL_FAILURE(AppendSome());
      // Sometimes backwards: then the last known time holds it.
      clock_.Advance(DrawSpan(-5, 15));
      if (Chance(2)) {
        ASSERT_NO_FATAL_FAILURE(Erase());
      }
      if (Chance(2)) Reopen();
      for (int read = 0; read < 8; ++read) ASSERT_NO_FATAL_FAILURE(Compare());
    }
    ASSERT_NO_FATAL_FAILURE(CompareWhole());
    Reopen();
    ASSERT_NO_FATAL_FAILURE(CompareWhole());
  }
};

TEST_F(EventStoreRandomTest, EveryReadEqualsThePlainTwins) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Run(seed, /*has_live_events=*/true, /*steps=*/80));
  }
}

TEST_F(EventStoreRandomTest, EveryReadAfterTheBulkPathEqualsThePlainTwins) {
  for (std::uint64_t seed = 11; seed <= 16; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Run(seed, /*has_live_events=*/false, /*steps=*/30));
  }
}

}  // namespace
}  // namespace fourfold
