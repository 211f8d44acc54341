#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "benchmark/benchmark.h"
#include "online/recommender.h"
#include "online/surfaces/surfaces.h"

// One request: 20 items for a user with 100 actions, two item-to-item retrievers of 200 neighbours
// and a popular one, over catalogues of some sizes.
namespace fourfold {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr int kHistory = 100;
constexpr std::size_t kNeighbours = 200;

ItemToItemMap RandomMap(std::size_t items, std::mt19937_64* random) {
  std::vector<std::vector<Neighbour>> rows(items);
  for (auto& row : rows) {
    std::vector<std::uint32_t> others;
    while (others.size() < kNeighbours) {
      others.push_back(static_cast<std::uint32_t>((*random)() % items));
      if (others.size() == kNeighbours) {
        std::sort(others.begin(), others.end());
        others.erase(std::unique(others.begin(), others.end()), others.end());
      }
    }
    std::shuffle(others.begin(), others.end(), *random);
    for (std::size_t n = 0; n < others.size(); ++n) {
      row.push_back({others[n], 1 / static_cast<float>(n + 1)});
    }
  }
  return ItemToItemMap::FromRows(rows);
}

std::shared_ptr<const Servable> RandomServable(std::size_t items) {
  std::mt19937_64 random(301);
  Servable servable;
  for (std::size_t i = 0; i < items; ++i) {
    servable.vocabulary.push_back("item-" + std::to_string(i));
    servable.popularity.push_back(static_cast<float>(random() % 1000));
  }
  IndexVocabulary(&servable);
  RetrieverSpec spec;
  spec.kind = RetrieverSpec::Kind::kPopular;
  spec.name = "popular";
  servable.popularity_tables[spec.name] =
      MakePopularityTable(servable.popularity, servable.tie_rank);
  servable.manifest.retrievers.push_back(spec);
  for (const char* name : {"item_cf", "covisitation"}) {
    spec.kind = RetrieverSpec::Kind::kItemCf;
    spec.name = name;
    spec.history_decay = 0.95;
    spec.history_half_life_ms = 86'400'000;
    servable.item_to_item.emplace(name, RandomMap(items, &random));
    servable.manifest.retrievers.push_back(spec);
  }
  servable.manifest.blend.weights = {{"popular", 0.1}, {"item_cf", 1}, {"covisitation", 1}};
  return std::make_shared<const Servable>(std::move(servable));
}

struct World {
  explicit World(std::size_t items) {
    std::string pattern = (std::filesystem::temp_directory_path() / "fourfold-XXXXXX").string();
    directory = mkdtemp(pattern.data());
    store = *EventStore::Open({.directory = directory}, &clock);
    recommender = std::make_unique<Recommender>(store.get(), &catalogue, RecommenderOptions());
    const auto servable = RandomServable(items);
    for (const std::string& item : servable->vocabulary) {
      catalogue.Put(item, {{"price", static_cast<double>(item.size())}});
    }
    std::mt19937_64 random(302);
    std::vector<Event> events(kHistory);
    for (int i = 0; i < kHistory; ++i) {
      Event& event = events[static_cast<std::size_t>(i)];
      event.id = "event-" + std::to_string(i);
      event.user = "u";
      event.item = servable->vocabulary[random() % items];
      event.type = "click";
      event.event_time_ms = kNowMs - 1000 * i;
    }
    FOURFOLD_CHECK(store->Append(events).ok());
    FOURFOLD_CHECK(recommender->Activate(servable).ok());
    bound = *recommender->Bind(servable);
  }
  ~World() {
    recommender.reset();
    store.reset();
    std::filesystem::remove_all(directory);
  }

  std::string directory;
  ManualClock clock{kNowMs};
  Catalogue catalogue{Catalogue::Membership::kDeclared};
  std::unique_ptr<EventStore> store;
  std::unique_ptr<Recommender> recommender;
  std::shared_ptr<const BoundSurfaces> bound;
};

// The whole request, its slate logged or not (second argument).
void BM_Recommend(benchmark::State& state) {
  World world(static_cast<std::size_t>(state.range(0)));
  RecommendRequest request;
  request.user = "u";
  request.log_slate = state.range(1) != 0;
  for (auto _ : state) {
    const auto response = world.recommender->Recommend(request);
    FOURFOLD_CHECK(response.ok() && response->items.size() == 20);
  }
}
BENCHMARK(BM_Recommend)->ArgsProduct({{4'000, 100'000}, {0, 1}})->Unit(benchmark::kMicrosecond);

// With a request filter that lets everything through, and one that leaves nothing.
void BM_RecommendFiltered(benchmark::State& state) {
  World world(static_cast<std::size_t>(state.range(0)));
  RecommendRequest request;
  request.user = "u";
  request.log_slate = false;
  request.filter = state.range(1) != 0 ? "price > 0" : "price < 0";
  for (auto _ : state) {
    const auto response = world.recommender->Recommend(request);
    FOURFOLD_CHECK(response.ok());
  }
}
BENCHMARK(BM_RecommendFiltered)
    ->ArgsProduct({{4'000, 100'000}, {0, 1}})
    ->Unit(benchmark::kMicrosecond);

// What is left without the answer's strings and the log.
void BM_RecommendAsOf(benchmark::State& state) {
  World world(static_cast<std::size_t>(state.range(0)));
  Recommender::AsOfRequest request;
  request.user = "u";
  request.at = world.store->Now();
  std::vector<Recommender::ScoredItem> slate;
  for (auto _ : state) {
    FOURFOLD_CHECK(world.recommender->RecommendAsOf(request, *world.bound, &slate).ok());
  }
}
BENCHMARK(BM_RecommendAsOf)->Arg(4'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

// The part that is the store's.
void BM_ReadHistory(benchmark::State& state) {
  World world(1000);
  std::vector<HistoryEntry> history;
  EventStore::HistoryRequest request;
  request.user = "u";
  request.limit = 200;
  const ReadPoint at = world.store->Now();
  for (auto _ : state) {
    history.clear();
    FOURFOLD_CHECK(world.store->ReadHistory(request, at, &history).ok());
  }
}
BENCHMARK(BM_ReadHistory)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fourfold
