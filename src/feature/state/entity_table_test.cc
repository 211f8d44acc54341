#include "feature/state/entity_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/spill_file.h"

namespace fourfold {
namespace {

class EntityTableTest : public testing::Test {
 protected:
  EntityTableTest()
      : file_(storage::SpillFile::Open(testing::TempDir()).value()),
        entry_(table_.Add(EntityPart::kItemActions, "i1")) {}

  void Append(int count) {
    for (int i = 0; i < count; ++i, ++actions_) {
      ActionEntry action;
      action.event_time_ms = actions_ * 1'000'003;
      action.event_digest[0] = static_cast<std::uint8_t>(actions_);
      table_.Append(entry_, action, {});
    }
  }
  // All of the entry's bytes as of now, in the file.
  std::shared_ptr<const storage::SpillFile::Place> Write() const {
    std::string bytes = InFile();
    bytes += entry_->packed.tail;
    return file_->Write(bytes).value();
  }
  std::string InFile() const {
    std::string bytes;
    if (entry_->packed.place != nullptr) {
      EXPECT_TRUE(file_->Read(*entry_->packed.place, &bytes).ok());
    }
    return bytes;
  }

  StateSchema schema_;
  Interner interner_;
  std::shared_ptr<storage::SpillFile> file_;
  EntityTable table_{&schema_, &interner_, /*can_spill=*/true};
  EntityTable::Entry* entry_;
  int actions_ = 0;
};

// Two threads write the same entry to the file, one of them a longer version; the longer one may
// come first.
TEST_F(EntityTableTest, OfTwoThatSpillAtOnceTheLongerOneStays) {
  Append(100);
  ASSERT_EQ(table_.NextToSpill(), entry_);
  const auto shorter = Write();
  Append(1);
  ASSERT_EQ(table_.NextToSpill(), entry_);
  const auto longer = Write();
  Append(1);
  const std::string all = entry_->packed.tail;
  ASSERT_GT(longer->size(), shorter->size());

  table_.Spilled(entry_, longer);
  table_.Spilled(entry_, shorter);
  EXPECT_EQ(entry_->packed.placed(), longer->size());
  EXPECT_EQ(InFile() + entry_->packed.tail, all);
}

TEST_F(EntityTableTest, TheShorterOneFirstIsMadeLonger) {
  Append(100);
  const auto shorter = Write();
  Append(1);
  const auto longer = Write();
  const std::string all = entry_->packed.tail;
  table_.Spilled(entry_, shorter);
  table_.Spilled(entry_, longer);
  EXPECT_EQ(InFile() + entry_->packed.tail, all);
  EXPECT_EQ(entry_->packed.tail, "");
}

TEST_F(EntityTableTest, WhatWasSpilledSinceItWasQueuedIsNotSpilledAgain) {
  Append(100);
  table_.Spilled(entry_, Write());
  EXPECT_EQ(table_.NextToSpill(), nullptr);
  Append(1000);
  EXPECT_EQ(table_.NextToSpill(), entry_);
}

}  // namespace
}  // namespace fourfold
