#include "feature/catalogue.h"

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

constexpr std::int64_t kStartMs = 1'000'000'000;

Event ItemEvent(std::string id, std::string item, std::int64_t time_ms, std::vector<Field> fields,
                bool deleted = false) {
  Event event;
  event.kind = EventKind::kItem;
  event.id = std::move(id);
  event.item = std::move(item);
  event.event_time_ms = time_ms;
  event.fields = std::move(fields);
  event.deleted = deleted;
  return event;
}

Event Action(std::string id, std::string item, std::int64_t time_ms) {
  Event event;
  event.id = std::move(id);
  event.user = "u";
  event.item = std::move(item);
  event.type = "click";
  event.event_time_ms = time_ms;
  return event;
}

LoggedEvent Logged(Event event, std::int64_t known_time_ms) {
  LoggedEvent logged;
  logged.known_time_ms = known_time_ms;
  logged.event = std::move(event);
  return logged;
}

class CatalogueTest : public ::testing::Test {
 protected:
  CatalogueTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fourfold-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    store_ = *EventStore::Open({.directory = directory_}, &clock_);
  }
  ~CatalogueTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::vector<std::string> Existing(const Catalogue& catalogue) {
    const Catalogue::ReadLock lock(catalogue);
    std::vector<std::string> items;
    for (ItemIndex i = 0; i < lock.size(); ++i) {
      if (lock.Exists(i)) items.emplace_back(lock.Id(i));
    }
    return items;
  }

  // What the store says of an item at the clock, with nulls left out.
  void ExpectAsInStore(const Catalogue& catalogue, const std::string& item) {
    ReadPoint at = store_->Now();
    const auto stored = store_->ReadItem(item, at);
    ASSERT_TRUE(stored.ok());
    std::vector<Field> expected;
    for (const FieldAsOf& field : stored->fields) {
      if (!std::holds_alternative<std::monostate>(field.value)) {
        expected.push_back({field.name, field.value});
      }
    }
    const Catalogue::ReadLock lock(catalogue);
    const ItemIndex index = lock.Find(item);
    ASSERT_EQ(index != kNoItem && lock.Exists(index), stored->exists) << item;
    if (stored->exists) {
      EXPECT_EQ(lock.FieldsOf(index), expected) << item;
    }
  }

  // What is kept of a condition is what evaluating it gives.
  void ExpectWatched(const Catalogue& catalogue, const Expression& condition,
                     ConditionIndex watched) {
    const Catalogue::ReadLock lock(catalogue);
    for (ItemIndex item = 0; item < lock.size(); ++item) {
      const bool holds =
          condition.Evaluate([&](std::string_view name) { return lock.FieldOf(item, name); });
      ASSERT_EQ(lock.Holds(watched, item), holds) << lock.Id(item) << ": " << condition.text();
    }
  }

  ManualClock clock_{kStartMs};
  std::unique_ptr<EventStore> store_;

 private:
  std::string directory_;
};

TEST_F(CatalogueTest, DeletedItemIsGoneAndComesBackEmpty) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  const auto apply = [&](Event event) {
    catalogue.Apply({Logged(std::move(event), kStartMs)}, kStartMs);
  };
  apply(ItemEvent("1", "soap", 10, {{"price", 2.0}}));
  EXPECT_THAT(Existing(catalogue), ElementsAre("soap"));
  apply(ItemEvent("2", "soap", 20, {}, true));
  EXPECT_THAT(Existing(catalogue), SizeIs(0));
  apply(ItemEvent("3", "soap", 15, {{"price", 3.0}}));  // late: before the tombstone
  EXPECT_THAT(Existing(catalogue), SizeIs(0));
  apply(ItemEvent("4", "soap", 30, {{"colour", std::string("red")}}));
  EXPECT_THAT(Existing(catalogue), ElementsAre("soap"));
  const Catalogue::ReadLock lock(catalogue);
  EXPECT_THAT(lock.FieldsOf(lock.Find("soap")), ElementsAre(Field{"colour", std::string("red")}));
  EXPECT_EQ(lock.FieldOf(lock.Find("soap"), "price"), nullptr);
}

TEST_F(CatalogueTest, LateCorrectionDoesNotOverrideANewerValue) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  catalogue.Apply({Logged(ItemEvent("1", "soap", 20, {{"price", 2.0}}), 20),
                   Logged(ItemEvent("2", "soap", 10, {{"price", 1.0}, {"size", 5.0}}), 30)},
                  100);
  const Catalogue::ReadLock lock(catalogue);
  EXPECT_EQ(*lock.FieldOf(lock.Find("soap"), "price"), FieldValue(2.0));
  EXPECT_EQ(*lock.FieldOf(lock.Find("soap"), "size"), FieldValue(5.0));
}

TEST_F(CatalogueTest, FactAfterTheClockWaitsUntilTheClockPassesIt) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  // Known later than it holds: it counts from when it is known.
  catalogue.Apply({Logged(ItemEvent("1", "soap", 200, {{"price", 1.0}}), 200),
                   Logged(ItemEvent("2", "soap", 200, {{"price", 2.0}}), 300)},
                  100);
  EXPECT_THAT(Existing(catalogue), SizeIs(0));
  catalogue.AdvanceTo(199);
  EXPECT_THAT(Existing(catalogue), SizeIs(0));
  catalogue.AdvanceTo(200);
  {
    const Catalogue::ReadLock lock(catalogue);
    EXPECT_EQ(*lock.FieldOf(lock.Find("soap"), "price"), FieldValue(1.0));
  }
  catalogue.AdvanceTo(300);
  // Equal event times: the larger digest of the event id wins.
  const FieldValue winner = DigestOf("1") > DigestOf("2") ? 1.0 : 2.0;
  const Catalogue::ReadLock lock(catalogue);
  EXPECT_EQ(*lock.FieldOf(lock.Find("soap"), "price"), winner);
}

TEST_F(CatalogueTest, ActedOnItemsExistOnlyWhereTheCatalogueSaysSo) {
  for (const auto membership :
       {Catalogue::Membership::kDeclared, Catalogue::Membership::kActedOn}) {
    Catalogue catalogue(membership);
    catalogue.Apply({Logged(Action("1", "soap", 10), 10), Logged(Action("2", "later", 500), 500)},
                    100);
    const bool acted_on = membership == Catalogue::Membership::kActedOn;
    EXPECT_THAT(Existing(catalogue), SizeIs(acted_on ? 1 : 0));
    catalogue.AdvanceTo(500);
    EXPECT_THAT(Existing(catalogue), SizeIs(acted_on ? 2 : 0));
    catalogue.Apply({Logged(ItemEvent("3", "soap", 600, {}, true), 600)}, 600);
    EXPECT_THAT(Existing(catalogue), SizeIs(acted_on ? 1 : 0));
  }
}

TEST_F(CatalogueTest, OrderByHashIsThatOfTheIdsAlone) {
  Catalogue one(Catalogue::Membership::kDeclared), two(Catalogue::Membership::kDeclared);
  const std::vector<std::string> items = {"a", "b", "c", "d", "e"};
  for (const std::string& item : items) one.Put(item, {});
  for (auto item = items.rbegin(); item != items.rend(); ++item) two.Put(*item, {});
  const auto order = [](const Catalogue& catalogue) {
    const Catalogue::ReadLock lock(catalogue);
    std::vector<std::string> ids;
    lock.VisitInHashOrder([&](ItemIndex item) {
      EXPECT_EQ(lock.OrderHash(item), StableHash(lock.Id(item)));
      ids.emplace_back(lock.Id(item));
      return true;
    });
    return ids;
  };
  EXPECT_EQ(order(one), order(two));
  EXPECT_THAT(order(one), SizeIs(5));
}

TEST_F(CatalogueTest, InternedItemDoesNotExistYet) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  const std::vector<std::string> items = {"a", "b", "a"};
  EXPECT_THAT(catalogue.InternAll(items), ElementsAre(0, 1, 0));
  EXPECT_EQ(catalogue.Intern("b"), 1u);
  EXPECT_THAT(Existing(catalogue), SizeIs(0));
}

// The catalogue, fed live and by the clock, and one loaded afresh, always say what the store's
// as-of read says.
TEST_F(CatalogueTest, AgreesWithTheStoreAtTheMovingClock) {
  std::mt19937_64 random(301);
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  store_->SetCommitListener([&](absl::Span<const LoggedEvent> committed) {
    catalogue.Apply(committed, store_->NowMs());
  });
  const std::vector<std::string> items = {"i0", "i1", "i2", "i3", "i4"};
  const std::vector<std::string> names = {"price", "kind", "size"};
  const Expression early = *Expression::Parse("price < 4 and not exists(size)");
  const Expression late = *Expression::Parse("kind == null or size > 2");
  const ConditionIndex watched_early = catalogue.Watch(early);
  ConditionIndex watched_late = watched_early;
  for (int step = 0; step < 400; ++step) {
    std::vector<Field> fields;
    for (const std::string& name : names) {
      if (random() % 2 == 0) continue;
      Field& field = fields.emplace_back();
      field.name = name;
      if (random() % 5 != 0) field.value = static_cast<double>(random() % 9);
    }
    const bool deleted = random() % 6 == 0;
    if (deleted) fields.clear();
    // Live events from the past, or imported ones around the clock, in steps that make ties.
    const std::int64_t around_ms =
        clock_.NowMs() + (static_cast<std::int64_t>(random() % 21) - 10) * 5;
    const Event event = ItemEvent("e" + std::to_string(step), items[random() % items.size()],
                                  around_ms, fields, deleted);
    if (random() % 2 == 0) {
      ASSERT_TRUE(store_->Append({&event, 1}, Durability::kBuffered).ok());
    } else {
      TimedEvent timed;
      timed.event = event;
      timed.known_time_ms = around_ms + static_cast<std::int64_t>(random() % 3) * 10;
      ASSERT_TRUE(store_->AppendImported({&timed, 1}).ok());
    }
    if (random() % 3 == 0) clock_.Advance(static_cast<std::int64_t>(random() % 15));
    catalogue.AdvanceTo(store_->NowMs());
    for (const std::string& item : items) ExpectAsInStore(catalogue, item);
    if (step == 200) watched_late = catalogue.Watch(late);
    ExpectWatched(catalogue, early, watched_early);
    if (step >= 200) ExpectWatched(catalogue, late, watched_late);
    if (step % 50 == 49) {
      Catalogue loaded(Catalogue::Membership::kDeclared);
      ASSERT_TRUE(loaded.Load(*store_).ok());
      for (const std::string& item : items) ExpectAsInStore(loaded, item);
    }
    if (HasFailure()) FAIL() << "at step " << step;
  }
}

// Whenever it was loaded, an item exists from the first moment that one of its actions is seen.
TEST_F(CatalogueTest, ActedOnItemExistsFromItsFirstSeenActionOnHoweverLoaded) {
  std::mt19937_64 random(303);
  Catalogue live(Catalogue::Membership::kActedOn);
  store_->SetCommitListener(
      [&](absl::Span<const LoggedEvent> committed) { live.Apply(committed, store_->NowMs()); });
  std::map<std::string, std::int64_t> seen_from_ms;
  for (int step = 0; step < 300; ++step) {
    const std::int64_t around_ms = clock_.NowMs() + static_cast<std::int64_t>(random() % 200) - 20;
    TimedEvent timed{
        Action("e" + std::to_string(step), "i" + std::to_string(random() % 60), around_ms),
        around_ms + static_cast<std::int64_t>(random() % 3) * 40};
    std::int64_t& first = seen_from_ms.try_emplace(timed.event.item, INT64_MAX).first->second;
    first = std::min(first, timed.known_time_ms);
    ASSERT_TRUE(store_->AppendImported({&timed, 1}).ok());

    Catalogue loaded(Catalogue::Membership::kActedOn);
    ASSERT_TRUE(loaded.Load(*store_).ok());
    clock_.Advance(static_cast<std::int64_t>(random() % 5));
    std::vector<std::string> expected;
    for (const auto& [item, from_ms] : seen_from_ms) {
      if (from_ms <= store_->NowMs()) expected.push_back(item);
    }
    for (Catalogue* catalogue : {&live, &loaded}) {
      catalogue->AdvanceTo(store_->NowMs());
      ASSERT_THAT(Existing(*catalogue), UnorderedElementsAreArray(expected)) << "at step " << step;
    }
  }
}

TEST_F(CatalogueTest, TellsWhatChangedSinceAMomentSeen) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  const auto changed_since = [&](std::uint64_t seen) {
    const Catalogue::ReadLock lock(catalogue);
    std::set<std::string> items;
    lock.VisitChangedSince(seen, [&](ItemIndex item) { items.emplace(lock.Id(item)); });
    return std::pair(items, lock.changes());
  };
  catalogue.Put("a", {});
  catalogue.Put("b", {});
  const std::uint64_t seen = changed_since(0).second;
  EXPECT_EQ(changed_since(seen).first, std::set<std::string>());
  catalogue.Put("b", {{"price", 1.0}});
  catalogue.Intern("not there yet");
  catalogue.Put("c", {});
  EXPECT_EQ(changed_since(seen).first, (std::set<std::string>{"b", "c"}));
  // Too long ago: everything may have changed.
  for (std::size_t i = 0; i <= Catalogue::kChangesKept; ++i) catalogue.Put("c", {});
  EXPECT_EQ(changed_since(seen).first, (std::set<std::string>{"a", "b", "c", "not there yet"}));
}

TEST_F(CatalogueTest, TheSameConditionIsWatchedOnce) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  const Expression cheap = *Expression::Parse("price < 4");
  const ConditionIndex first = catalogue.Watch(cheap);
  EXPECT_EQ(catalogue.Watch(*Expression::Parse("price < 4")), first);
  EXPECT_NE(catalogue.Watch(*Expression::Parse("price < 5")), first);
  catalogue.Put("soap", {{"price", 4.0}});
  const Catalogue::ReadLock lock(catalogue);
  EXPECT_FALSE(lock.Holds(first, 0));
  EXPECT_TRUE(lock.Holds(first + 1, 0));
}

TEST_F(CatalogueTest, ReaderSeesOneMomentWhileWritersWait) {
  Catalogue catalogue(Catalogue::Membership::kDeclared);
  catalogue.Put("soap", {{"a", 0.0}, {"b", 0.0}});
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        const Catalogue::ReadLock lock(catalogue);
        const FieldValue first = *lock.FieldOf(0, "a");
        std::this_thread::yield();
        if (*lock.FieldOf(0, "b") != first) ++torn;
      }
    });
  }
  for (int i = 1; i <= 500; ++i) {
    const double value = i;
    catalogue.Apply(
        {Logged(ItemEvent("e" + std::to_string(i), "soap", i, {{"a", value}, {"b", value}}), i)},
        1000);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace fourfold
