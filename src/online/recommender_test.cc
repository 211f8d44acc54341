#include "online/recommender.h"

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "data/limits.h"
#include "feature/position.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "online/surfaces/surfaces.h"
#include "online/test_world.h"

namespace fourfold {
namespace {

using testing::AddItemToItem;
using testing::AddPopular;
using testing::AddRepeats;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ItemsOf;
using testing::kStartMs;
using testing::MakeServable;
using ::testing::Not;
using testing::Share;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing::World;

const std::vector<std::string> kItems = {"a", "b", "c", "d", "e", "f"};

RecommendRequest For(std::string user, int limit) {
  RecommendRequest request;
  request.user = std::move(user);
  request.limit = limit;
  return request;
}

// f and e go with a, d goes with b; a is the most popular, f the least.
Servable SmallServable() {
  Servable servable = MakeServable(kItems);
  AddItemToItem(&servable, 1, {{"a", {{"f", 0.9f}, {"e", 0.5f}}}, {"b", {{"d", 0.8f}}}});
  AddPopular(&servable, 0.1);
  return servable;
}

void StartSmall(World* world) {
  world->DeclareAll(kItems);
  ASSERT_TRUE(world->recommender->Activate(Share(SmallServable())).ok());
}

TEST(RecommenderTest, SlateFillsWithoutAServable) {
  World world;
  world.DeclareAll(kItems);
  const RecommendResponse response = world.Ask(For("u", 6));
  EXPECT_THAT(ItemsOf(response), UnorderedElementsAre("a", "b", "c", "d", "e", "f"));
  ASSERT_THAT(response.degraded, SizeIs(1));
  EXPECT_EQ(response.degraded[0].stage, "servable");
  EXPECT_THAT(response.items[0].retrievers, ElementsAre("fill"));
  EXPECT_EQ(world.recommender->active_version(), "");
}

TEST(RecommenderTest, SlateFillsWhenEveryRetrieverFails) {
  World world;
  world.DeclareAll(kItems);
  Servable servable = SmallServable();
  servable.item_to_item.clear();
  servable.popularity_tables.clear();
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());
  const RecommendResponse response = world.Ask(For("u", 4));
  EXPECT_THAT(ItemsOf(response), ElementsAre("a", "b", "c", "d"));
  ASSERT_THAT(response.degraded, SizeIs(2));
  EXPECT_EQ(response.degraded[0].stage, "item_cf");
  EXPECT_EQ(response.degraded[1].stage, "popular");
}

TEST(RecommenderTest, LastActionChangesTheNextSlate) {
  World world;
  StartSmall(&world);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 3))), ElementsAre("a", "b", "c"));
  world.Act("u", "a");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 3))), ElementsAre("f", "e", "a"));
  world.Act("u", "b");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 3))), ElementsAre("f", "d", "e"));
  EXPECT_THAT(ItemsOf(world.Ask(For("somebody else", 3))), ElementsAre("a", "b", "c"));
}

TEST(RecommenderTest, SessionOfNobodyAndUserBothCount) {
  World world;
  StartSmall(&world);
  world.Act("", "a", "click", "s");
  RecommendRequest anonymous = For("", 2);
  EXPECT_THAT(ItemsOf(world.Ask(anonymous)), ElementsAre("a", "b"));
  anonymous.session = "s";
  EXPECT_THAT(ItemsOf(world.Ask(anonymous)), ElementsAre("f", "e"));
  world.Act("u", "b");
  RecommendRequest both = For("u", 3);
  both.session = "s";
  EXPECT_THAT(ItemsOf(world.Ask(both)), ElementsAre("f", "d", "e"));
}

TEST(RecommenderTest, NextPageNeverRepeats) {
  World world;
  std::vector<std::string> items;
  for (int i = 0; i < 60; ++i) items.push_back("item-" + std::to_string(i));
  world.DeclareAll(items);
  Servable servable = MakeServable(items);
  AddPopular(&servable, 1);
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());

  std::set<std::string> shown;
  RecommendRequest page = For("u", 7);
  for (int i = 0; i < 8; ++i) {
    const RecommendResponse response = world.Ask(page);
    EXPECT_THAT(response.items, SizeIs(7));
    for (const std::string& item : ItemsOf(response)) EXPECT_TRUE(shown.insert(item).second);
    page.after_request = response.request_id;
    world.Act("u", "item-" + std::to_string(i * 5));  // whatever happens between the pages
  }
  EXPECT_THAT(world.Ask(page).items, SizeIs(4));
}

TEST(RecommenderTest, PageOfSomebodyElseOrOfNothingIsRefused) {
  World world;
  StartSmall(&world);
  const std::string mine = world.Ask(For("u", 2)).request_id;
  for (const auto& [user, after, what] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"other", mine, "another user"}, {"u", "no such", "no slate"}}) {
    RecommendRequest request = For(user, 2);
    request.after_request = after;
    const auto answer = world.recommender->Recommend(request);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(answer.status().ToString(), HasSubstr(what));
  }
  world.Act("u", "a");
  RecommendRequest request = For("u", 2);
  request.after_request = "event-6";  // the action, after six item events
  EXPECT_THAT(world.recommender->Recommend(request).status().ToString(), HasSubstr("is no slate"));
}

TEST(RecommenderTest, FirstPageOfASessionGoesOnForTheUserItBecame) {
  World world;
  StartSmall(&world);
  RecommendRequest request = For("", 3);
  request.session = "s";
  request.after_request = world.Ask(request).request_id;
  request.user = "u";
  EXPECT_THAT(ItemsOf(world.Ask(request)), UnorderedElementsAre("d", "e", "f"));
}

TEST(RecommenderTest, FirstPageOfASessionGoesOnForTheUserAloneOnceItIsKnown) {
  World world;
  StartSmall(&world);
  RecommendRequest request = For("", 2);
  request.session = "s";
  RecommendRequest next = For("u", 2);
  next.after_request = world.Ask(request).request_id;
  EXPECT_THAT(world.recommender->Recommend(next).status().ToString(), HasSubstr("another user"));
  world.Act("u", "a", "click", "s");  // from here on the session is u's
  const RecommendResponse second = world.Ask(next);
  EXPECT_THAT(second.items, SizeIs(2));
  for (const std::string& item : ItemsOf(second)) EXPECT_TRUE(item != "a" && item != "b") << item;
  next.user = "other";
  EXPECT_THAT(world.recommender->Recommend(next).status().ToString(), HasSubstr("another user"));
}

TEST(RecommenderTest, ASlateOfOneItemHasANextPageAndOneThatWasNotLoggedIsToldWhyNot) {
  World world;
  StartSmall(&world);
  RecommendRequest request = For("u", 1);
  RecommendRequest next = request;
  next.after_request = world.Ask(request).request_id;
  EXPECT_THAT(ItemsOf(world.Ask(next)), ElementsAre("b"));
  const auto refusal = [&](const RecommendRequest& first) {
    RecommendRequest second = first;
    second.after_request = world.Ask(first).request_id;
    return world.recommender->Recommend(second).status().ToString();
  };
  EXPECT_THAT(refusal(For("", 1)), HasSubstr("for a user or a session"));
  request.log_slate = false;
  EXPECT_THAT(refusal(request), HasSubstr("log_slate false"));

  World silent({.policy = {}, .log_slates = false});
  StartSmall(&silent);
  request = For("u", 1);
  request.after_request = silent.Ask(request).request_id;
  EXPECT_THAT(silent.recommender->Recommend(request).status().ToString(),
              HasSubstr("server.log_slates is off"));
}

TEST(RecommenderTest, SimilarItemsOfAnItemNeverHeardOfAreNotFound) {
  World world;
  StartSmall(&world);
  SimilarRequest request;
  request.item = "a";
  EXPECT_TRUE(world.recommender->Similar(request).ok());
  request.item = "nonsense";
  EXPECT_EQ(world.recommender->Similar(request).status().code(), absl::StatusCode::kNotFound);
}

TEST(RecommenderTest, ChainOfPagesEndsAtItsLimit) {
  World world;
  std::vector<std::string> items;
  for (int i = 0; i < limits::kPagesMax + 5; ++i) items.push_back("item-" + std::to_string(i));
  world.DeclareAll(items);
  RecommendRequest page = For("u", 1);
  for (int i = 0; i <= limits::kPagesMax; ++i) page.after_request = world.Ask(page).request_id;
  EXPECT_THAT(world.recommender->Recommend(page).status().ToString(), HasSubstr("more than 50"));
}

TEST(RecommenderTest, SeenItemIsDroppedUntilWindowEnds) {
  RecommenderOptions options;
  options.policy.seen_actions = {{"purchase", 1000}};
  World world(std::move(options));
  StartSmall(&world);
  world.Act("u", "a", "purchase");
  world.Act("u", "b", "click");
  world.clock.Set(kStartMs + 999);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), UnorderedElementsAre("b", "c", "d", "e", "f"));
  world.clock.Set(kStartMs + 1000);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), Contains("a"));
}

TEST(RecommenderTest, SeenItemIsDroppedHoweverMuchWasDoneSince) {
  RecommenderOptions options;
  options.policy.seen_actions = {{"purchase", 0}, {"click", 500}};
  options.policy.history_actions = 3;
  World world(std::move(options));
  StartSmall(&world);
  world.Act("u", "a", "purchase");
  world.Act("u", "b", "click");
  for (int i = 0; i < 100; ++i) world.Act("u", "c", "view");  // as many as retrievers read
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), UnorderedElementsAre("c", "d", "e", "f"));
  EXPECT_THAT(ItemsOf(world.Ask(For("v", 6))), Contains("a"));  // what another saw is theirs alone
  world.clock.Advance(500);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), UnorderedElementsAre("b", "c", "d", "e", "f"));
}

TEST(RecommenderTest, ItemShownOftenEnoughIsDroppedUntilWindowEnds) {
  RecommenderOptions options;
  options.policy.seen_impressions = 2;
  options.policy.seen_impressions_within_ms = 1000;
  World world(std::move(options));
  StartSmall(&world);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 2))), ElementsAre("a", "b"));
  world.clock.Advance(500);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 2))), ElementsAre("a", "b"));
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 2))), ElementsAre("c", "d"));
  world.clock.Advance(500);  // the first slate no longer counts
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 2))), ElementsAre("a", "b"));
}

TEST(RecommenderTest, DeletedItemLeavesTheNextSlate) {
  World world;
  StartSmall(&world);
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), Contains("b"));
  world.clock.Advance(1);
  world.Delete("b");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), ElementsAre("a", "c", "d", "e", "f"));
  world.clock.Advance(1);
  world.Declare("b");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 6))), Contains("b"));
}

TEST(RecommenderTest, NewItemIsShownBeforeAnythingIsLearnedAboutIt) {
  World world;
  StartSmall(&world);
  world.Declare("new");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 7))), Contains("new"));
}

TEST(RecommenderTest, FilterThatLeavesTwoOfManyStillFindsThem) {
  World world;
  std::vector<std::string> items;
  for (int i = 0; i < 500; ++i) {
    items.push_back("item-" + std::to_string(i));
    world.Declare(items.back(), {{"price", static_cast<double>(i)}});
  }
  // Far down the popularity table, and outside it.
  items.resize(450);
  Servable servable = MakeServable(items);
  RetrieverSpec popular;
  popular.candidates = 10;
  AddPopular(&servable, 1, popular);
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());
  RecommendRequest request = For("u", 20);
  request.filter = "price == 400 or price == 499";
  const RecommendResponse response = world.Ask(request);
  ASSERT_THAT(ItemsOf(response), ElementsAre("item-400", "item-499"));
  EXPECT_THAT(response.items[0].retrievers, ElementsAre("popular"));  // asked again, deeper
  EXPECT_THAT(response.items[1].retrievers, ElementsAre("fill"));
  EXPECT_THAT(response.degraded, IsEmpty());
}

TEST(RecommenderTest, FiltersAndListsOfRecipeAndRequestHold) {
  RecommenderOptions options;
  options.policy.filter = *Expression::Parse("not (kind == \"postage\")");
  World world(std::move(options));
  for (const std::string& item : kItems) {
    world.Declare(item, {{"kind", std::string(item == "a" ? "postage" : "goods")},
                         {"price", static_cast<double>(item[0] - 'a')}});
  }
  ASSERT_TRUE(world.recommender->Activate(Share(SmallServable())).ok());
  RecommendRequest request = For("u", 6);
  EXPECT_THAT(ItemsOf(world.Ask(request)), ElementsAre("b", "c", "d", "e", "f"));
  request.filter = "price < 4";
  EXPECT_THAT(ItemsOf(world.Ask(request)), ElementsAre("b", "c", "d"));
  request.exclude_items = {"c", "unheard of"};
  EXPECT_THAT(ItemsOf(world.Ask(request)), ElementsAre("b", "d"));
  request.include_items = {"a", "c", "d", "e"};
  EXPECT_THAT(ItemsOf(world.Ask(request)), ElementsAre("d"));
  request.filter = "price <";
  const auto refused = world.recommender->Recommend(request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().ToString(), HasSubstr("filter: "));
  EXPECT_THAT(refused.status().ToString(), HasSubstr("column 8"));
}

TEST(RecommenderTest, RequestsPastALimitAreRefusedByName) {
  World world;
  world.DeclareAll(kItems);
  const auto refusal = [&](const RecommendRequest& request) {
    return world.recommender->Recommend(request).status().ToString();
  };
  EXPECT_THAT(refusal(For("u", 0)), HasSubstr("limit: 0"));
  EXPECT_THAT(refusal(For("u", limits::kSlateLimitMax + 1)), HasSubstr("limit: 501"));
  EXPECT_THAT(refusal(For(std::string(257, 'x'), 1)), HasSubstr("user: "));
  RecommendRequest request = For("u", 1);
  request.exclude_items.resize(limits::kRequestItemListMax + 1);
  EXPECT_THAT(refusal(request), HasSubstr("exclude_items: "));
  request = For("u", 1);
  request.after_position = FormatPosition(world.store->EndPosition());
  EXPECT_EQ(world.recommender->Recommend(request).status().code(),
            absl::StatusCode::kFailedPrecondition);
  request.after_position = FormatPosition(world.store->EndPosition() - 1);
  EXPECT_THAT(world.Ask(request).items, SizeIs(1));
}

TEST(RecommenderTest, SlateIsLeftInTheLogWithItsReadPoint) {
  World world;
  StartSmall(&world);
  world.Act("u", "a");
  const ReadPoint before = world.store->Now();
  const RecommendResponse response = world.Ask(For("u", 2));
  const auto logged = world.store->FindEvent(response.request_id);
  ASSERT_TRUE(logged.ok());
  EXPECT_EQ(logged->event.kind, EventKind::kRanking);
  EXPECT_EQ(logged->event.surface, "home");
  ASSERT_THAT(logged->event.items, SizeIs(2));
  EXPECT_EQ(logged->event.items[0].item, "f");
  EXPECT_EQ(logged->event.served_from.as_of_ms, before.as_of_ms);
  EXPECT_EQ(logged->event.served_from.known_at_ms, before.known_at_ms);
  EXPECT_EQ(logged->event.served_from.position_end, before.position_end);
  EXPECT_EQ(logged->event.served_from.servable, "by-hand");

  const Position end = world.store->EndPosition();
  world.Ask(For("", 2));  // nobody
  RecommendRequest quiet = For("u", 2);
  quiet.log_slate = false;
  EXPECT_THAT(world.Ask(quiet).request_id, Not(IsEmpty()));
  EXPECT_EQ(world.store->EndPosition(), end);
}

TEST(RecommenderTest, SlateIsAnsweredAgainBitForBitFromItsReadPoint) {
  World world;
  world.DeclareAll(kItems);
  Servable servable = SmallServable();
  servable.manifest.retrievers[0].history_half_life_ms = 700;
  servable.manifest.retrievers[0].history_decay = 0.7;
  const auto shared = Share(std::move(servable));
  ASSERT_TRUE(world.recommender->Activate(shared).ok());
  world.Act("u", "a");
  world.clock.Advance(333);
  world.Act("u", "b");
  world.clock.Advance(77);
  const RecommendResponse response = world.Ask(For("u", 5));
  world.clock.Advance(1000);
  world.Act("u", "c");

  const ServedFrom from = world.store->FindEvent(response.request_id)->event.served_from;
  Recommender::AsOfRequest again;
  again.user = "u";
  again.at.as_of_ms = from.as_of_ms;
  again.at.known_at_ms = from.known_at_ms;
  again.at.position_end = from.position_end;
  again.limit = 5;
  const auto bound = world.recommender->Bind(shared);
  ASSERT_TRUE(bound.ok());
  std::vector<Recommender::ScoredItem> slate;
  ASSERT_TRUE(world.recommender->RecommendAsOf(again, **bound, &slate).ok());
  ASSERT_EQ(slate.size(), response.items.size());
  for (std::size_t i = 0; i < slate.size(); ++i) {
    EXPECT_EQ(slate[i].item, response.items[i].item);
    EXPECT_EQ(slate[i].score, response.items[i].score);
  }
}

TEST(RecommenderTest, OneRetrieverAloneGivesItsOwnListAndScores) {
  World world;
  world.DeclareAll(kItems);
  const auto shared = Share(SmallServable());
  const auto bound = world.recommender->Bind(shared);
  ASSERT_TRUE(bound.ok());
  world.Act("u", "a");
  Recommender::AsOfRequest request;
  request.user = "u";
  request.at = world.store->Now();
  request.limit = 5;
  request.only_retriever = "item_cf";
  std::vector<Recommender::ScoredItem> slate;
  ASSERT_TRUE(world.recommender->RecommendAsOf(request, **bound, &slate).ok());
  ASSERT_THAT(slate, SizeIs(2));  // and no fill
  EXPECT_EQ(slate[0].item, "f");
  EXPECT_EQ(slate[0].score, static_cast<double>(0.9f));
  const std::vector<std::string> excluded = {"f"};
  request.exclude_items = &excluded;
  ASSERT_TRUE(world.recommender->RecommendAsOf(request, **bound, &slate).ok());
  ASSERT_THAT(slate, SizeIs(1));
  EXPECT_EQ(slate[0].item, "e");
  request.only_retriever = "no such";
  EXPECT_FALSE(world.recommender->RecommendAsOf(request, **bound, &slate).ok());
}

TEST(RecommenderTest, ExplainSaysWhoFoundItAndWhy) {
  RecommenderOptions options;
  options.policy.seen_actions = {{"click", 0}};
  World world(std::move(options));
  StartSmall(&world);
  world.Act("u", "a");
  RecommendRequest request = For("u", 2);
  request.explain = true;
  const RecommendResponse response = world.Ask(request);
  ASSERT_THAT(ItemsOf(response), ElementsAre("f", "e"));
  ASSERT_THAT(response.items[0].contributions, SizeIs(2));
  const RetrieverContribution& found = response.items[0].contributions[0];
  EXPECT_EQ(found.retriever, "item_cf");
  EXPECT_EQ(found.rank, 1);
  EXPECT_EQ(found.because_item, "a");
  EXPECT_EQ(found.because_type, "click");
  EXPECT_EQ(found.because_time_ms, kStartMs);
  EXPECT_DOUBLE_EQ(found.blended + response.items[0].contributions[1].blended,
                   response.items[0].score);
  ASSERT_THAT(response.dropped, SizeIs(1));
  EXPECT_EQ(response.dropped[0].item, "a");
  EXPECT_EQ(response.dropped[0].dropped_by, "seen");
  ASSERT_THAT(response.history, SizeIs(1));
  EXPECT_EQ(response.history[0].item, "a");
}

TEST(RecommenderTest, WhyNotHasAVerdictForEveryItem) {
  RecommenderOptions options;
  options.policy.seen_actions = {{"click", 0}};
  World world(std::move(options));
  world.DeclareAll(kItems);
  Servable servable = SmallServable();
  servable.manifest.retrievers[1].candidates = 3;  // popular: a, b, c
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());
  world.Act("u", "a");
  const auto verdict = [&](const std::string& item) {
    RecommendRequest request = For("u", 2);
    request.why_not_item = item;
    return world.Ask(request).why_not.verdict;
  };
  EXPECT_EQ(verdict("f"), "shown");
  EXPECT_EQ(verdict("a"), "dropped");
  EXPECT_EQ(verdict("b"), "outranked");
  EXPECT_EQ(verdict("d"), "not_retrieved");
  EXPECT_EQ(verdict("unheard of"), "unknown_item");
}

TEST(RecommenderTest, SimilarItemsComeFromTheItemToItemMapThenFill) {
  World world;
  StartSmall(&world);
  SimilarRequest request;
  request.item = "a";
  request.limit = 3;
  const Position end = world.store->EndPosition();
  const auto response = world.recommender->Similar(request);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(ItemsOf(*response), ElementsAre("f", "e", "b"));
  EXPECT_EQ(world.store->EndPosition(), end);
  request.item = "d";  // without neighbours
  EXPECT_THAT(world.recommender->Similar(request)->items, SizeIs(3));
}

TEST(RecommenderTest, RepeatsBringBackWhatIsBoughtOften) {
  World world;
  world.DeclareAll(kItems);
  Servable servable = MakeServable(kItems);
  RetrieverSpec repeats;
  repeats.action_types = {"purchase"};
  AddRepeats(&servable, 1, repeats);
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());
  world.Act("u", "e", "purchase");
  world.Act("u", "d", "purchase");
  world.Act("u", "e", "purchase");
  for (int i = 0; i < 5; ++i) world.Act("u", "c", "click");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 3))), ElementsAre("e", "d", "a"));
}

TEST(RecommenderTest, ItemsActedOnAreTheCatalogueWhereNoneIsDeclared) {
  World world({}, Catalogue::Membership::kActedOn);
  EXPECT_THAT(world.Ask(For("u", 3)).items, IsEmpty());
  world.Act("u", "x");
  EXPECT_THAT(ItemsOf(world.Ask(For("u", 3))), ElementsAre("x"));
}

GoldenSet SmallGolden() {
  GoldenSet golden;
  for (const std::string& item : kItems) golden.catalogue.push_back({item, {}});
  GoldenRequest request;
  request.name = "after a click";
  request.as_of_ms = kStartMs;
  request.limit = 4;
  HistoryEntry action;
  action.event_time_ms = kStartMs - 5;
  action.item = "a";
  action.type = "click";
  request.history = {action};
  golden.requests = {request};
  return golden;
}

TEST(RecommenderTest, GoldenDifferenceIsRefused) {
  World world;
  world.DeclareAll(kItems);
  Servable good = SmallServable();
  good.golden = SmallGolden();
  const auto answered = AnswerGoldenRequests(good);
  ASSERT_TRUE(answered.ok()) << answered.status();
  ASSERT_THAT((*answered)[0].answers, SizeIs(4));
  EXPECT_EQ((*answered)[0].answers[0].item, "f");
  good.golden.requests = *answered;
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(good))).ok());

  Servable bad = SmallServable();
  bad.manifest.version = "bad";
  bad.golden = SmallGolden();
  bad.golden.requests = *answered;
  bad.golden.requests[0].answers[1].score *= 1.0000001;
  const absl::Status refused = world.recommender->Activate(Share(std::move(bad)));
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.ToString(), HasSubstr("after a click"));
  EXPECT_THAT(refused.ToString(), HasSubstr("place 2"));
  EXPECT_EQ(world.recommender->active_version(), "by-hand");
}

TEST(RecommenderTest, ServableWhosePartsDoNotFitIsRefused) {
  World world;
  Servable servable = SmallServable();
  servable.popularity.pop_back();
  EXPECT_EQ(world.recommender->Activate(Share(std::move(servable))).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(RecommenderTest, ServableSwapUnderTrafficFailsNoRequest) {
  World world;
  world.DeclareAll(kItems);
  Servable one = SmallServable();
  one.manifest.version = "one";
  Servable two = MakeServable({"f", "e", "d", "c", "b", "a"});
  two.manifest.version = "two";
  AddPopular(&two, 1);
  const std::vector<std::shared_ptr<const Servable>> servables = {Share(std::move(one)),
                                                                  Share(std::move(two))};
  ASSERT_TRUE(world.recommender->Activate(servables[0]).ok());
  std::atomic<bool> stop = false;
  std::atomic<int> answers = 0, wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      while (!stop) {
        const auto response = world.recommender->Recommend(For("u" + std::to_string(t), 3));
        const bool right = response.ok() && response->degraded.empty() &&
                           ItemsOf(*response) == (response->servable == "one"
                                                      ? std::vector<std::string>{"a", "b", "c"}
                                                      : std::vector<std::string>{"f", "e", "d"});
        ++answers;
        if (!right) ++wrong;
      }
    });
  }
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(world.recommender->Activate(servables[static_cast<std::size_t>(i % 2)]).ok());
    world.Declare("new-" + std::to_string(i));
  }
  while (answers < 300) std::this_thread::yield();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace fourfold
