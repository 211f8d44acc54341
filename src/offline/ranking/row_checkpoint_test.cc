#include "offline/ranking/row_checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "feature/event_store_testing.h"
#include "offline/ranking/write_training_rows.h"

namespace fourfold {
namespace {

class RowCheckpointTest : public EventStoreTest {
 protected:
  RowCheckpointTest() {
    const FieldValue item = std::string("item");
    plan_ = FeaturePlan::Compile({{"clicks", "count", {{"entity", item}}},
                                  {"mine", "count", {{"entity", std::string("user_item")}}},
                                  {"hour", "request", {{"of", std::string("hour")}}},
                                  {"latest",
                                   "sequence",
                                   {{"entity", std::string("user")},
                                    {"length", 4.0},
                                    {"fields", std::vector<std::string>{"price"}}}}})
                .value();
    row_options_.labels = {{"click", 1}};
    row_options_.heads = {{"click", {"click"}}, {"hide", {"hide"}}};
    row_options_.negatives = 2;
    std::mt19937_64 random(1);
    const auto name = [&](const char* kind, std::uint64_t count) {
      return StrCat(kind, random() % count);
    };
    for (int i = 0; i < kSlates; ++i) {
      std::vector<std::string> shown;
      for (int place = 0; place < 4; ++place) shown.push_back(StrCat("i", place, random() % 20));
      Event slate = Ranking(StrCat("s", i), random() % 5 == 0 ? "" : name("u", 9), shown, 1000 * i);
      if (slate.user.empty()) slate.session = name("session", 9);
      Event answer = InSession(Action(StrCat("a", i), slate.user, shown[random() % 4], 1000 * i),
                               slate.session);
      answer.ranking = slate.id;
      answer.type = random() % 3 == 0 ? "hide" : "click";
      answer.fields = {{"price", static_cast<double>(random() % 9)}};
      Import(slate);
      Import(answer);
    }
    EXPECT_TRUE(store_->Flush().ok());
    checkpoint_.directory = EventStoreTest::options_.directory + ".parts";
    checkpoint_.fingerprint = "these";
    checkpoint_.bytes_per_part = 1000;
  }
  ~RowCheckpointTest() override {
    RowCheckpoint::Remove(checkpoint_.directory);
    std::filesystem::remove(path_);
  }

  // Called off after so many requests, where that is before the end.
  absl::StatusOr<WrittenRows> Write(std::size_t requests, const RowCheckpoint::Options& options) {
    const auto replay = RowReplay::Start(*store_, *plan_, row_options_, EverythingKnown());
    EXPECT_TRUE(replay.ok()) << replay.status();
    std::size_t asked = 0;
    return WriteTrainingRows(
        *replay, *plan_, path_, nullptr, [&] { return asked++ == requests; }, options);
  }
  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static constexpr int kSlates = 300;
  static constexpr std::size_t kAll = 1'000'000;
  std::shared_ptr<const FeaturePlan> plan_;
  RowOptions row_options_;
  RowCheckpoint::Options checkpoint_;
  const std::string path_ = EventStoreTest::options_.directory + ".rows";
};

TEST_F(RowCheckpointTest, RowsThatWereCutShortHaveTheBytesOfThoseThatWereNot) {
  const auto uninterrupted = Write(kAll, {});
  ASSERT_TRUE(uninterrupted.ok()) << uninterrupted.status();
  EXPECT_EQ(uninterrupted->resumed, 0u);
  const std::string expected = Bytes();
  ASSERT_FALSE(expected.empty());
  std::mt19937_64 random(2);
  for (int round = 0; round < 5; ++round) {
    RowCheckpoint::Remove(checkpoint_.directory);
    std::uint64_t before = 0;
    for (int cut = 0; cut < 3; ++cut) {
      ASSERT_TRUE(absl::IsCancelled(Write(40 + random() % 40, checkpoint_).status()));
      const std::vector<RowCheckpoint::Part> parts = RowCheckpoint(checkpoint_).Find();
      ASSERT_FALSE(parts.empty());
      // Each goes on from the one before.
      EXPECT_GT(parts.back().end, before);
      before = parts.back().end;
    }
    std::filesystem::remove(path_);
    const auto resumed = Write(kAll, checkpoint_);
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    EXPECT_EQ(resumed->resumed, before);
    EXPECT_EQ(resumed->counts, uninterrupted->counts);
    EXPECT_EQ(resumed->relevant, uninterrupted->relevant);
    EXPECT_EQ(resumed->retrieved, uninterrupted->retrieved);
    ASSERT_EQ(Bytes(), expected);
    // Once more finds all of them.
    EXPECT_EQ(Write(kAll, checkpoint_)->resumed, static_cast<std::uint64_t>(kSlates));
    ASSERT_EQ(Bytes(), expected);
  }
}

TEST_F(RowCheckpointTest, RowsOfAnotherLogOrRecipeAreNotGoneOnFrom) {
  ASSERT_TRUE(absl::IsCancelled(Write(200, checkpoint_).status()));
  ASSERT_FALSE(RowCheckpoint(checkpoint_).Find().empty());
  RowCheckpoint::Options others = checkpoint_;
  others.fingerprint = "others";
  EXPECT_EQ(Write(kAll, others)->resumed, 0u);
  // And they are gone.
  EXPECT_TRUE(RowCheckpoint(checkpoint_).Find().empty());
}

TEST_F(RowCheckpointTest, AStretchThatIsDamagedIsMadeAgain) {
  ASSERT_TRUE(Write(kAll, checkpoint_).ok());
  const std::string expected = Bytes();
  const std::vector<RowCheckpoint::Part> parts = RowCheckpoint(checkpoint_).Find();
  ASSERT_GT(parts.size(), 4u);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(checkpoint_.directory)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(StrCat(parts[2].begin, "-"))) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.put('?');
  }
  const auto again = Write(kAll, checkpoint_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->resumed, parts[1].end);
  EXPECT_EQ(Bytes(), expected);
}

TEST_F(RowCheckpointTest, RowsAreMadeWithoutACheckpointWhereNoneCanBeKept) {
  ASSERT_TRUE(Write(kAll, {}).ok());
  const std::string expected = Bytes();
  RowCheckpoint::Options nowhere = checkpoint_;
  nowhere.directory = path_ + "/below a file";
  const auto written = Write(kAll, nowhere);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(Bytes(), expected);
}

// An erasure removes it, whatever a training is doing.
TEST_F(RowCheckpointTest, RowsAreMadeToTheEndWhenTheCheckpointGoesMeanwhile) {
  ASSERT_TRUE(Write(kAll, {}).ok());
  const std::string expected = Bytes();
  const auto replay = RowReplay::Start(*store_, *plan_, row_options_, EverythingKnown());
  ASSERT_TRUE(replay.ok());
  std::size_t asked = 0;
  const auto remove = [&] {
    if (++asked % 50 == 0) RowCheckpoint::Remove(checkpoint_.directory);
    return false;
  };
  const auto written = WriteTrainingRows(*replay, *plan_, path_, nullptr, remove, checkpoint_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(Bytes(), expected);
}

TEST_F(RowCheckpointTest, StretchesOfAnotherShapeAreMadeAgain) {
  ASSERT_TRUE(Write(kAll, {}).ok());
  const std::string expected = Bytes();
  row_options_.heads.pop_back();
  ASSERT_TRUE(Write(kAll, checkpoint_).ok());
  row_options_.heads = {{"click", {"click"}}, {"hide", {"hide"}}};
  const auto written = Write(kAll, checkpoint_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->resumed, 0u);
  EXPECT_EQ(Bytes(), expected);
}

TEST_F(RowCheckpointTest, TheLogsHashTellsWhetherAnEventIsThere) {
  const auto hash = [&] {
    return RowReplay::Start(*store_, *plan_, row_options_, EverythingKnown())->log_hash();
  };
  const std::uint64_t before = hash();
  EXPECT_EQ(hash(), before);
  Import(Action("late", "u", "i", 5));
  ASSERT_TRUE(store_->Flush().ok());
  const std::uint64_t with_one_more = hash();
  EXPECT_NE(with_one_more, before);
  ASSERT_TRUE(store_->EraseUser("u1").ok());
  EXPECT_NE(hash(), with_one_more);
}

}  // namespace
}  // namespace fourfold
