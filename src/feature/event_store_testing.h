#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "feature/event_store.h"

// What the event store's tests share.
namespace fourfold {

inline Event Action(std::string id, std::string user, std::string item, std::int64_t time_ms) {
  Event event;
  event.kind = EventKind::kInteraction;
  event.id = std::move(id);
  event.user = std::move(user);
  event.item = std::move(item);
  event.type = "click";
  event.event_time_ms = time_ms;
  return event;
}

inline Event InSession(Event event, std::string session) {
  event.session = std::move(session);
  return event;
}

inline Event ItemFields(std::string id, std::string item, std::int64_t time_ms,
                        std::vector<Field> fields) {
  Event event;
  event.kind = EventKind::kItem;
  event.id = std::move(id);
  event.item = std::move(item);
  event.event_time_ms = time_ms;
  event.fields = std::move(fields);
  return event;
}

inline Event UserFields(std::string id, std::string user, std::int64_t time_ms,
                        std::vector<Field> fields) {
  Event event = ItemFields(std::move(id), "", time_ms, std::move(fields));
  event.kind = EventKind::kUser;
  event.user = std::move(user);
  return event;
}

inline Event Ranking(std::string id, std::string user, std::vector<std::string> items,
                     std::int64_t time_ms) {
  Event event;
  event.kind = EventKind::kRanking;
  event.id = std::move(id);
  event.user = std::move(user);
  event.event_time_ms = time_ms;
  for (std::string& item : items) event.items.push_back({std::move(item), {}});
  return event;
}

// A store of its own for each test, at a clock that the test moves.
class EventStoreTest : public testing::Test {
 protected:
  EventStoreTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    options_.directory = StrCat(testing::TempDir(), "fourfold_", test->test_suite_name(), "_",
                                test->name(), "_", static_cast<std::int64_t>(getpid()));
    options_.write_buffer_bytes = 4 << 20;
    std::filesystem::remove_all(options_.directory);
    Open();
  }
  ~EventStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(options_.directory);
  }

  void Open() {
    store_.reset();
    auto opened = EventStore::Open(options_, &clock_);
    if (!opened.ok()) {
      ADD_FAILURE() << opened.status();
      std::abort();
    }
    store_ = *std::move(opened);
  }

  // Takes one event in live at this clock.
  AppendResult Live(std::int64_t now_ms, Event event) {
    clock_.Set(now_ms);
    const auto results = store_->Append({&event, 1});
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? results->front() : AppendResult();
  }
  AppendResult Import(Event event, std::int64_t known_time_ms) {
    const TimedEvent timed{std::move(event), known_time_ms};
    const auto results = store_->AppendImported({&timed, 1});
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? results->front() : AppendResult();
  }
  // Known as soon as it happened.
  AppendResult Import(Event event) {
    const std::int64_t time_ms = event.event_time_ms;
    return Import(std::move(event), time_ms);
  }

  std::vector<HistoryEntry> History(const EventStore::HistoryRequest& request,
                                    const ReadPoint& at) const {
    std::vector<HistoryEntry> entries;
    const absl::Status status = store_->ReadHistory(request, at, &entries);
    EXPECT_TRUE(status.ok()) << status;
    return entries;
  }
  std::vector<std::string> ItemsOf(const EventStore::HistoryRequest& request,
                                   const ReadPoint& at) const {
    std::vector<std::string> items;
    for (HistoryEntry& entry : History(request, at)) items.push_back(std::move(entry.item));
    return items;
  }

  ManualClock clock_{1'000};
  EventStoreOptions options_;
  std::unique_ptr<EventStore> store_;
};

inline ReadPoint At(std::int64_t as_of_ms, std::int64_t known_at_ms) {
  ReadPoint at;
  at.as_of_ms = as_of_ms;
  at.known_at_ms = known_at_ms;
  return at;
}

// For comparisons that say what differs.
inline std::string Describe(const HistoryEntry& entry) {
  std::string text =
      StrCat(static_cast<int>(entry.kind), " t", entry.event_time_ms, " k", entry.known_time_ms,
             " p", entry.position, " ", DigestToHex(entry.event_digest), " u:", entry.user,
             " s:", entry.session, " i:", entry.item, " ", entry.type, " r:", entry.ranking,
             " g:", entry.tie_group, " step", entry.step, entry.deleted ? " deleted" : "");
  for (const std::string& item : entry.impressions) StrAppend(&text, ",", item);
  return text;
}

inline std::string Describe(const std::vector<HistoryEntry>& entries) {
  std::string text;
  for (const HistoryEntry& entry : entries) StrAppend(&text, Describe(entry), "\n");
  return text;
}

inline std::string Describe(const EntityAsOf& entity) {
  std::string text = StrCat(entity.exists ? "exists" : "absent", entity.erased ? " erased" : "",
                            " ", entity.erased_at_ms);
  for (const FieldAsOf& field : entity.fields) {
    StrAppend(&text, "\n", field.name, "@", field.since_ms, "=", field.value.index(), ":");
    if (const auto* number = std::get_if<double>(&field.value)) StrAppend(&text, *number);
    if (const auto* string = std::get_if<std::string>(&field.value)) StrAppend(&text, *string);
  }
  return text;
}

}  // namespace fourfold
