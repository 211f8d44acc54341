#include "data/event_check.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <variant>

#include "base/strings.h"
#include "data/limits.h"

namespace fourfold {
namespace {

using Problem = std::optional<EventProblem>;

bool IsUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// Checks one event and adds up its size on the way.
class Checker {
 public:
  explicit Checker(const Event& event) : event_(event) {}

  Problem Check() {
    if (Problem problem = CheckKind()) return problem;
    if (Problem problem = CheckTime()) return problem;
    if (Problem problem = CheckIds()) return problem;
    if (Problem problem = CheckText("query", event_.query_text, limits::kQueryTextBytesMax)) {
      return problem;
    }
    if (Problem problem = CheckFields("fields", event_.fields)) return problem;
    if (Problem problem = CheckItems()) return problem;
    if (size_bytes_ > limits::kEventBytesMax) {
      return EventProblem{"", StrCat("the event holds ", size_bytes_, " bytes, more than ",
                                     limits::kEventBytesMax)};
    }
    return std::nullopt;
  }

 private:
  Problem Needs(std::string_view field, const std::string& value) {
    if (!value.empty()) return std::nullopt;
    return EventProblem{std::string(field), "is missing"};
  }
  Problem Forbids(std::string_view field, bool is_present) {
    if (!is_present) return std::nullopt;
    return EventProblem{std::string(field), "does not belong to an event of this kind"};
  }

  Problem CheckKind() {
    const bool is_item = event_.kind == EventKind::kItem;
    const bool is_interaction = event_.kind == EventKind::kInteraction;
    const bool is_ranking = event_.kind == EventKind::kRanking;
    if (!is_item && !is_interaction && !is_ranking && event_.kind != EventKind::kUser) {
      return EventProblem{"event", "is none of item, user, ranking, interaction"};
    }
    if (is_item || is_interaction) {
      if (Problem problem = Needs("item", event_.item)) return problem;
    } else if (Problem problem = Forbids("item", !event_.item.empty())) {
      return problem;
    }
    if (is_item) {
      if (Problem problem = Forbids("user", !event_.user.empty())) return problem;
      if (Problem problem = Forbids("session", !event_.session.empty())) return problem;
    } else {
      if (Problem problem = Forbids("deleted", event_.deleted)) return problem;
      if (event_.kind == EventKind::kUser) {
        if (Problem problem = Needs("user", event_.user)) return problem;
      } else if (event_.user.empty() && event_.session.empty()) {
        return EventProblem{"user", "is missing, and so is session: one of them must be there"};
      }
    }
    if (is_interaction) {
      if (Problem problem = Needs("type", event_.type)) return problem;
    } else {
      if (Problem problem = Forbids("type", !event_.type.empty())) return problem;
      if (Problem problem = Forbids("ranking", !event_.ranking.empty())) return problem;
    }
    if (!is_interaction && !is_ranking) {
      if (Problem problem = Forbids("tie_group", !event_.tie_group.empty())) return problem;
      if (Problem problem = Forbids("step", event_.step != 0)) return problem;
    }
    if (!is_ranking) {
      if (Problem problem = Forbids("surface", !event_.surface.empty())) return problem;
      if (Problem problem = Forbids("query", !event_.query_text.empty())) return problem;
      if (Problem problem = Forbids("items", !event_.items.empty())) return problem;
    }
    if (event_.step < 0) return EventProblem{"step", "is negative"};
    return std::nullopt;
  }

  Problem CheckTime() {
    const std::int64_t time_ms = event_.event_time_ms;
    if (time_ms == kNoTimeMs) return std::nullopt;
    if (time_ms == kSinceForEverMs) {
      return Forbids("timestamp",
                     event_.kind != EventKind::kItem && event_.kind != EventKind::kUser);
    }
    if (time_ms < limits::kTimeMsMin || time_ms > limits::kTimeMsMax) {
      return EventProblem{"timestamp", "is outside of the years 1 to 9999"};
    }
    return std::nullopt;
  }

  Problem CheckIds() {
    const std::pair<std::string_view, const std::string*> ids[] = {
        {"id", &event_.id},           {"user", &event_.user},          {"session", &event_.session},
        {"item", &event_.item},       {"type", &event_.type},          {"ranking", &event_.ranking},
        {"surface", &event_.surface}, {"tie_group", &event_.tie_group}};
    for (const auto& [field, id] : ids) {
      if (id->empty()) continue;
      if (Problem problem = CheckId(field, *id)) return problem;
    }
    return std::nullopt;
  }

  Problem CheckId(std::string_view field, std::string_view id) {
    size_bytes_ += id.size();
    if (std::optional<std::string> reason = FindIdProblem(id)) {
      return EventProblem{std::string(field), *std::move(reason)};
    }
    return std::nullopt;
  }

  Problem CheckText(std::string_view field, std::string_view text, std::size_t bytes_max) {
    size_bytes_ += text.size();
    if (text.size() > bytes_max) {
      return EventProblem{std::string(field),
                          StrCat("has ", text.size(), " bytes, more than ", bytes_max)};
    }
    if (!IsUtf8(text)) return EventProblem{std::string(field), "is not valid UTF-8"};
    return std::nullopt;
  }

  Problem CheckFields(std::string_view where, const std::vector<Field>& fields) {
    if (fields.size() > limits::kFieldsMax) {
      return EventProblem{std::string(where),
                          StrCat("has ", fields.size(), " fields, more than ", limits::kFieldsMax)};
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const Field& field = fields[i];
      if (Problem problem = CheckId(where, field.name)) {
        problem->reason = StrCat("name of a field: ", problem->reason);
        return problem;
      }
      for (std::size_t j = 0; j < i; ++j) {
        if (fields[j].name == field.name) {
          return EventProblem{StrCat(where, ".", field.name), "stands twice"};
        }
      }
      if (Problem problem = CheckValue(field)) {
        problem->field = StrCat(where, ".", field.name);
        return problem;
      }
    }
    return std::nullopt;
  }

  Problem CheckValue(const Field& field) {
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      return CheckText("", *text, limits::kFieldValueBytesMax);
    }
    if (const auto* number = std::get_if<double>(&field.value)) {
      size_bytes_ += sizeof(double);
      if (!std::isfinite(*number)) return EventProblem{"", "is not a finite number"};
    } else if (const auto* texts = std::get_if<std::vector<std::string>>(&field.value)) {
      if (texts->size() > limits::kListElementsMax) return TooLong(texts->size());
      std::size_t list_bytes = 0;
      for (const std::string& text : *texts) {
        list_bytes += text.size();
        if (Problem problem = CheckText("", text, limits::kFieldValueBytesMax)) return problem;
      }
      if (list_bytes > limits::kFieldValueBytesMax) {
        return EventProblem{
            "", StrCat("has ", list_bytes, " bytes, more than ", limits::kFieldValueBytesMax)};
      }
    } else if (const auto* numbers = std::get_if<std::vector<double>>(&field.value)) {
      if (numbers->size() > limits::kListElementsMax) return TooLong(numbers->size());
      size_bytes_ += numbers->size() * sizeof(double);
      const bool all_finite = std::all_of(numbers->begin(), numbers->end(),
                                          [](double value) { return std::isfinite(value); });
      if (!all_finite) return EventProblem{"", "holds a number that is not finite"};
    }
    return std::nullopt;
  }

  Problem TooLong(std::size_t elements) {
    return EventProblem{
        "", StrCat("has ", elements, " elements, more than ", limits::kListElementsMax)};
  }

  Problem CheckItems() {
    const std::vector<RankedItem>& items = event_.items;
    if (items.size() > limits::kSlateItemsMax) {
      return EventProblem{
          "items", StrCat("has ", items.size(), " items, more than ", limits::kSlateItemsMax)};
    }
    std::vector<std::string_view> seen;
    seen.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string where = StrCat("items[", i, "]");
      if (Problem problem = CheckId(StrCat(where, ".id"), items[i].item)) return problem;
      if (Problem problem = CheckFields(StrCat(where, ".fields"), items[i].fields)) return problem;
      seen.push_back(items[i].item);
    }
    std::sort(seen.begin(), seen.end());
    const auto twice = std::adjacent_find(seen.begin(), seen.end());
    if (twice != seen.end()) return EventProblem{"items", StrCat("item ", *twice, " stands twice")};
    return std::nullopt;
  }

  const Event& event_;
  std::size_t size_bytes_ = 0;
};

}  // namespace

std::string ToString(const EventProblem& problem) {
  if (problem.field.empty()) return problem.reason;
  return StrCat(problem.field, ": ", problem.reason);
}

std::optional<EventProblem> FindProblem(const Event& event) { return Checker(event).Check(); }

absl::Status CheckEvent(const Event& event) {
  if (std::optional<EventProblem> problem = FindProblem(event)) {
    return InvalidArgument(ToString(*problem));
  }
  return absl::OkStatus();
}

std::optional<std::string> FindIdProblem(std::string_view id) {
  if (id.empty()) return "is empty";
  if (id.size() > limits::kIdBytesMax) {
    return StrCat("has ", id.size(), " bytes, more than ", limits::kIdBytesMax);
  }
  if (!IsUtf8(id)) return "is not valid UTF-8";
  if (HasControlCharacter(id)) return "holds a control character";
  return std::nullopt;
}

}  // namespace fourfold
