// The whole of Fourfold in one sitting: a bookshop opens, five readers buy, the engine learns, and
// one reader's feed changes with what she does. Build it and run it:
// build/release/examples/first_feed

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "fourfold/engine.h"

namespace {

// A recipe says what an engine is. Usually it is a file of your own, as in recipes/.
constexpr const char* kRecipe = R"(
name: bookshop
catalogue: {items: declared, title: title}
retrievers:
  - {name: together, kind: covisitation, actions: [purchase], history_decay: 0.8}
  - {name: popular, kind: popular, actions: [purchase]}
blend: {weights: {together: 1.0, popular: 0.1}}
policy: {seen_actions: [{type: purchase}]}
)";

// What happened, one event a line. The engine also takes them as structs, or over HTTP.
constexpr const char* kEvents = R"(
{"event": "item", "item": "emma",    "fields": [{"name": "title", "value": "Emma"}]}
{"event": "item", "item": "pride",   "fields": [{"name": "title", "value": "Pride and Prejudice"}]}
{"event": "item", "item": "dune",    "fields": [{"name": "title", "value": "Dune"}]}
{"event": "item", "item": "solaris", "fields": [{"name": "title", "value": "Solaris"}]}
{"event": "item", "item": "ubik",    "fields": [{"name": "title", "value": "Ubik"}]}
{"event": "interaction", "user": "ann",  "type": "purchase", "item": "emma",    "timestamp": "2024-05-01T10:00:00Z"}
{"event": "interaction", "user": "ann",  "type": "purchase", "item": "pride",   "timestamp": "2024-05-02T10:00:00Z"}
{"event": "interaction", "user": "bob",  "type": "purchase", "item": "pride",   "timestamp": "2024-05-01T11:00:00Z"}
{"event": "interaction", "user": "bob",  "type": "purchase", "item": "emma",    "timestamp": "2024-05-03T11:00:00Z"}
{"event": "interaction", "user": "cleo", "type": "purchase", "item": "dune",    "timestamp": "2024-05-01T12:00:00Z"}
{"event": "interaction", "user": "cleo", "type": "purchase", "item": "solaris", "timestamp": "2024-05-04T12:00:00Z"}
{"event": "interaction", "user": "dan",  "type": "purchase", "item": "solaris", "timestamp": "2024-05-02T13:00:00Z"}
{"event": "interaction", "user": "dan",  "type": "purchase", "item": "ubik",    "timestamp": "2024-05-05T13:00:00Z"}
{"event": "interaction", "user": "eve",  "type": "purchase", "item": "emma",    "timestamp": "2024-05-06T14:00:00Z"}
)";

// Nothing here throws: what can go wrong comes back as a status.
void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  OrDie(result.status());
  return *std::move(result);
}

void Print(const char* heading, const fourfold::RecommendResponse& response) {
  std::printf("%s\n", heading);
  for (const fourfold::RecommendedItem& item : response.items) {
    std::printf("  %-8s %.3f", item.item.c_str(), item.score);
    for (const fourfold::RetrieverContribution& part : item.contributions) {
      std::printf("  [%s, rank %d", part.retriever.c_str(), part.rank);
      if (!part.because_item.empty()) std::printf(", because of %s", part.because_item.c_str());
      std::printf("]");
    }
    std::printf("\n");
  }
}

}  // namespace

int main() {
  std::string pattern = std::filesystem::temp_directory_path() / "first_feed.XXXXXX";
  const std::filesystem::path home = mkdtemp(pattern.data());
  std::ofstream(home / "recipe.yaml") << kRecipe;

  // One engine is one directory. It is made here, and found again at the next start.
  fourfold::EngineOptions options;
  options.directory = home / "engine";
  options.recipe_path = home / "recipe.yaml";
  auto engine = OrDie(fourfold::Engine::Open(options));

  // Each event has its own result; what is accepted is on disk when the call returns.
  for (const fourfold::IngestResult& result : OrDie(engine->IngestJson(kEvents))) {
    if (result.outcome != fourfold::IngestOutcome::kAccepted)
      OrDie(absl::InternalError(result.error));
  }

  // Learning makes a servable, whole and versioned; activating it lets requests go to it.
  fourfold::TrainRequest training;
  training.evaluate = false;  // five readers are no test
  training.tune = false;
  OrDie(engine->Activate(OrDie(engine->Train(training))));

  // Eve bought Emma. Her feed holds what goes with it, and then what others bought.
  fourfold::RecommendRequest request;
  request.user = "eve";
  request.limit = 3;
  request.explain = true;
  const fourfold::RecommendResponse before = OrDie(engine->Recommend(request));
  Print("Eve's feed:", before);

  // Now she buys Dune. Naming the slate that she answers closes the circle for later learning.
  fourfold::Event purchase;
  purchase.user = "eve";
  purchase.type = "purchase";
  purchase.item = "dune";
  purchase.ranking = before.request_id;
  OrDie(engine->Ingest({&purchase, 1}).status());

  // Nothing was trained in between, and yet the very next answer knows.
  const fourfold::RecommendResponse after = OrDie(engine->Recommend(request));
  Print("Eve's feed after she bought Dune:", after);

  bool because_of_dune = false;
  for (const fourfold::RecommendedItem& item : after.items) {
    for (const fourfold::RetrieverContribution& part : item.contributions) {
      because_of_dune |= part.because_item == "dune";
    }
  }
  engine.reset();
  std::filesystem::remove_all(home);
  if (before.items.empty() || before.items[0].item != "pride" || !because_of_dune) {
    std::fprintf(stderr, "the feed is not what the purchases say\n");
    return 1;
  }
}
