#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "simulation/world.h"

// Moments of a world as native events (docs/formats.md), one JSON object and a newline each,
// appended to *out. Written by hand for speed; ids and names need no escapes.
namespace fourfold::simulation {

std::string_view TopicName(int topic);

void AppendItemBorn(const Item& item, std::int64_t time_ms, std::string* out);
void AppendItemDied(const Item& item, std::int64_t time_ms, std::string* out);
void AppendUserArrived(const User& user, std::int64_t time_ms, std::string* out);
void AppendRanking(const ShownSlate& slate, std::string* out);
// `ranking` is the name under which the slate was logged; empty: "r" and its number.
void AppendAction(const Action& action, const Session& session, std::int64_t time_ms,
                  std::string_view ranking, std::string* out);

}  // namespace fourfold::simulation
