#include "data/event_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/strings.h"
#include "data/event_json.h"
#include "data/limits.h"
#include "data/random_event.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Format = SourceOptions::Format;
using Kind = ColumnMapping::FieldColumn::Kind;

std::string Gzip(std::string_view text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(std::string_view text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

// What a source gave, in order: events as JSON, rejected lines as "line 3: field: reason".
struct Read {
  std::vector<Event> events;
  std::vector<RejectedLine> rejected;
  absl::Status status;
  std::uint64_t lines = 0;
  std::uint64_t skipped = 0;

  std::vector<std::string> Events() const {
    std::vector<std::string> json;
    for (const Event& event : events) json.push_back(EventToJson(event));
    return json;
  }
  std::vector<std::string> Rejected() const {
    std::vector<std::string> places;
    for (const RejectedLine& line : rejected) {
      places.push_back(StrCat(line.line, ": ", line.field, ": ", line.reason));
    }
    return places;
  }
};

Read ReadPath(SourceOptions options) {
  Read read;
  auto source = OpenEventSource(std::move(options));
  if (!source.ok()) {
    read.status = source.status();
    return read;
  }
  while (true) {
    auto result = (*source)->Next();
    if (!result.ok() || !*result) {
      read.status = result.status();
      break;
    }
    if (auto* event = std::get_if<Event>(&**result)) {
      read.events.push_back(std::move(*event));
    } else {
      read.rejected.push_back(std::get<RejectedLine>(**result));
    }
  }
  read.lines = (*source)->lines_read();
  read.skipped = (*source)->lines_skipped();
  return read;
}

// Reads `text` as a file of that name's extension.
Read ReadText(std::string_view text, SourceOptions options, const std::string& name) {
  options.path = testing::TempDir() + "fourfold_source_" + name;
  std::ofstream(options.path, std::ios::binary) << text;
  Read read = ReadPath(std::move(options));
  std::filesystem::remove(testing::TempDir() + "fourfold_source_" + name);
  return read;
}

Read ReadJsonl(std::string_view text) { return ReadText(text, SourceOptions(), "a.jsonl"); }

Expression Parsed(std::string_view text) { return *Expression::Parse(text); }

SourceOptions Ratings() {
  SourceOptions options;
  options.format = Format::kCsv;
  options.mapping.user = "userId";
  options.mapping.item = "movieId";
  options.mapping.time = "timestamp";
  options.mapping.time_format = "unix_s";
  options.mapping.types.push_back({"like", Parsed("rating >= 4")});
  options.mapping.interaction_fields.push_back({"rating", "rating", Kind::kNumber});
  return options;
}

TEST(JsonlSourceTest, BadLinesAreNamedAndLeaveTheOthers) {
  const Read read = ReadJsonl(
      "\xef\xbb\xbf{\"event\":\"item\",\"item\":\"a\"}\r\n"
      "\n"
      "{oops\n"
      "{\"event\":\"item\",\"item\":\"\xff\"}\n"
      "{\"event\":\"interaction\",\"user\":\"u\",\"item\":\"a\",\"type\":\"t\"}\n"
      "{\"event\":\"item\",\"itm\":\"a\"}\n"
      "{\"event\":\"interaction\",\"user\":\"u\",\"item\":\"a\",\"type\":\"t\",\"timestamp\":7}");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.events.size(), 2u);
  EXPECT_EQ(read.lines, 6u);
  ASSERT_EQ(read.rejected.size(), 4u);
  EXPECT_THAT(read.Rejected()[0], HasSubstr("3: : is not JSON"));
  EXPECT_EQ(read.rejected[0].text, "{oops");
  EXPECT_THAT(read.Rejected()[1], HasSubstr("4: : is not JSON: "));
  EXPECT_EQ(read.Rejected()[2], "5: timestamp: is missing");
  EXPECT_EQ(read.Rejected()[3], "6: itm: is not a known key of an event");
}

TEST(JsonlSourceTest, OrderIsThatOfTheFileOnAnyNumberOfThreads) {
  RandomEvents random(1);
  std::vector<Event> expected;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    Event event = random.Next();
    event.event_time_ms = i;
    StrAppend(&text, EventToJson(event), "\n");
    expected.push_back(std::move(event));
  }
  for (const int threads : {1, 3}) {
    SourceOptions options;
    options.parser_threads = threads;
    const Read read = ReadText(text, std::move(options), "order.jsonl");
    ASSERT_TRUE(read.status.ok()) << read.status;
    EXPECT_TRUE(read.events == expected);
    EXPECT_TRUE(read.rejected.empty());
  }
}

TEST(LineReaderTest, ALineOfTheLimitIsReadAndALongerOneRefused) {
  const auto json = [](std::size_t bytes) {
    const std::string head = "{\"event\":\"item\",\"item\":\"a\"";
    return head + std::string(bytes - head.size() - 1, ' ') + "}";
  };
  const std::string good = "{\"event\":\"item\",\"item\":\"z\"}";
  for (const std::size_t bytes : {limits::kLineBytesMax, limits::kLineBytesMax + 1,
                                  limits::kLineBytesMax + 2, 5 * limits::kLineBytesMax}) {
    for (const std::string line_end : {"\n", "\r\n"}) {
      const Read read = ReadJsonl(good + "\n" + json(bytes) + line_end + good + line_end);
      ASSERT_TRUE(read.status.ok());
      EXPECT_EQ(read.events.size(), 2u);
      EXPECT_EQ(read.events.back().item, "z");
      ASSERT_EQ(read.rejected.size(), 1u);
      EXPECT_EQ(read.rejected[0].line, 2u);
      EXPECT_EQ(read.rejected[0].text.size(), 4096u);
      EXPECT_THAT(read.rejected[0].reason,
                  HasSubstr(bytes > limits::kLineBytesMax ? "the line has more than 1048576 bytes"
                                                          : "the event has 1048576 bytes"));
    }
  }
  const Read at_end = ReadJsonl(good + "\n" + std::string(3 * limits::kLineBytesMax, 'x'));
  EXPECT_EQ(at_end.events.size(), 1u);
  EXPECT_EQ(at_end.rejected.size(), 1u);
}

TEST(ByteSourceTest, PlainGzipAndZstdGiveTheSame) {
  RandomEvents random(2);
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    Event event = random.Next();
    event.event_time_ms = i;
    StrAppend(&text, EventToJson(event), "\n");
  }
  const std::vector<std::string> expected = ReadJsonl(text).Events();
  EXPECT_EQ(expected.size(), 3000u);
  const std::size_t half = text.size() / 2;
  const std::string_view first = std::string_view(text).substr(0, half);
  const std::string_view second = std::string_view(text).substr(half);
  for (const std::string& packed :
       {Gzip(text), Zstd(text), Gzip(first) + Gzip(second), Zstd(first) + Zstd(second)}) {
    const Read read = ReadJsonl(packed);
    EXPECT_TRUE(read.status.ok()) << read.status;
    EXPECT_EQ(read.Events(), expected);
    const Read cut = ReadJsonl(std::string_view(packed).substr(0, packed.size() - 5));
    EXPECT_EQ(cut.status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(cut.status.message()), HasSubstr("a.jsonl: the "));
  }
  std::string broken = Zstd(text);
  broken[broken.size() / 2] = static_cast<char>(~broken[broken.size() / 2]);
  broken.resize(broken.size() - 1);
  EXPECT_FALSE(ReadJsonl(broken).status.ok());
  EXPECT_FALSE(ReadJsonl(Gzip(text) + "tail").status.ok());
}

TEST(EventSourceTest, AFileThatCannotBeOpenedIsNamed) {
  SourceOptions options;
  options.path = "/nowhere/events.jsonl";
  EXPECT_THAT(std::string(OpenEventSource(options).status().message()),
              HasSubstr("/nowhere/events.jsonl"));
  options.path = testing::TempDir();
  EXPECT_THAT(std::string(OpenEventSource(options).status().message()),
              HasSubstr("is a directory"));
}

TEST(CsvSourceTest, ConditionsGiveTypesAndOtherRowsAreSkipped) {
  const Read read =
      ReadText("userId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n1,1029,4,1260759179\r\n",
               Ratings(), "ratings.csv");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(
      read.Events(),
      ElementsAre(R"({"event":"interaction","timestamp":"2009-12-14T02:52:59Z","user":"1",)"
                  R"("item":"1029","type":"like","fields":[{"name":"rating","value":4}]})"));
  EXPECT_EQ(read.lines, 2u);
  EXPECT_EQ(read.skipped, 1u);
}

TEST(CsvSourceTest, QuotesSeparatorsAndNewlinesAreRfc4180) {
  SourceOptions options;
  options.format = Format::kCsv;
  options.separator = ';';
  options.mapping.item = "id";
  options.mapping.item_fields = {{"text", "long text"}, {"tags", "tags", Kind::kList, "|"}};
  const Read read = ReadText(
      "\xef\xbb\xbf\"id\";\"long text\";tags\n"
      "a;\"x;\"\"y\"\"\r\nz\";red|blue\n"
      "\n"
      "b;5\" pipe;\n"
      "\"c\";\"\";\"\"\n",
      std::move(options), "items.csv");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.Rejected(), ElementsAre());
  ASSERT_EQ(read.events.size(), 3u);
  EXPECT_EQ(read.events[0].fields,
            (std::vector<Field>{{"text", std::string("x;\"y\"\r\nz")},
                                {"tags", std::vector<std::string>{"red", "blue"}}}));
  EXPECT_EQ(read.events[1].fields, (std::vector<Field>{{"text", std::string("5\" pipe")}}));
  EXPECT_EQ(read.events[2].item, "c");
  EXPECT_TRUE(read.events[2].fields.empty());
  EXPECT_EQ(read.lines, 4u);
}

TEST(CsvSourceTest, BadRowsAreNamedWithColumnAndReason) {
  SourceOptions options = Ratings();
  options.mapping.types.clear();
  options.mapping.types.push_back({"rating", std::nullopt});
  const Read read = ReadText(
      "userId,movieId,rating,timestamp\n"
      ",1,5,7\n"
      "1,,5,7\n"
      "1,1,five,7\n"
      "1,1,5,noon\n"
      "1,1,5,\n"
      "1,1,5\n"
      "1,\"1\"x,5,7\n"
      "1,\xff,5,7\n"
      "1,1,5,7\n"
      "1,\"1,5,7\n"
      "1,1,5,7\n",
      std::move(options), "bad.csv");
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.events.size(), 1u);
  EXPECT_THAT(read.Rejected(),
              ElementsAre("2: userId: is missing, and so is session: one of them must be there",
                          "3: movieId: is missing", "4: rating: \"five\" is not a number",
                          "5: timestamp: \"noon\" is not a number", "6: timestamp: is empty",
                          "7: : has 3 columns instead of 4",
                          "8: : text follows the closing quote of column 2",
                          "9: : the line is not valid UTF-8",
                          "11: : a quoted field does not end up to the end of the file, line 12"));
  EXPECT_EQ(read.rejected.back().text, "1,\"1,5,7\n1,1,5,7");
}

TEST(CsvSourceTest, AMappingThatDoesNotFitTheHeaderIsRefused) {
  const auto error = [](std::string_view text, SourceOptions options) {
    return std::string(ReadText(text, std::move(options), "misfit.csv").status.message());
  };
  EXPECT_THAT(error("userId,movieId,rating,time\n", Ratings()),
              HasSubstr("misfit.csv: the mapping: no column \"timestamp\"; the file has: userId, "
                        "movieId, rating, time"));
  EXPECT_THAT(error("userId,movieId,stars,timestamp\n", Ratings()),
              HasSubstr("type like: rating >= 4: no column \"rating\""));
  EXPECT_THAT(error("userId,userId,movieId,rating,timestamp\n", Ratings()),
              HasSubstr("column \"userId\" stands twice"));
  EXPECT_THAT(error("", Ratings()), HasSubstr("no header line"));
  SourceOptions no_time = Ratings();
  no_time.mapping.time.clear();
  EXPECT_THAT(error("userId,movieId,rating,timestamp\n", std::move(no_time)),
              HasSubstr("names no column for the time"));
}

TEST(CsvSourceTest, ColumnsWithoutAHeaderAreNumbered) {
  SourceOptions options = Ratings();
  options.header = false;
  options.mapping.user = "column1";
  options.mapping.item = "column2";
  options.mapping.time = "column3";
  options.mapping.types = {{"buy", std::nullopt}};
  options.mapping.interaction_fields.clear();
  const Read read = ReadText("u,i,1\nu,j,2\n", std::move(options), "bare.csv");
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.events.size(), 2u);
  EXPECT_EQ(read.events[0].item, "i");
  EXPECT_EQ(read.lines, 2u);
}

TEST(CsvSourceTest, AnItemMakesAnEventOnlyWhenTheFileSaysSomethingNew) {
  SourceOptions options;
  options.format = Format::kCsv;
  options.mapping.item = "item";
  options.mapping.user = "user";
  options.mapping.time = "time";
  options.mapping.time_format = "unix_ms";
  options.mapping.item_upper_case = true;
  options.mapping.missing_values = {"NA"};
  options.mapping.types.push_back({"buy", std::nullopt});
  options.mapping.item_fields = {{"name", "name"}, {"price", "price", Kind::kNumber}};
  options.mapping.item_fields_when = Parsed("price > 0");
  options.mapping.derived_item_fields.push_back(
      {"kind",
       {{std::string("goods"), Parsed("matches(item, \"^[0-9]\")")},
        {std::string("other"), std::nullopt}}});
  options.mapping.user_fields = {{"country", "country"}};
  const Read read = ReadText(
      "user,item,time,name,price,country\n"
      "u,1a,1,mug,2,UK\n"
      "u,1A,2,mug,2,UK\n"     // nothing new
      "u,1A,3,NA,2,NA\n"      // an empty cell says nothing
      "u,1A,4,broken,0,UK\n"  // the condition on item fields fails
      "NA,1A,5,mug,x,FR\n"    // rejected: says nothing either
      "u,1A,6,mug,3,FR\n"     // price and country changed
      "u,p,7,post,1,FR\n",
      std::move(options), "changes.csv");
  ASSERT_TRUE(read.status.ok()) << read.status;
  std::vector<std::string> facts;
  for (const Event& event : read.events) {
    if (event.kind == EventKind::kInteraction) continue;
    std::string fact = StrCat(event.event_time_ms, " ", event.item, event.user);
    for (const Field& field : event.fields) {
      const auto* text = std::get_if<std::string>(&field.value);
      StrAppend(&fact, " ", field.name, "=", text != nullptr ? *text : "#");
    }
    facts.push_back(fact);
  }
  EXPECT_THAT(facts,
              ElementsAre("1 1A name=mug price=# kind=goods", "1 u country=UK", "6 1A price=#",
                          "6 u country=FR", "7 P name=post price=# kind=other"));
  EXPECT_THAT(read.Rejected(), ElementsAre("6: user: is missing, and so is session: one of them "
                                           "must be there"));
  EXPECT_EQ(read.events.size(), 6u + 5u);
}

TEST(RecBoleSourceTest, ReadsInteractionsItemsAndUsers) {
  SourceOptions options;
  options.format = Format::kRecBole;
  const Read actions = ReadText(
      "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
      options, "a.inter");
  ASSERT_TRUE(actions.status.ok()) << actions.status;
  EXPECT_THAT(actions.Events(),
              ElementsAre(R"({"event":"interaction","timestamp":"1997-12-04T15:55:49Z",)"
                          R"("user":"196","item":"242","type":"interaction"})"));

  const Read items = ReadText(
      "item_id:token\ttitle:token_seq\tyear:token\tvector:float_seq\tprice:float\n"
      "1\tToy Story\t1995\t0.5 -1\t2.5\n2\t\t\t\t\n3\tx\t\t0.5 y\t1\n4\tx\n",
      options, "a.item");
  ASSERT_TRUE(items.status.ok()) << items.status;
  ASSERT_EQ(items.events.size(), 2u);
  EXPECT_EQ(items.events[0].event_time_ms, kNoTimeMs);
  EXPECT_EQ(items.events[0].fields,
            (std::vector<Field>{{"title", std::vector<std::string>{"Toy", "Story"}},
                                {"year", std::string("1995")},
                                {"vector", std::vector<double>{0.5, -1}},
                                {"price", 2.5}}));
  EXPECT_EQ(items.events[1].item, "2");
  EXPECT_THAT(items.Rejected(),
              ElementsAre("4: vector: \"y\" is not a number", "5: : has 2 columns instead of 5"));

  const Read users = ReadText("user_id:token\tage:float\n7\t24\n", options, "a.user");
  ASSERT_TRUE(users.status.ok()) << users.status;
  EXPECT_THAT(users.Events(),
              ElementsAre(R"({"event":"user","user":"7","fields":[{"name":"age","value":24}]})"));

  EXPECT_THAT(std::string(ReadText("a\tb:token\n", options, "b.item").status.message()),
              HasSubstr("column \"a\" is not name:type"));
  EXPECT_THAT(std::string(ReadText("a:token\n", options, "a.kg").status.message()),
              HasSubstr("ends in .inter, .item or .user"));
}

TEST(SequenceSourceTest, ActionsOfALineTakeOneMillisecondEach) {
  SourceOptions options;
  options.format = Format::kSequences;
  options.sequence_type = "purchase";
  const Read read = ReadText("1 10 11 10\r\n2\t12\n3\n\n4 " + std::string(257, 'x') + "\n5 a",
                             std::move(options), "s.txt");
  ASSERT_TRUE(read.status.ok()) << read.status;
  std::vector<std::string> actions;
  for (const Event& event : read.events) {
    actions.push_back(
        StrCat(event.user, " ", event.type, " ", event.item, " ", event.event_time_ms));
  }
  EXPECT_THAT(actions, ElementsAre("1 purchase 10 1", "1 purchase 11 2", "1 purchase 10 3",
                                   "2 purchase 12 1", "5 purchase a 1"));
  EXPECT_THAT(read.Rejected(), ElementsAre("3: item: is missing: the line names a user alone",
                                           "5: item 1: has 257 bytes, more than 256"));
}

TEST(EventSourceTest, GarbageOfAnyFormatNeverCrashes) {
  std::mt19937_64 random(5);
  const std::string alphabet = "ab,\t\"\n\r:{}[]1. \xff|";
  for (int i = 0; i < 300; ++i) {
    std::string text = i % 2 == 0 ? "userId,movieId,rating,timestamp\n" : "";
    const std::size_t size = random() % 400;
    for (std::size_t k = 0; k < size; ++k) text.push_back(alphabet[random() % alphabet.size()]);
    for (const Format format :
         {Format::kJsonl, Format::kCsv, Format::kRecBole, Format::kSequences}) {
      SourceOptions options = Ratings();
      options.format = format;
      options.parser_threads = 1;
      const Read read = ReadText(text, std::move(options), "garbage.inter");
      EXPECT_LE(read.lines, size + 1);
    }
  }
}

// The files that the recipes are made for, where they are there.
std::string SharedData(const std::string& name) {
  const char* directory = std::getenv("FOURFOLD_SHARED_DATA");
  return (directory != nullptr ? std::string(directory)
                               : std::string(FOURFOLD_SOURCE_DIR) + "/../shared/data") +
         "/" + name;
}

TEST(RealFilesTest, OnlineRetailIsReadToTheLastLine) {
  std::string path = std::string(FOURFOLD_SOURCE_DIR) + "/data/online_retail.csv.zst";
  if (!std::filesystem::exists(path)) path = SharedData("online-retail/online_retail.csv.zst");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "Online Retail is not there: " << path;
  SourceOptions options;
  options.format = Format::kCsv;
  options.path = path;
  ColumnMapping& mapping = options.mapping;
  mapping.user = "CustomerID";
  mapping.session = mapping.tie_group = "InvoiceNo";
  mapping.item = "StockCode";
  mapping.item_upper_case = true;
  mapping.missing_values = {"NA"};
  mapping.time = "InvoiceDate";
  mapping.time_format = "%Y-%m-%d %H:%M:%S";
  mapping.types.push_back({"cancel", Parsed("starts_with(InvoiceNo, \"C\")")});
  mapping.types.push_back({"purchase", Parsed("Quantity > 0 and UnitPrice > 0")});
  mapping.types.push_back({"adjust", std::nullopt});
  mapping.derived_item_fields.push_back(
      {"kind",
       {{std::string("goods"), Parsed("matches(StockCode, \"^[0-9]{5}\")")},
        {std::string("other"), std::nullopt}}});
  const Read read = ReadPath(std::move(options));
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_TRUE(read.rejected.empty());
  EXPECT_EQ(read.lines, 541'909u);
  EXPECT_EQ(read.skipped, 0u);
  // Counted apart, with Python's csv module.
  std::map<std::string, int> types;
  std::map<std::string, std::string> kinds;
  int anonymous = 0;
  for (const Event& event : read.events) {
    if (event.kind == EventKind::kItem) {
      kinds[event.item] = std::get<std::string>(event.fields[0].value);
    } else {
      ++types[event.type];
      if (event.user.empty()) ++anonymous;
    }
  }
  EXPECT_EQ(types, (std::map<std::string, int>{
                       {"adjust", 2'517}, {"cancel", 9'288}, {"purchase", 530'104}}));
  EXPECT_EQ(anonymous, 135'080);
  EXPECT_EQ(kinds.size(), 3'958u);
  EXPECT_EQ(kinds.at("85123A"), "goods");
  EXPECT_EQ(kinds.at("POST"), "other");
}

TEST(RealFilesTest, BeautyAndMovieLensAreReadWithoutRejects) {
  if (!std::filesystem::exists(SharedData("README.md"))) {
    GTEST_SKIP() << "the shared data is not there: " << SharedData("");
  }
  SourceOptions sequences;
  sequences.format = Format::kSequences;
  sequences.path = SharedData("s3rec-beauty/Beauty.txt");
  const Read beauty = ReadPath(std::move(sequences));
  EXPECT_TRUE(beauty.rejected.empty());
  EXPECT_EQ(beauty.lines, 22'363u);
  EXPECT_EQ(beauty.events.size(), 198'502u);

  SourceOptions atomic;
  atomic.format = Format::kRecBole;
  const std::pair<const char*, std::size_t> files[] = {
      {"ml-100k.inter", 100'000}, {"ml-100k.item", 1'682}, {"ml-100k.user", 943}};
  for (const auto& [name, events] : files) {
    atomic.path = SharedData(StrCat("ml-100k/", name));
    const Read read = ReadPath(atomic);
    EXPECT_THAT(read.Rejected(), ElementsAre()) << name;
    EXPECT_EQ(read.events.size(), events) << name;
  }

  SourceOptions ratings = Ratings();
  ratings.path = SharedData("ml-latest-small/ratings.csv");
  const Read read = ReadPath(std::move(ratings));
  EXPECT_TRUE(read.rejected.empty());
  EXPECT_EQ(read.lines, 100'004u);
  EXPECT_EQ(read.events.size() + read.skipped, 100'004u);
}

}  // namespace
}  // namespace fourfold
