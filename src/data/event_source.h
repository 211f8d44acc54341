#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "data/expression.h"
#include "fourfold/event.h"

// Files that users have, read as events: native JSONL, CSV/TSV with a column mapping, RecBole
// atomic files, one line per user. Plain, .gz and .zst alike.
namespace fourfold {

// A line that could not be taken in, and why.
struct RejectedLine {
  std::uint64_t line = 0;  // 1-based
  std::string field;       // column or JSON field, or empty for the line as a whole
  std::string reason;
  std::string text;  // the line itself, at most 4 KiB of it
};

// How a column becomes an event: the `import:` section of a recipe.
struct ColumnMapping {
  // Each of these names a column; empty: the event has none.
  std::string user;
  std::string session;
  std::string item;
  std::string time;
  std::string tie_group;
  std::string step;
  std::string event_id;
  std::string ranking;
  std::string type;  // the type of the row's interaction, where `types` has no rule; empty: none
  // "unix_s" | "unix_ms" | "iso8601" | "%Y-%m-%d %H:%M:%S" (absl::ParseTime format, in UTC).
  std::string time_format = "iso8601";
  bool item_upper_case = false;  // of A to Z
  // Cells that count as empty, as an empty cell does ("NA").
  std::vector<std::string> missing_values;

  // The first rule whose condition holds gives the interaction its type; when none holds the row
  // makes no interaction. A row that makes no event is counted as skipped, not as rejected. No
  // condition: always.
  struct TypeRule {
    std::string type;
    std::optional<Expression> when;
  };
  std::vector<TypeRule> types;
  // Columns kept as fields of the interaction: {field name, column}.
  struct FieldColumn {
    std::string field;
    std::string column;
    enum class Kind : std::uint8_t {
      kString,
      kNumber,
      kBoolean,
      kList,        // of strings
      kNumberList,  // of numbers
    } kind = Kind::kString;
    std::string list_separator = " ";  // kList, kNumberList
    // A regular expression of RE2 with one group: the field holds what the group captures in the
    // cell, and nothing where it does not match. Empty: the whole cell.
    std::string pattern = "";
  };
  std::vector<FieldColumn> interaction_fields;
  // Fields of the item. A row makes an item event, holding what is new, when the file names this
  // item for the first time or when one of them differs from what the rows before it said (and is
  // not empty). What was said is remembered of kRememberedEntitiesMax items and as many users; when
  // there are more, all is forgotten, and facts already known make events once more.
  std::vector<FieldColumn> item_fields;
  // The rows whose item fields count; the others make no item event. No condition: all.
  std::optional<Expression> item_fields_when;
  // Derived item fields: the first rule whose condition holds gives the value.
  struct DerivedField {
    std::string field;
    struct Rule {
      FieldValue value;
      std::optional<Expression> when;
    };
    std::vector<Rule> rules;
  };
  std::vector<DerivedField> derived_item_fields;
  // Fields of the user, as item_fields.
  std::vector<FieldColumn> user_fields;
  // What was on the screen. A row whose column is not empty leaves a ranking of that list, before
  // its interaction, which names it: of the same user, session, tie group, time and step. Its id is
  // the cell of `ranking` or, without one, ContentId(ranking, 0), so rows that say the same of one
  // moment speak of one slate. Reading the file again gives the same ids.
  struct Impressions {
    std::string column;  // item ids in the order shown; empty: rows show nothing
    std::string list_separator = " ";
    // Columns that hold one element for each impression, in the same order, divided by their own
    // list_separator; kNumber, kString or kBoolean. An empty element or cell says nothing; else the
    // lists must be equally long.
    std::vector<FieldColumn> fields;
    std::vector<FieldColumn> slate_fields;  // columns kept as fields of the ranking
  } impressions;
};

// InvalidArgument for what is no pattern of a FieldColumn.
absl::Status CheckFieldPattern(const std::string& pattern);

inline constexpr std::size_t kRememberedEntitiesMax = 1'000'000;

struct SourceOptions {
  enum class Format : std::uint8_t { kJsonl, kCsv, kRecBole, kSequences } format = Format::kJsonl;
  std::string path;      // for kRecBole any one of the atomic files: .inter, .item or .user
  char separator = ',';  // kCsv
  bool header = true;    // kCsv: first line names the columns; else column1, column2, ...
  // kCsv and kRecBole, where the columns are the names before ':'. Of a RecBole .inter file, user,
  // item, time and types may be left out: they are user_id, item_id, timestamp in seconds, and
  // sequence_type. A RecBole .item or .user file makes item or user events of all its columns,
  // by their types there, and of the mapping only `item`, `user` and missing_values count.
  ColumnMapping mapping;
  std::string sequence_type = "interaction";  // kSequences: the type of every action
  // kJsonl: threads that parse; 0: one a processor, at most 8.
  int parser_threads = 0;
};

// What one file gives. Not thread-safe.
class EventSource {
 public:
  virtual ~EventSource() = default;
  using Result = std::variant<Event, RejectedLine>;
  // The next event or rejected line, in the order of the file; nullopt at the end. One line may
  // give several events. Every event fulfils FindProblem, and interactions and rankings have a
  // time (the k-th action of a sequence the k-th millisecond); an item or user event without one
  // keeps kNoTimeMs. An event without an id keeps an empty one: the importer makes it with
  // ContentId. Rejected are lines that are no event, are longer than limits::kLineBytesMax, or are
  // not UTF-8.
  // Errors are for the file as a whole (unreadable, broken compression, a missing column).
  virtual absl::StatusOr<std::optional<Result>> Next() = 0;
  // Lines that hold something, the header not counted. Of all counters, what Next has returned and
  // a little ahead of it.
  virtual std::uint64_t lines_read() const = 0;
  virtual std::uint64_t lines_skipped() const = 0;  // no rule made an event of them
  virtual std::uint64_t bytes_read() const = 0;     // of the file as it lies on disk
  virtual std::uint64_t bytes_total() const = 0;
};

// Fails where the file cannot be opened or its header does not fit the mapping; the message names
// the file, and a missing column among those that are there. Compression is told by the file's
// first bytes, not by its name.
absl::StatusOr<std::unique_ptr<EventSource>> OpenEventSource(SourceOptions options);

}  // namespace fourfold
