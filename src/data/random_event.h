#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "fourfold/event.h"

// For tests: good events of every kind, with every part now and then.
namespace fourfold {

class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed) : random_(seed) {}

  Event Next() {
    Event event;
    event.kind = static_cast<EventKind>(Below(4) + 1);
    if (Maybe()) event.id = Id("e");
    if (Maybe()) event.event_time_ms = 1'300'000'000'000 + static_cast<std::int64_t>(Below(5000));
    const bool is_item = event.kind == EventKind::kItem;
    const bool is_ranking = event.kind == EventKind::kRanking;
    const bool is_interaction = event.kind == EventKind::kInteraction;
    if (!is_item) {
      event.user = Id("u");
      if (Maybe()) event.session = Id("s");
      if (event.kind != EventKind::kUser && !event.session.empty() && Maybe()) event.user.clear();
    }
    if (is_item || is_interaction) event.item = Id("i");
    if (is_interaction) {
      event.type = Maybe() ? "click" : "käuf\"\\";
      if (Maybe()) event.ranking = Id("r");
    }
    if (is_interaction || is_ranking) {
      if (Maybe()) event.tie_group = Id("t");
      if (Maybe()) event.step = static_cast<std::int64_t>(Below(1000));
    }
    event.fields = Fields();
    if (is_ranking) {
      if (Maybe()) event.surface = "home";
      if (Maybe()) event.query_text = "a \"mug\"\n for tea";
      const std::uint64_t count = Below(4);
      for (std::uint64_t i = 0; i < count; ++i) {
        event.items.push_back({std::to_string(i) + Id("i"), Fields()});
      }
    } else if (is_item) {
      event.deleted = Maybe();
    }
    return event;
  }

 private:
  std::uint64_t Below(std::uint64_t end) { return random_() % end; }
  bool Maybe() { return Below(2) == 0; }
  std::string Id(const char* prefix) { return prefix + std::to_string(Below(50)); }

  std::vector<Field> Fields() {
    std::vector<Field> fields;
    const std::uint64_t count = Below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      fields.push_back({"f" + std::to_string(i), Value()});
    }
    return fields;
  }

  FieldValue Value() {
    switch (Below(7)) {
      case 0:
        return std::monostate();
      case 1:
        return Maybe();
      case 2:
        return static_cast<double>(Below(2000)) - 1000;
      case 3:
        return static_cast<double>(random_()) / 3e18;
      case 4:
        return std::string("text \xc3\xa9 \t ") + Id("x");
      case 5:
        return std::vector<std::string>(Below(3), Id("x"));
      default:
        return std::vector<double>(1 + Below(3), static_cast<double>(Below(100)) / 8);
    }
  }

  std::mt19937_64 random_;
};

}  // namespace fourfold
