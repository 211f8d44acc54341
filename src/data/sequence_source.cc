#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_check.h"
#include "data/text_source.h"

namespace fourfold {
namespace {

constexpr char kBlanks[] = " \t";

// Takes the next word off *rest; empty at its end.
std::string_view TakeWord(std::string_view* rest) {
  const std::size_t begin = std::min(rest->find_first_not_of(kBlanks), rest->size());
  rest->remove_prefix(begin);
  const std::string_view word = rest->substr(0, rest->find_first_of(kBlanks));
  rest->remove_prefix(word.size());
  return word;
}

// One line a user: the user, then the items in order, at 1 ms, 2 ms, ...
class SequenceSource final : public TextSource {
 public:
  SequenceSource(std::string type, std::unique_ptr<ByteSource> bytes)
      : TextSource(std::move(bytes)), type_(std::move(type)) {}

 private:
  absl::StatusOr<bool> ReadRecord() override {
    std::string_view line;
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_line, ReadLine(&line));
    if (!has_line) return false;
    std::string_view rest = line;
    const std::string_view user = TakeWord(&rest);
    const auto reject = [&](std::string_view field, std::string_view reason) {
      Reject(MakeRejectedLine(lines().line_number(), field, reason, line));
      return true;
    };
    std::vector<Event> events;
    for (std::string_view item = TakeWord(&rest); !item.empty(); item = TakeWord(&rest)) {
      Event& event = events.emplace_back();
      event.kind = EventKind::kInteraction;
      event.event_time_ms = static_cast<std::int64_t>(events.size());
      event.user = user;
      event.item = item;
      event.type = type_;
      if (std::optional<EventProblem> problem = FindProblem(event)) {
        return reject(StrCat(problem->field, " ", events.size()), problem->reason);
      }
    }
    if (events.empty()) return reject("item", "is missing: the line names a user alone");
    for (Event& event : events) Emit(std::move(event));
    return true;
  }

  const std::string type_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> OpenSequenceSource(const SourceOptions& options,
                                                                std::unique_ptr<ByteSource> bytes) {
  return std::make_unique<SequenceSource>(options.sequence_type, std::move(bytes));
}

}  // namespace fourfold
