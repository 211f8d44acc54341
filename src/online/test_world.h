#pragma once

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "gtest/gtest.h"
#include "math/vector_kernels.h"
#include "online/recommender.h"
#include "servable/servable.h"

// A small world for tests: a real store in a temporary directory, a clock that the test moves, the
// catalogue that follows the store, and servables put together by hand.
namespace fourfold::testing {

inline constexpr std::int64_t kStartMs = 1'000'000'000;

class World {
 public:
  explicit World(RecommenderOptions options = {},
                 Catalogue::Membership membership = Catalogue::Membership::kDeclared)
      : catalogue(membership) {
    std::string pattern = (std::filesystem::temp_directory_path() / "fourfold-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    auto opened = EventStore::Open({.directory = directory_ + "/events"}, &clock);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
    store->SetCommitListener([this](absl::Span<const LoggedEvent> committed) {
      catalogue.Apply(committed, store->NowMs());
    });
    recommender = std::make_unique<Recommender>(store.get(), &catalogue, std::move(options));
  }
  ~World() {
    recommender.reset();
    store.reset();
    std::filesystem::remove_all(directory_);
  }

  void Take(Event event) {
    event.id = event.id.empty() ? "event-" + std::to_string(next_event_++) : event.id;
    const auto results = store->Append({&event, 1}, Durability::kBuffered);
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ((*results)[0].outcome, EventOutcome::kAccepted) << (*results)[0].status;
  }
  void Declare(const std::string& item, std::vector<Field> fields = {}) {
    Event event;
    event.kind = EventKind::kItem;
    event.item = item;
    event.fields = std::move(fields);
    Take(event);
  }
  void DeclareAll(const std::vector<std::string>& items) {
    for (const std::string& item : items) Declare(item);
  }
  void Delete(const std::string& item) {
    Event event;
    event.kind = EventKind::kItem;
    event.item = item;
    event.deleted = true;
    Take(event);
  }
  void Act(const std::string& user, const std::string& item, const std::string& type = "click",
           const std::string& session = "") {
    Event event;
    event.kind = EventKind::kInteraction;
    event.user = user;
    event.session = session;
    event.item = item;
    event.type = type;
    Take(event);
  }

  RecommendResponse Ask(const RecommendRequest& request) {
    auto response = recommender->Recommend(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *std::move(response) : RecommendResponse();
  }

  ManualClock clock{kStartMs};
  Catalogue catalogue;
  std::unique_ptr<EventStore> store;
  std::unique_ptr<Recommender> recommender;

 private:
  std::string directory_;
  int next_event_ = 0;
};

inline std::vector<std::string> ItemsOf(const RecommendResponse& response) {
  std::vector<std::string> items;
  for (const RecommendedItem& item : response.items) items.push_back(item.item);
  return items;
}

// A servable over these items; earlier ones are more popular.
inline Servable MakeServable(std::vector<std::string> items) {
  Servable servable;
  servable.vocabulary = std::move(items);
  for (std::size_t i = 0; i < servable.vocabulary.size(); ++i) {
    servable.popularity.push_back(static_cast<float>(servable.vocabulary.size() - i));
  }
  IndexVocabulary(&servable);
  servable.manifest.version = "by-hand";
  return servable;
}

inline void AddPopular(Servable* servable, double weight, RetrieverSpec spec = {}) {
  spec.kind = RetrieverSpec::Kind::kPopular;
  if (spec.name.empty()) spec.name = "popular";
  servable->popularity_tables[spec.name] =
      MakePopularityTable(servable->popularity, servable->tie_rank);
  servable->manifest.blend.weights[spec.name] = weight;
  servable->manifest.retrievers.push_back(std::move(spec));
}

inline void AddRepeats(Servable* servable, double weight, RetrieverSpec spec = {}) {
  spec.kind = RetrieverSpec::Kind::kRepeats;
  if (spec.name.empty()) spec.name = "repeats";
  servable->manifest.blend.weights[spec.name] = weight;
  servable->manifest.retrievers.push_back(std::move(spec));
}

// Neighbours by item id, best first.
using Neighbours = std::map<std::string, std::vector<std::pair<std::string, float>>>;

inline void AddItemToItem(Servable* servable, double weight, const Neighbours& neighbours,
                          RetrieverSpec spec = {}) {
  spec.kind = RetrieverSpec::Kind::kItemCf;
  if (spec.name.empty()) spec.name = "item_cf";
  std::vector<std::vector<Neighbour>> rows(servable->vocabulary.size());
  for (const auto& [item, list] : neighbours) {
    for (const auto& [neighbour, score] : list) {
      rows[servable->vocabulary_index.at(item)].push_back(
          {servable->vocabulary_index.at(neighbour), score});
    }
  }
  servable->item_to_item.insert_or_assign(spec.name, ItemToItemMap::FromRows(rows));
  servable->manifest.blend.weights[spec.name] = weight;
  servable->manifest.retrievers.push_back(std::move(spec));
}

// Embeddings with one field, and the map of the nearest `spec.neighbours` by cosine. Vectors have 8
// elements, of which those not given are 0.
struct Embedded {
  std::map<std::string, std::vector<float>> rows;             // own rows of items that were trained
  std::map<std::string, std::vector<float>> values;           // vectors of the field's values
  std::map<std::string, std::vector<std::string>> values_of;  // by item
};

inline void AddEges(Servable* servable, double weight, const Embedded& embedded,
                    RetrieverSpec spec = {}) {
  constexpr std::size_t kDimension = 8;
  spec.kind = RetrieverSpec::Kind::kEges;
  if (spec.name.empty()) spec.name = "eges";
  spec.side_fields = {"tags"};
  const std::size_t items = servable->vocabulary.size();
  ItemEmbeddings::Parts parts{.dimension = kDimension,
                              .trained = std::vector<std::uint8_t>(items),
                              .rows = std::vector<float>(items * kDimension),
                              .weights = std::vector<float>(items * 2),
                              .fields = {{"tags", {}, {0}, {}, {}}}};
  ItemEmbeddings::Field& field = parts.fields[0];
  for (const auto& [value, vector] : embedded.values) {
    field.values.push_back(value);
    field.vectors.insert(field.vectors.end(), vector.begin(), vector.end());
    field.vectors.resize(field.values.size() * kDimension);
  }
  for (std::size_t item = 0; item < items; ++item) {
    const auto row = embedded.rows.find(servable->vocabulary[item]);
    if (row != embedded.rows.end()) {
      parts.trained[item] = 1;
      std::copy(row->second.begin(), row->second.end(),
                parts.rows.begin() + static_cast<std::ptrdiff_t>(item * kDimension));
    }
    const auto values = embedded.values_of.find(servable->vocabulary[item]);
    for (std::uint32_t v = 0; v < field.values.size(); ++v) {
      if (values != embedded.values_of.end() &&
          std::count(values->second.begin(), values->second.end(), field.values[v]) > 0) {
        field.value.push_back(v);
      }
    }
    field.begin.push_back(static_cast<std::int64_t>(field.value.size()));
  }
  ItemEmbeddings embeddings = ItemEmbeddings::FromParts(std::move(parts));
  std::vector<std::vector<Neighbour>> map(items);
  for (std::uint32_t item = 0; item < items; ++item) {
    for (std::uint32_t other = 0; other < items; ++other) {
      const float cosine =
          PlainVectorKernels().dot(embeddings.vectors().data() + item * kDimension,
                                   embeddings.vectors().data() + other * kDimension, kDimension);
      if (other != item && cosine > 0) map[item].push_back({other, cosine});
    }
    std::sort(map[item].begin(), map[item].end(), [](const Neighbour& a, const Neighbour& b) {
      return a.score > b.score || (a.score == b.score && a.item < b.item);
    });
    if (spec.neighbours > 0 && map[item].size() > static_cast<std::size_t>(spec.neighbours)) {
      map[item].resize(static_cast<std::size_t>(spec.neighbours));
    }
  }
  if (HasVectorGraph(spec)) {
    servable->vector_graphs.insert_or_assign(
        spec.name, VectorGraph::Build(embeddings.vectors(), kDimension, {.threads = 1}));
  } else {
    servable->item_to_item.insert_or_assign(spec.name, ItemToItemMap::FromRows(map));
  }
  servable->embeddings.insert_or_assign(spec.name, std::move(embeddings));
  servable->manifest.blend.weights[spec.name] = weight;
  servable->manifest.retrievers.push_back(std::move(spec));
}

inline std::shared_ptr<const Servable> Share(Servable servable) {
  return std::make_shared<const Servable>(std::move(servable));
}

}  // namespace fourfold::testing
