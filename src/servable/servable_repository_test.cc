#include "servable/servable_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "servable/servable_testing.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ServableRepositoryTest : public ServableDirectoryTest {
 protected:
  std::string Publish(std::int64_t created_at_ms) {
    Servable servable = MakeServable();
    servable.manifest.created_at_ms = created_at_ms;
    servable.manifest.actions = static_cast<std::uint64_t>(created_at_ms);  // contents differ
    const auto version = repository_.Publish(servable);
    EXPECT_TRUE(version.ok()) << version.status();
    return version.ok() ? *version : "";
  }
  std::vector<std::string> Versions() {
    std::vector<std::string> versions;
    const auto listed = repository_.List();
    EXPECT_TRUE(listed.ok()) << listed.status();
    for (const auto& servable : *listed) versions.push_back(servable.version);
    return versions;
  }
  ServableRepository::State State() {
    const auto state = repository_.ReadState();
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? *state : ServableRepository::State();
  }

  ServableRepository repository_{directory_};
};

TEST_F(ServableRepositoryTest, OfNoDirectoryIsEmpty) {
  EXPECT_EQ(State(), ServableRepository::State());
  EXPECT_THAT(Versions(), IsEmpty());
  EXPECT_TRUE(repository_.Prune(0).ok());
}

// Whatever the engine's clock says: one learned as of a log's past is new all the same.
TEST_F(ServableRepositoryTest, ListsTheOnePublishedLastFirst) {
  const std::string first = Publish(2);
  const std::string second = Publish(3);
  const std::string third = Publish(1);
  EXPECT_THAT(Versions(), ElementsAre(third, second, first));
  ASSERT_TRUE(repository_.Prune(1).ok());
  EXPECT_THAT(Versions(), ElementsAre(third));
}

TEST_F(ServableRepositoryTest, WhatIsPublishedAgainIsTheNewest) {
  const std::string first = Publish(1);
  const std::string second = Publish(2);
  EXPECT_EQ(Publish(1), first);
  EXPECT_THAT(Versions(), ElementsAre(first, second));
}

TEST_F(ServableRepositoryTest, RollsBackToTheOneBefore) {
  const std::string first = Publish(1);
  const std::string second = Publish(2);
  ASSERT_TRUE(repository_.SetActive(first).ok());
  EXPECT_EQ(State(), (ServableRepository::State{first, ""}));
  ASSERT_TRUE(repository_.SetActive(second).ok());
  EXPECT_EQ(State(), (ServableRepository::State{second, first}));
  ASSERT_TRUE(repository_.SetActive(second).ok());
  EXPECT_EQ(State(), (ServableRepository::State{second, first}));
  ASSERT_TRUE(repository_.SetActive(State().previous).ok());
  EXPECT_EQ(State(), (ServableRepository::State{first, second}));
  EXPECT_FALSE(fs::exists(directory_ / "state.json.tmp"));
}

TEST_F(ServableRepositoryTest, RefusedActivationChangesNothing) {
  const std::string first = Publish(1);
  const std::string second = Publish(2);
  ASSERT_TRUE(repository_.SetActive(first).ok());
  EXPECT_TRUE(absl::IsNotFound(repository_.SetActive(std::string(32, '0'))));
  EXPECT_TRUE(absl::IsNotFound(repository_.SetActive("../" + first)));
  WriteBytes(directory_ / second / "manifest.json", "{}");
  EXPECT_FALSE(repository_.SetActive(second).ok());
  EXPECT_EQ(State(), (ServableRepository::State{first, ""}));
}

TEST_F(ServableRepositoryTest, CorruptedStateIsAnErrorThatNamesTheFile) {
  const std::string first = Publish(1);
  ASSERT_TRUE(repository_.SetActive(first).ok());
  for (const char* bad : {"", "{}", "nonsense", R"({"format_version": 1, "active": "../x",
                                                    "previous": ""})"}) {
    WriteBytes(directory_ / "state.json", bad);
    const absl::Status status = repository_.ReadState().status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << bad << status;
    EXPECT_THAT(status.ToString(), HasSubstr("state.json"));
  }
  WriteBytes(directory_ / "state.json", R"({"format_version": 2})");
  EXPECT_TRUE(absl::IsFailedPrecondition(repository_.ReadState().status()));
}

TEST_F(ServableRepositoryTest, ListsTheUnreadableWithTheReason) {
  const std::string first = Publish(1);
  const std::string second = Publish(2);
  WriteBytes(directory_ / second / "manifest.json", "{");
  const auto listed = repository_.List();
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].version, first);
  EXPECT_TRUE((*listed)[0].manifest.has_value());
  EXPECT_EQ((*listed)[1].version, second);
  EXPECT_FALSE((*listed)[1].manifest.has_value());
  EXPECT_THAT((*listed)[1].problem, HasSubstr("manifest.json"));
}

TEST_F(ServableRepositoryTest, ServableUnderAnothersNameIsRefused) {
  const std::string first = Publish(1);
  const std::string wrong(32, 'a');
  fs::copy(directory_ / first, directory_ / wrong);
  EXPECT_TRUE(absl::IsFailedPrecondition(repository_.Load(wrong).status()));
  EXPECT_TRUE(repository_.Load(first).ok());
}

TEST_F(ServableRepositoryTest, PruneKeepsTheNewestAndThoseInUse) {
  std::vector<std::string> versions;
  for (std::int64_t i = 1; i <= 6; ++i) versions.push_back(Publish(i));
  ASSERT_TRUE(repository_.SetActive(versions[0]).ok());
  ASSERT_TRUE(repository_.SetActive(versions[1]).ok());
  WriteBytes(directory_ / versions[2] / "manifest.json", "{");
  fs::create_directories(directory_ / ".tmp-1-0");
  ASSERT_TRUE(repository_.Prune(2).ok());
  EXPECT_THAT(Versions(),
              ElementsAre(versions[5], versions[4], versions[1], versions[0], versions[2]));
  EXPECT_FALSE(fs::exists(directory_ / ".tmp-1-0"));
}

}  // namespace
}  // namespace fourfold
