#include "feature/event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace fourfold {
namespace {

class EventStoreTest : public testing::Test {
 protected:
  EventStoreTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    options_.directory = testing::TempDir() + "/event_store_" + test->name();
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
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  ManualClock clock_{1'000'000};
  EventStoreOptions options_;
  std::unique_ptr<EventStore> store_;
};

Event Click(std::string id, std::string user, std::string item, std::int64_t time_ms) {
  Event event;
  event.id = std::move(id);
  event.user = std::move(user);
  event.item = std::move(item);
  event.type = "click";
  event.event_time_ms = time_ms;
  return event;
}

TEST_F(EventStoreTest, AnAcknowledgedActionIsInTheNextReadAndSurvivesReopening) {
  const auto results = store_->Append({Click("e1", "ann", "lamp", 999'000)});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[0].outcome, EventOutcome::kAccepted);
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<HistoryEntry> entries;
    ASSERT_TRUE(store_->ReadHistory({.user = "ann"}, store_->Now(), &entries).ok());
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].item, "lamp");
    Open();
  }
}

}  // namespace
}  // namespace fourfold
