#include "online/surfaces/slate_logger.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/strings.h"

namespace fourfold {
namespace {

class SlateLoggerTest : public ::testing::Test {
 protected:
  SlateLoggerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fourfold.XXXXXX").string();
    home_ = mkdtemp(pattern.data());
    EventStoreOptions options;
    options.directory = home_ + "/events";
    store_ = EventStore::Open(options, &clock_).value();
  }
  ~SlateLoggerTest() override {
    store_.reset();
    std::filesystem::remove_all(home_);
  }

  // 500 items, each with so many fields of how it was found.
  static RecommendResponse Slate(int fields) {
    RecommendResponse response;
    response.request_id = StrCat("slate", fields);
    for (int i = 0; i < 500; ++i) {
      RecommendedItem& item = response.items.emplace_back();
      item.item = StrCat("item", i);
      for (int f = 0; f < fields; ++f) {
        item.retrieval_fields.push_back({StrCat("a retriever of a long name ", f), 0.5});
      }
    }
    return response;
  }
  LoggedEvent Logged(const RecommendResponse& response) {
    const auto logged = store_->FindEvent(response.request_id);
    EXPECT_TRUE(logged.ok()) << logged.status();
    return logged.ok() ? *logged : LoggedEvent();
  }

  ManualClock clock_{1'000};
  std::string home_;
  std::unique_ptr<EventStore> store_;
};

TEST_F(SlateLoggerTest, ASlateIsLoggedEvenWhereHowItWasFoundIsTooMuchForOneEvent) {
  const SlateLogger logger(store_.get());
  RecommendRequest request;
  request.user = "u";
  const RecommendResponse small = Slate(3);
  EXPECT_TRUE(logger.Observe(request, store_->Now(), small).ok());
  EXPECT_EQ(Logged(small).event.items[499].fields.size(), 3u);

  const RecommendResponse large = Slate(20);
  const absl::Status status = logger.Observe(request, store_->Now(), large);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const LoggedEvent logged = Logged(large);
  ASSERT_EQ(logged.event.items.size(), 500u);
  EXPECT_EQ(logged.event.items[499].item, "item499");
  EXPECT_TRUE(logged.event.items[499].fields.empty());
}

}  // namespace
}  // namespace fourfold
