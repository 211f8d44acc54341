#include "cli/slate_print.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "data/timestamp.h"

namespace fourfold {
namespace {

constexpr std::size_t kNameCharacters = 44;
constexpr auto kRight = Table::Align::kRight;

std::string WhoAsked(const RecommendRequest& request) {
  if (!request.user.empty()) return request.user;
  return request.session.empty() ? "somebody unknown" : StrCat("the session ", request.session);
}

}  // namespace

void PrintItems(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items) {
  std::vector<Table::Column> columns = {{"#", kRight}, {"item"}};
  if (names.known()) columns.push_back({"name"});
  columns.push_back({"score", kRight});
  columns.push_back({"found by"});
  Table table(columns);
  std::size_t place = 0;
  for (const RecommendedItem& item : items) {
    std::vector<std::string> cells = {StrCat(++place), item.item};
    if (names.known()) cells.push_back(Shorten(names.Of(item.item), kNameCharacters));
    cells.push_back(Decimal(item.score, 4));
    cells.push_back(absl::StrJoin(item.retrievers, ", "));
    table.AddRow(std::move(cells));
  }
  table.Print(out);
}

void PrintSlate(std::ostream& out, const Engine& engine, const RecommendRequest& request,
                const RecommendResponse& response) {
  ItemNames names(engine);
  out << "For " << WhoAsked(request) << ", as of " << FormatTimestamp(response.as_of_ms);
  if (response.servable.empty()) {
    out << ", without a servable\n\n";
  } else {
    out << ", by servable " << response.servable.substr(0, 12) << "\n\n";
  }
  PrintItems(out, names, response.items);
  for (const Degradation& degradation : response.degraded) {
    out << "degraded: " << degradation.stage << ": " << degradation.reason << "\n";
  }
}

void PrintHistory(std::ostream& out, ItemNames& names, std::span<const Event> history,
                  std::size_t most) {
  if (history.empty()) {
    out << "No actions are known.\n";
    return;
  }
  out << "Latest actions (" << history.size() << " were read)\n";
  std::vector<Table::Column> columns = {{"when"}, {"action"}, {"item"}};
  if (names.known()) columns.push_back({"name"});
  Table table(columns);
  for (const Event& event : history.first(std::min(most, history.size()))) {
    std::vector<std::string> cells = {FormatTimestamp(event.event_time_ms), event.type, event.item};
    if (names.known()) cells.push_back(Shorten(names.Of(event.item), kNameCharacters));
    table.AddRow(std::move(cells));
  }
  table.Print(out);
}

void PrintReasons(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items) {
  Table table({{"#", kRight},
               {"item"},
               {"retriever"},
               {"rank", kRight},
               {"its score", kRight},
               {"adds", kRight},
               {"because of"}});
  std::size_t place = 0;
  for (const RecommendedItem& item : items) {
    std::string number = StrCat(++place);
    std::string label = Shorten(names.Label(item.item), kNameCharacters);
    if (item.contributions.empty()) {
      table.AddRow({number, label, absl::StrJoin(item.retrievers, ", "), "", "", "",
                    "the slate was not full"});
    }
    for (const RetrieverContribution& part : item.contributions) {
      std::string because;
      if (!part.because_item.empty()) {
        because = StrCat(part.because_type, " of ", names.Label(part.because_item), ", ",
                         FormatTimestamp(part.because_time_ms));
      }
      table.AddRow({number, label, part.retriever, StrCat(part.rank), Decimal(part.score, 4),
                    Decimal(part.blended, 4), std::move(because)});
      number.clear();
      label.clear();
    }
  }
  table.Print(out);
}

// How many features are told of an item: those that added or took away most.
constexpr std::size_t kFeaturesTold = 4;

void PrintRanked(std::ostream& out, ItemNames& names, const std::vector<RecommendedItem>& items) {
  const auto is_ranked = [](const RecommendedItem& item) { return item.blend_rank > 0; };
  if (std::none_of(items.begin(), items.end(), is_ranked)) return;
  out << "\nWhat the trained ranker made of them\n";
  Table table({{"#", kRight},
               {"item"},
               {"blend's #", kRight},
               {"score", kRight},
               {"predicted"},
               {"most of it, or of its attention"}});
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!is_ranked(items[i])) continue;
    std::vector<FeatureReading> added = items[i].feature_contributions;
    // What trees add goes with where they begin; TransAct tells shares of attention.
    const bool adds = std::erase_if(added, [](const FeatureReading& f) {
                        return f.name == kBaseContribution;
                      }) > 0;
    std::stable_sort(added.begin(), added.end(),
                     [](const FeatureReading& a, const FeatureReading& b) {
                       return std::abs(a.value.value_or(0)) > std::abs(b.value.value_or(0));
                     });
    added.resize(std::min(added.size(), kFeaturesTold));
    std::vector<std::string> told;
    for (const FeatureReading& feature : added) {
      const double value = feature.value.value_or(0);
      told.push_back(adds ? StrCat(feature.name, value < 0 ? " " : " +", Decimal(value, 3))
                          : StrCat(feature.name, " ", Decimal(100 * value, 1), " %"));
    }
    std::vector<std::string> predicted;
    for (const ActionPrediction& one : items[i].predictions) {
      predicted.push_back(StrCat(one.head, " ", Decimal(one.probability, 4), " x ", one.weight));
    }
    table.AddRow({StrCat(i + 1), Shorten(names.Label(items[i].item), kNameCharacters),
                  StrCat(items[i].blend_rank), Decimal(items[i].score, 4),
                  absl::StrJoin(predicted, ", "), absl::StrJoin(told, ", ")});
  }
  table.Print(out);
}

void PrintDropped(std::ostream& out, ItemNames& names, const std::vector<DroppedItem>& dropped,
                  std::size_t most) {
  if (dropped.empty()) return;
  out << "\nDropped on the way (" << dropped.size() << ")\n";
  Table table({{"item"}, {"by"}, {"why"}});
  for (const DroppedItem& item : std::span(dropped).first(std::min(most, dropped.size()))) {
    table.AddRow({Shorten(names.Label(item.item), kNameCharacters), item.dropped_by, item.reason});
  }
  table.Print(out);
}

}  // namespace fourfold
