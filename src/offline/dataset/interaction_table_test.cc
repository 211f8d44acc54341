#include "offline/dataset/interaction_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "feature/event_store_testing.h"

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A table in words: one line a row.
struct Line {
  std::string user, item, type;
  std::int64_t event_time_ms, known_time_ms;
  std::string tie_group;  // by the first row of the group in its user
  friend bool operator==(const Line&, const Line&) = default;
};
void PrintTo(const Line& line, std::ostream* out) {
  *out << line.user << " " << line.item << " " << line.type << " @" << line.event_time_ms
       << " known " << line.known_time_ms << " " << line.tie_group;
}

std::vector<Line> LinesOf(const InteractionTable& table) {
  std::vector<Line> lines;
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    std::map<std::uint32_t, std::size_t> first_row;
    const std::size_t begin = table.user_begin[user];
    for (std::size_t row = begin; row < table.user_begin[user + 1]; ++row) {
      const std::uint32_t group = table.tie_group[row];
      const std::size_t first = first_row.emplace(group, row - begin).first->second;
      const std::int64_t time_ms = table.event_time_ms[row];
      lines.push_back({table.users[user], table.items[table.item[row]],
                       table.types[table.type[row]], time_ms,
                       table.known_time_ms.empty() ? time_ms : table.known_time_ms[row],
                       group == 0 ? "" : StrCat("group of row ", first)});
    }
  }
  return lines;
}

class InteractionTableTest : public EventStoreTest {
 protected:
  InteractionTable Read(const InteractionTableOptions& options = {}) {
    auto table = ReadInteractions(*store_, options);
    EXPECT_TRUE(table.ok()) << table.status();
    return table.ok() ? *std::move(table) : InteractionTable();
  }
};

TEST_F(InteractionTableTest, OfAnEmptyLogHasNoRows) {
  const InteractionTable table = Read();
  EXPECT_EQ(table.rows(), 0u);
  EXPECT_THAT(table.users, IsEmpty());
  EXPECT_THAT(table.user_begin, ElementsAre(0u));
}

TEST_F(InteractionTableTest, GroupsRowsByUserInTheOrderOfTime) {
  Import(Action("1", "zoe", "pear", 30), 30);
  Import(Action("2", "ann", "plum", 20), 20);
  Import(Action("3", "zoe", "apple", 10), 10);
  const InteractionTable table = Read();
  EXPECT_THAT(table.users, ElementsAre("ann", "zoe"));
  EXPECT_THAT(table.items, ElementsAre("apple", "pear", "plum"));
  EXPECT_EQ(table.item_index.at("plum"), 2u);
  EXPECT_THAT(LinesOf(table), ElementsAre(Line{"ann", "plum", "click", 20, 20, ""},
                                          Line{"zoe", "apple", "click", 10, 10, ""},
                                          Line{"zoe", "pear", "click", 30, 30, ""}));
}

TEST_F(InteractionTableTest, ReadsOnlyWhatHadHappenedAndWasKnown) {
  Import(Action("1", "ann", "apple", 10), 10);
  Import(Action("2", "ann", "late", 10), 50);
  Import(Action("3", "ann", "future", 40), 40);
  InteractionTableOptions options;
  options.at.as_of_ms = 30;
  options.at.known_at_ms = 49;
  EXPECT_THAT(LinesOf(Read(options)), ElementsAre(Line{"ann", "apple", "click", 10, 10, ""}));
}

TEST_F(InteractionTableTest, KeepsOnlyTheTypesAskedFor) {
  Import(Action("1", "ann", "apple", 10), 10);
  Event purchase = Action("2", "ann", "pear", 20);
  purchase.type = "purchase";
  Import(purchase, 20);
  InteractionTableOptions options;
  options.action_types = {"purchase"};
  const InteractionTable table = Read(options);
  EXPECT_THAT(table.items, ElementsAre("pear"));
  EXPECT_THAT(table.types, ElementsAre("purchase"));
}

TEST_F(InteractionTableTest, LeavesOutItemsNeverDeclaredWhereToldTo) {
  Import(Action("1", "ann", "apple", 10), 10);
  Import(Action("2", "ann", "pear", 20), 20);
  Import(ItemFields("3", "pear", 30, {}), 30);
  InteractionTableOptions options;
  options.declared_items_only = true;
  EXPECT_THAT(Read(options).items, ElementsAre("pear"));
}

TEST_F(InteractionTableTest, AnonymousSessionIsAUserOfItsOwnUntilItBecomesSomebodys) {
  Import(InSession(Action("1", "", "apple", 10), "s"), 10);
  Import(InSession(Action("2", "", "plum", 15), "t"), 15);
  Import(InSession(Action("3", "ann", "pear", 20), "s"), 60);
  InteractionTableOptions before;
  before.at.known_at_ms = 59;
  EXPECT_THAT(LinesOf(Read(before)), ElementsAre(Line{"session:s", "apple", "click", 10, 10, ""},
                                                 Line{"session:t", "plum", "click", 15, 15, ""}));
  // The earlier action of the session is known to be hers from that moment.
  EXPECT_THAT(LinesOf(Read()), ElementsAre(Line{"ann", "apple", "click", 10, 60, ""},
                                           Line{"ann", "pear", "click", 20, 60, ""},
                                           Line{"session:t", "plum", "click", 15, 15, ""}));
}

TEST_F(InteractionTableTest, SlateShownToAUserMakesTheSessionTheirs) {
  Import(InSession(Action("1", "", "apple", 10), "s"), 10);
  Import(InSession(Ranking("2", "ann", {"pear"}, 20), "s"), 20);
  EXPECT_THAT(LinesOf(Read()), ElementsAre(Line{"ann", "apple", "click", 10, 20, ""}));
}

TEST_F(InteractionTableTest, LinesOfOneBasketShareATieGroup) {
  for (const char* id : {"1", "2", "3"}) {
    Event line = Action(id, "ann", StrCat("item", id), 10);
    line.tie_group = id[0] == '3' ? "" : "basket";
    Import(line, 10);
  }
  const InteractionTable table = Read();
  std::multiset<std::uint32_t> groups(table.tie_group.begin(), table.tie_group.end());
  EXPECT_EQ(groups, (std::multiset<std::uint32_t>{0, 1, 1}));
}

// --- The same from histories, user by user -------------------------------------------------------

std::vector<Line> PlainLines(const EventStore& store, const std::set<std::string>& sessions,
                             const ReadPoint& at) {
  std::map<std::string, std::vector<HistoryEntry>> by_user;  // oldest first
  EXPECT_TRUE(store
                  .ScanUsers([&](std::string_view user) {
                    EventStore::HistoryRequest request;
                    request.user = user;
                    request.limit = 100'000;
                    auto& entries = by_user[std::string(user)];
                    EXPECT_TRUE(store.ReadHistory(request, at, &entries).ok());
                    return true;
                  })
                  .ok());
  for (const std::string& session : sessions) {
    EventStore::HistoryRequest request;
    request.session = session;
    request.limit = 100'000;
    request.impressions = true;
    std::vector<HistoryEntry> entries;
    EXPECT_TRUE(store.ReadHistory(request, at, &entries).ok());
    if (std::any_of(entries.begin(), entries.end(),
                    [](const HistoryEntry& entry) { return !entry.user.empty(); })) {
      continue;  // somebody's
    }
    std::erase_if(entries, [](const HistoryEntry& e) { return e.kind != HistoryKind::kAction; });
    by_user[StrCat("session:", session)] = std::move(entries);
  }
  std::vector<Line> lines;
  for (auto& [user, entries] : by_user) {
    std::reverse(entries.begin(), entries.end());
    std::map<std::string, std::size_t> first_row;
    for (std::size_t row = 0; row < entries.size(); ++row) {
      const HistoryEntry& entry = entries[row];
      const std::size_t first = first_row.emplace(entry.tie_group, row).first->second;
      lines.push_back({user, entry.item, entry.type, entry.event_time_ms, entry.known_time_ms,
                       entry.tie_group.empty() ? "" : StrCat("group of row ", first)});
    }
  }
  return lines;
}

class RandomLog {
 public:
  explicit RandomLog(std::uint64_t seed) : random_(seed) {}

  Event Next() {
    const std::string id = StrCat("event", ++count_);
    const std::string user = Below(3) == 0 ? "" : StrCat("user", Below(6));
    const std::int64_t time_ms = Below(200);
    Event event = Below(6) == 0 ? Ranking(id, user, {"a", "b"}, time_ms)
                                : Action(id, user, StrCat("item", Below(12)), time_ms);
    if (event.kind == EventKind::kInteraction) {
      event.type = Below(2) == 0 ? "click" : "purchase";
      if (Below(3) == 0) event.tie_group = StrCat("basket", Below(8));
    }
    if (user.empty() || Below(3) == 0) event.session = StrCat("session", Below(10));
    return event;
  }
  std::int64_t Below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound));
  }

 private:
  std::mt19937_64 random_;
  int count_ = 0;
};

TEST_F(InteractionTableTest, EqualsWhatTheHistoriesSayOnRandomLogs) {
  RandomLog log(17);
  std::set<std::string> sessions;
  for (int i = 0; i < 600; ++i) {
    const Event event = log.Next();
    if (!event.session.empty()) sessions.insert(event.session);
    Import(event, event.event_time_ms + log.Below(3) * 20);
  }
  for (int i = 0; i < 40; ++i) {
    InteractionTableOptions options;
    if (i > 0) {
      options.at = {.as_of_ms = log.Below(220),
                    .known_at_ms = log.Below(260),
                    .position_end = static_cast<Position>(log.Below(600)),
                    .own_session = "",
                    .before_step = 0,
                    .hidden_tie_group = ""};
    }
    EXPECT_EQ(LinesOf(Read(options)), PlainLines(*store_, sessions, options.at)) << i;
  }
}

TEST_F(InteractionTableTest, IsTheSameWhateverTheLogsOrder) {
  RandomLog log(23);
  std::vector<Event> events;
  for (int i = 0; i < 300; ++i) events.push_back(log.Next());
  for (const Event& event : events) Import(event, event.event_time_ms);
  const InteractionTable first = Read();

  std::shuffle(events.begin(), events.end(), std::mt19937_64(5));
  store_.reset();
  options_.directory += "_shuffled";
  std::filesystem::remove_all(options_.directory);
  Open();
  for (const Event& event : events) Import(event, event.event_time_ms);
  const InteractionTable second = Read();
  std::filesystem::remove_all(options_.directory);

  EXPECT_EQ(first.users, second.users);
  EXPECT_EQ(first.items, second.items);
  EXPECT_EQ(first.types, second.types);
  EXPECT_EQ(first.user_begin, second.user_begin);
  EXPECT_EQ(first.item, second.item);
  EXPECT_EQ(first.type, second.type);
  EXPECT_EQ(first.event_time_ms, second.event_time_ms);
  EXPECT_EQ(first.known_time_ms, second.known_time_ms);
  EXPECT_EQ(first.tie_group, second.tie_group);
}

}  // namespace
}  // namespace fourfold
