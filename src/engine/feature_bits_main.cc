#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/recipe.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"
#include "feature/plan/feature_plain.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/live_features.h"
#include "feature/state/logged_state.h"
#include "feature/state/stored_state.h"
#include "servable/learned_items.h"
#include "servable/servable_repository.h"

// Holds every driver of features against the others over a whole log: a directory into which it was
// imported. The log passes once more, in batches, through a store of its own to a state that
// follows it live; between batches a request is read, of who and what comes next. Afterwards the
// same requests are read from a replay of the shuffled log, from the live state that now knows the
// whole log, from the histories and by the plain twin. No bit may differ.
namespace fourfold {
namespace {

struct Arguments {
  std::string directory;
  std::string recipe;
  std::string scratch;
  std::size_t batch = 500;
  std::size_t candidates = 20;
  std::size_t state_bytes = SIZE_MAX;
  std::size_t stored = SIZE_MAX;
  std::size_t plain = SIZE_MAX;
};

// What was read, as bytes.
std::string BytesOf(const FeatureTable& table) {
  std::string bytes;
  for (const std::vector<float>& column : table.columns) {
    for (const float value : column) StrAppend(&bytes, std::bit_cast<std::uint32_t>(value), ",");
    bytes += ";";
  }
  for (const FeatureSequence& sequence : table.sequences) {
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
      StrAppend(&bytes, sequence.items[i], " ", sequence.types[i], " ", sequence.event_times_ms[i]);
      for (const std::vector<float>& field : sequence.fields) {
        StrAppend(&bytes, " ", std::bit_cast<std::uint32_t>(field[i]));
      }
      bytes += ",";
    }
    bytes += ";";
  }
  return bytes;
}

struct Asked {
  FeatureRequest request;
  std::string live;  // what was read then
};

class Comparison {
 public:
  Comparison(std::string driver, std::size_t count) : driver_(std::move(driver)), count_(count) {}
  void Add(const Asked& asked, const FeatureTable& table) {
    for (const std::vector<float>& column : table.columns) values_ += column.size();
    if (BytesOf(table) == asked.live) return;
    if (++differing_ > 3) return;
    std::cout << driver_ << " differs: user " << asked.request.user << " session "
              << asked.request.session << " as of " << asked.request.at.as_of_ms << "\n"
              << asked.live << "\n"
              << BytesOf(table) << "\n";
  }
  bool Print() const {
    std::cout << driver_ << ": " << count_ << " requests, " << values_ << " values: " << differing_
              << " requests differ from what was read live" << std::endl;
    return differing_ == 0;
  }

 private:
  std::string driver_;
  std::size_t count_;
  std::size_t values_ = 0;
  std::size_t differing_ = 0;
};

absl::StatusOr<std::vector<LoggedEvent>> ReadLog(const std::string& directory, const Clock& clock) {
  EventStoreOptions options;
  options.directory = directory + "/events";
  options.create_if_missing = false;
  FOURFOLD_ASSIGN_OR_RETURN(const auto store, EventStore::Open(options, &clock));
  std::vector<LoggedEvent> log;
  FOURFOLD_RETURN_IF_ERROR(store->ScanLog(0, store->EndPosition(), [&](const LoggedEvent& logged) {
    log.push_back(logged);
    return true;
  }));
  return log;
}

// What the directory's active servable learned; features that read it need one.
absl::StatusOr<std::shared_ptr<const LearnedItems>> ReadLearned(const std::string& directory,
                                                                const FeaturePlan& plan) {
  if (!plan.reads_learned()) return std::shared_ptr<const LearnedItems>();
  const ServableRepository repository(directory + "/servables");
  FOURFOLD_ASSIGN_OR_RETURN(const ServableRepository::State state, repository.ReadState());
  FOURFOLD_ASSIGN_OR_RETURN(const auto servable, repository.Load(state.active));
  FOURFOLD_RETURN_IF_ERROR(CheckLearned(plan, *servable));
  return LearnedItemsOf(servable);
}

// Of the user and the items of the events that come next: at the store's end, or where a training
// row of the first of them reads.
FeatureRequest RequestOf(std::span<const LoggedEvent> next, const EventStore& store,
                         std::size_t candidates, bool as_row) {
  const LoggedEvent& first = next.front();
  FeatureRequest request;
  request.user = first.event.user;
  request.session = first.event.session;
  if (first.event.kind == EventKind::kRanking) request.fields = RequestFieldsOf(first.event);
  request.now_ms = first.event.event_time_ms;
  if (as_row) {
    request.at = BeforeRow(LineOf(first));
  } else {
    request.at.as_of_ms = request.at.known_at_ms = first.event.event_time_ms;
  }
  request.at.position_end = store.EndPosition();
  for (const LoggedEvent& logged : next) {
    if (request.candidates.size() == candidates) break;
    if (!logged.event.item.empty()) request.candidates.push_back({logged.event.item, {}, 0});
    for (const RankedItem& shown : logged.event.items) {
      if (request.candidates.size() == candidates) break;
      request.candidates.push_back({shown.item, shown.fields, 0});
    }
  }
  return request;
}

// The log once more, live.
absl::Status Follow(const std::vector<LoggedEvent>& log, const Arguments& arguments,
                    const std::shared_ptr<const LearnedItems>& learned, EventStore* store,
                    const LiveFeatures& live, std::vector<Asked>* asked) {
  std::mt19937_64 random(1);
  for (std::size_t begin = 0; begin < log.size();) {
    const std::size_t end = std::min(log.size(), begin + 1 + random() % arguments.batch);
    std::vector<TimedEvent> batch;
    for (std::size_t i = begin; i < end; ++i) batch.push_back({log[i].event, log[i].known_time_ms});
    FOURFOLD_RETURN_IF_ERROR(store->AppendImported(batch).status());
    begin = end;
    if (live.state()->end() != store->EndPosition())
      return Internal("the live state was not told of all");
    if (begin == log.size()) break;
    Asked& read = asked->emplace_back();
    read.request = RequestOf(std::span(log).subspan(begin), *store, arguments.candidates,
                             /*as_row=*/random() % 2 == 0);
    read.request.learned = learned;
    FeatureTable table;
    FOURFOLD_RETURN_IF_ERROR(live.Read(read.request, &table));
    read.live = BytesOf(table);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Run(const Arguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const Recipe recipe, LoadRecipe(arguments.recipe));
  if (recipe.features == nullptr) return InvalidArgument("the recipe declares no features");
  const FeaturePlan& plan = *recipe.features;
  FOURFOLD_ASSIGN_OR_RETURN(const auto learned, ReadLearned(arguments.directory, plan));
  const SystemClock clock;
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<LoggedEvent> log, ReadLog(arguments.directory, clock));
  EventStoreOptions options;
  options.directory = arguments.scratch;
  options.block_cache_bytes = std::size_t{256} << 20;
  FOURFOLD_ASSIGN_OR_RETURN(const auto store, EventStore::Open(options, &clock));
  const auto state = std::make_shared<LiveState>(
      plan.schema(), store.get(),
      StateLimits{.bytes_max = arguments.state_bytes, .spill_directory = arguments.scratch});
  const LiveFeatures live(recipe.features, state);
  store->SetCommitListener(
      [&](absl::Span<const LoggedEvent> committed) { state->Follow(committed); });
  std::vector<Asked> asked;
  FOURFOLD_RETURN_IF_ERROR(Follow(log, arguments, learned, store.get(), live, &asked));
  store->SetCommitListener(nullptr);
  std::cout << log.size() << " events, " << plan.columns().size() << " features and "
            << plan.sequences().size() << " sequences, " << asked.size() << " requests"
            << std::endl;

  bool is_same = true;
  FeatureTable table;
  Comparison afterwards("live state afterwards", asked.size());
  for (const Asked& read : asked) {
    FOURFOLD_RETURN_IF_ERROR(live.Read(read.request, &table));
    afterwards.Add(read, table);
  }
  is_same &= afterwards.Print();

  std::vector<LoggedEvent> shuffled;
  FOURFOLD_RETURN_IF_ERROR(store->ScanLog(0, store->EndPosition(), [&](const LoggedEvent& logged) {
    shuffled.push_back(logged);
    return true;
  }));
  PlainEvents events;
  for (const LoggedEvent& logged : shuffled) events.Add(logged);
  std::mt19937_64 random(2);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  LoggedState replayed(&plan.schema());
  for (const LoggedEvent& logged : shuffled) replayed.Add(logged);
  Comparison replay("replay of the shuffled log", asked.size());
  for (const Asked& read : asked) {
    FOURFOLD_RETURN_IF_ERROR(ReadFeatures(plan, replayed, read.request, &table));
    replay.Add(read, table);
  }
  is_same &= replay.Print();

  // So many of them, evenly over the log.
  const auto some = [&](std::size_t count, auto&& read) -> absl::Status {
    count = std::min(count, asked.size());
    for (std::size_t i = 0; i < count; ++i) {
      FOURFOLD_RETURN_IF_ERROR(read(asked[i * asked.size() / count]));
    }
    return absl::OkStatus();
  };
  const StoredState stored(&plan.schema(), store.get());
  Comparison as_of("read from the histories", std::min(arguments.stored, asked.size()));
  FOURFOLD_RETURN_IF_ERROR(some(arguments.stored, [&](const Asked& read) -> absl::Status {
    FOURFOLD_RETURN_IF_ERROR(ReadFeatures(plan, stored, read.request, &table));
    as_of.Add(read, table);
    return absl::OkStatus();
  }));
  is_same &= as_of.Print();

  PlainFeatures plain(plan.declarations(), events);
  Comparison twin("plain twin", std::min(arguments.plain, asked.size()));
  FOURFOLD_RETURN_IF_ERROR(some(arguments.plain, [&](const Asked& read) {
    twin.Add(read, plain.Read(read.request));
    return absl::OkStatus();
  }));
  return twin.Print() && is_same;
}

}  // namespace
}  // namespace fourfold

int main(int argc, char** argv) {
  CLI::App app("Holds live, replayed, stored and plain features of a whole log together");
  fourfold::Arguments arguments;
  app.add_option("--directory", arguments.directory, "An engine that imported the log")->required();
  app.add_option("--recipe", arguments.recipe, "Declares the features")->required();
  app.add_option("--scratch", arguments.scratch, "An empty directory")->required();
  app.add_option("--batch", arguments.batch, "Events between two requests, at most");
  app.add_option("--candidates", arguments.candidates, "Of a request, at most");
  app.add_option("--state-bytes", arguments.state_bytes, "Cap of the live state's memory");
  app.add_option("--stored", arguments.stored, "Requests read from the histories, at most");
  app.add_option("--plain", arguments.plain, "Requests read by the plain twin, at most");
  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<bool> is_same = fourfold::Run(arguments);
  if (!is_same.ok()) std::cerr << is_same.status() << "\n";
  return is_same.ok() && *is_same ? 0 : 1;
}
