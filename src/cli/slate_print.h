#pragma once

#include <ostream>
#include <span>
#include <vector>

#include "cli/context.h"
#include "fourfold/engine.h"

// Slates as people like to read them.
namespace fourfold {

void PrintItems(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items);
// The heading, the items, and what was degraded.
void PrintSlate(std::ostream& out, const Engine& engine, const RecommendRequest& request,
                const RecommendResponse& response);
// What an explained response says beside its items: history, reasons, what was dropped.
void PrintHistory(std::ostream& out, ItemNames& names, std::span<const Event> history,
                  std::size_t most);
void PrintReasons(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items);
// What the trained ranker did to their order; nothing where there is none.
void PrintRanked(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items);
void PrintDropped(std::ostream& out, ItemNames& names, const std::vector<DroppedItem>& dropped,
                  std::size_t most);

}  // namespace fourfold
