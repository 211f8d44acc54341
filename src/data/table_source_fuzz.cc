#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/csv_parser.h"
#include "data/event_check.h"
#include "data/event_source.h"

namespace {

using namespace fourfold;

SourceOptions OptionsFor(std::uint8_t choice) {
  SourceOptions options;
  options.separator = choice % 2 == 0 ? ',' : '\t';
  ColumnMapping& mapping = options.mapping;
  switch (choice / 2 % 4) {
    case 0: {
      options.format = SourceOptions::Format::kCsv;
      mapping.user = "user";
      mapping.item = "item";
      mapping.time = "time";
      mapping.time_format = "unix_s";
      mapping.types.push_back({"like", *Expression::Parse("rating >= 4")});
      mapping.item_fields = {{"rating", "rating", ColumnMapping::FieldColumn::Kind::kNumber}};
      mapping.missing_values = {"NA"};
      if (choice / 16 % 2 == 1) {
        mapping.step = "step";
        mapping.impressions.column = "shown";
        mapping.impressions.list_separator = "|";
        mapping.impressions.fields = {
            {"price", "prices", ColumnMapping::FieldColumn::Kind::kNumber, "|"}};
        mapping.impressions.slate_fields = {
            {"size", "shown", ColumnMapping::FieldColumn::Kind::kString, " ", "([0-9]+)$"}};
      }
      break;
    }
    case 1:
      options.format = SourceOptions::Format::kRecBole;
      break;
    case 2:
      options.format = SourceOptions::Format::kSequences;
      break;
    default:
      options.format = SourceOptions::Format::kJsonl;
      options.parser_threads = 1;
  }
  return options;
}

// A field that any writer of RFC 4180 quotes comes back from the parser.
void CheckCsvRoundTrip(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  quoted += "\",last";
  CsvParser parser(',');
  std::string_view rest = quoted;
  std::size_t end = rest.find('\n');
  bool is_whole = parser.Start(rest.substr(0, end));
  while (!is_whole) {
    FOURFOLD_CHECK(end != std::string_view::npos);
    rest.remove_prefix(end + 1);
    end = rest.find('\n');
    is_whole = parser.Continue("\n", rest.substr(0, end));
  }
  FOURFOLD_CHECK(!parser.is_bad() && parser.size() == 2);
  FOURFOLD_CHECK(parser[0] == text && parser[1] == "last");
}

}  // namespace

// The first byte chooses the format, the rest is the file. Every event that a source gives is good,
// and every rejected line has a number and a reason.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CheckCsvRoundTrip(text);
  static const std::string kPath =
      std::string("/tmp/fourfold_fuzz_") + std::to_string(getpid()) + ".inter";
  std::FILE* file = std::fopen(kPath.c_str(), "w");
  FOURFOLD_CHECK(file != nullptr);
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
  SourceOptions options = OptionsFor(data[0]);
  options.path = kPath;
  auto source = OpenEventSource(std::move(options));
  while (source.ok()) {
    const auto result = (*source)->Next();
    if (!result.ok() || !*result) break;
    if (const auto* event = std::get_if<Event>(&**result)) {
      FOURFOLD_CHECK(CheckEvent(*event).ok());
    } else {
      const auto& rejected = std::get<RejectedLine>(**result);
      FOURFOLD_CHECK(rejected.line > 0 && !rejected.reason.empty());
    }
  }
  std::remove(kPath.c_str());
  return 0;
}
