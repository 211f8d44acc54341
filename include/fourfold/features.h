#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fourfold/event.h"

// Reading the features that a recipe declares, as of any moment.
namespace fourfold {

struct FeatureReadRequest {
  std::string user;  // either may be empty: its features then see nobody
  std::string session;
  std::vector<std::string> items;  // at most 500: whose features to read
  std::string surface;
  std::vector<Field> fields;  // of the request that is imagined: device, place, ...
  // The moment to read at; unset: now. What was known by then: known_at_ms; unset: the same moment,
  // so that nothing is seen that came to be known later.
  std::optional<std::int64_t> as_of_ms;
  std::optional<std::int64_t> known_at_ms;
};

struct FeatureReading {
  std::string name;
  std::optional<double> value;  // unset: there is none
};

struct SequenceReading {
  std::string name;
  struct Action {
    std::string item;
    std::string type;
    std::int64_t event_time_ms = 0;
    std::vector<std::optional<double>> fields;  // as the declaration names them
  };
  std::vector<Action> actions;  // newest first
};

struct FeatureReadResponse {
  std::int64_t as_of_ms = 0;
  std::int64_t known_at_ms = 0;
  std::vector<FeatureReading> request;  // the same for every item
  std::vector<std::pair<std::string, std::vector<FeatureReading>>> items;
  std::vector<SequenceReading> sequences;
};

}  // namespace fourfold
