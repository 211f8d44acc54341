#include "data/row_mapper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/event_id.h"
#include "data/event_json.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = ColumnMapping::FieldColumn::Kind;
using Cells = std::vector<std::string_view>;

ColumnMapping Screens() {
  ColumnMapping mapping;
  mapping.user = "user";
  mapping.session = "session";
  mapping.time = "time";
  mapping.time_format = "unix_s";
  mapping.step = "step";
  mapping.type = "type";
  mapping.item = "item";
  mapping.impressions.column = "shown";
  mapping.impressions.list_separator = "|";
  mapping.impressions.fields = {{"price", "prices", Kind::kNumber, "|"}};
  mapping.impressions.slate_fields = {{"device", "device"}};
  return mapping;
}

RowMapper ScreensMapper(ColumnMapping mapping = Screens()) {
  auto mapper = RowMapper::Make(std::move(mapping), {"user", "session", "time", "step", "type",
                                                     "item", "device", "shown", "prices"});
  EXPECT_TRUE(mapper.ok()) << mapper.status();
  return *std::move(mapper);
}

// The events of one row as JSON, or its problem.
std::vector<std::string> Mapped(RowMapper* mapper, const Cells& cells) {
  std::vector<Event> events;
  if (const auto problem = mapper->Map(cells, &events)) {
    EXPECT_TRUE(events.empty());
    return {ToString(*problem)};
  }
  std::vector<std::string> json;
  for (const Event& event : events) json.push_back(EventToJson(event));
  return json;
}

TEST(RowMapperTest, ASlateStandsBeforeTheActionThatAnswersIt) {
  RowMapper mapper = ScreensMapper();
  const Cells row = {"u", "s", "7", "3", "go", "b", "phone", "a|b|c", "5||2.5"};
  std::vector<Event> events;
  ASSERT_FALSE(mapper.Map(row, &events).has_value());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::kRanking);
  EXPECT_EQ(events[0].items,
            (std::vector<RankedItem>{{"a", {{"price", 5.0}}}, {"b", {}}, {"c", {{"price", 2.5}}}}));
  EXPECT_EQ(events[0].fields, (std::vector<Field>{{"device", std::string("phone")}}));
  EXPECT_EQ(events[1].kind, EventKind::kInteraction);
  EXPECT_EQ(events[1].item, "b");
  EXPECT_EQ(events[1].type, "go");
  EXPECT_EQ(events[1].ranking, events[0].id);
  EXPECT_TRUE(events[1].id.empty());
  for (const Event& event : events) {
    EXPECT_EQ(event.event_time_ms, 7000);
    EXPECT_EQ(event.user, "u");
    EXPECT_EQ(event.session, "s");
    EXPECT_EQ(event.step, 3);
  }
}

TEST(RowMapperTest, TheIdOfASlateComesOfItsContent) {
  RowMapper mapper = ScreensMapper();
  std::vector<Event> events;
  const Cells rows[] = {{"u", "s", "7", "3", "go", "b", "phone", "a|b", "5|2"},
                        {"u", "s", "7", "3", "look", "a", "phone", "a|b", "5|2"},
                        {"u", "s", "7", "4", "go", "b", "phone", "a|b", "5|2"},
                        {"u", "s", "7", "3", "go", "b", "phone", "b|a", "2|5"}};
  for (const Cells& row : rows) ASSERT_FALSE(mapper.Map(row, &events).has_value());
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0].id, ContentId(events[0], 0));
  EXPECT_EQ(events[2].id, events[0].id) << "the same screen, acted on twice";
  EXPECT_NE(events[4].id, events[0].id);
  EXPECT_NE(events[6].id, events[0].id);
}

TEST(RowMapperTest, TheFilesOwnIdOfASlateIsKept) {
  ColumnMapping mapping = Screens();
  mapping.ranking = "device";
  RowMapper mapper = ScreensMapper(mapping);
  std::vector<Event> events;
  ASSERT_FALSE(
      mapper.Map(Cells{"u", "s", "7", "3", "go", "b", "r9", "a|b", "5|2"}, &events).has_value());
  EXPECT_EQ(events[0].id, "r9");
  EXPECT_EQ(events[1].ranking, "r9");
}

TEST(RowMapperTest, RowsWithoutImpressionsOrWithoutATypeGiveWhatTheyHave) {
  RowMapper mapper = ScreensMapper();
  EXPECT_THAT(Mapped(&mapper, {"u", "s", "7", "1", "go", "b", "phone", "", ""}),
              ElementsAre(HasSubstr(R"("event":"interaction")")));
  EXPECT_THAT(Mapped(&mapper, {"u", "s", "7", "2", "", "", "phone", "a|b", ""}),
              ElementsAre(HasSubstr(R"("items":[{"id":"a"},{"id":"b"}])")));
  EXPECT_THAT(Mapped(&mapper, {"u", "s", "7", "2", "", "", "phone", "", ""}), ElementsAre());
}

TEST(RowMapperTest, ASlateThatCannotBeReadNamesItsColumnAndReason) {
  RowMapper mapper = ScreensMapper();
  const auto problem = [&](std::string_view shown, std::string_view prices) {
    return Mapped(&mapper, {"u", "s", "7", "3", "go", "b", "phone", shown, prices}).front();
  };
  EXPECT_EQ(problem("a|b|c", "5|2"), "prices: has 2 elements, but shown has 3");
  EXPECT_EQ(problem("a|b", "5|2|"), "prices: has 3 elements, but shown has 2");
  EXPECT_EQ(problem("a|b", "5|cheap"), "prices: element 2: \"cheap\" is not a number");
  EXPECT_EQ(problem("a||b", "5|2|1"), "shown: is empty");
  EXPECT_EQ(problem("a|b|a", "5|2|1"), "shown: item a stands twice");
  EXPECT_EQ(Mapped(&mapper, {"u", "s", "", "3", "go", "b", "phone", "a", "1"}).front(),
            "time: is empty");
  EXPECT_EQ(Mapped(&mapper, {"u", "s", "7", "x", "go", "b", "phone", "a", "1"}).front(),
            "step: \"x\" is not a whole number");
}

TEST(RowMapperTest, MappingsOfSlatesThatCannotWorkAreRefused) {
  const auto error = [](ColumnMapping mapping) {
    return std::string(
        RowMapper::Make(std::move(mapping), {"user", "session", "time", "step", "type", "item",
                                             "device", "shown", "prices"})
            .status()
            .message());
  };
  ColumnMapping lists = Screens();
  lists.impressions.fields[0].kind = Kind::kList;
  EXPECT_THAT(error(lists), HasSubstr("field price: a list of lists cannot be read"));
  ColumnMapping missing = Screens();
  missing.impressions.fields[0].column = "price";
  EXPECT_THAT(error(missing), HasSubstr("impressions: no column \"price\""));
  ColumnMapping no_time = Screens();
  no_time.time.clear();
  EXPECT_THAT(error(no_time), HasSubstr("names no column for the time"));
}

TEST(RowMapperTest, APatternTakesAPartOfACell) {
  ColumnMapping mapping;
  mapping.item = "id";
  mapping.item_fields = {{"title", "title"},
                         {"year", "title", Kind::kNumber, " ", R"(\((\d{4})\)\s*$)"}};
  auto mapper = RowMapper::Make(mapping, {"id", "title"});
  ASSERT_TRUE(mapper.ok()) << mapper.status();
  std::vector<Event> events;
  ASSERT_FALSE(mapper->Map(Cells{"1", "2001 (1968) "}, &events).has_value());
  ASSERT_FALSE(mapper->Map(Cells{"2", "Stranger Things"}, &events).has_value());
  ASSERT_FALSE(mapper->Map(Cells{"1", "2001: A Space Odyssey (1968)"}, &events).has_value());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].fields,
            (std::vector<Field>{{"title", std::string("2001 (1968) ")}, {"year", 1968.0}}));
  EXPECT_EQ(events[1].fields, (std::vector<Field>{{"title", std::string("Stranger Things")}}));
  EXPECT_EQ(events[2].fields,
            (std::vector<Field>{{"title", std::string("2001: A Space Odyssey (1968)")}}))
      << "the year is not new";

  EXPECT_THAT(std::string(CheckFieldPattern("(").message()), HasSubstr("missing )"));
  EXPECT_THAT(std::string(CheckFieldPattern("[0-9]+").message()), HasSubstr("it has 0"));
  EXPECT_TRUE(CheckFieldPattern("a(b)").ok());
}

}  // namespace
}  // namespace fourfold
