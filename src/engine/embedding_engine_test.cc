#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "engine/test_engine.h"
#include "index/item_embeddings.h"

// Item embeddings from the log to the slate.
namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRecipe = R"(
name: world
catalogue: {items: declared}
retrievers:
  - name: eges
    kind: eges
    side_fields: [camp]
    dimension: 16
    learning_rate: 0.2
    candidates: 40
  - name: near
    kind: eges
    side_fields: [camp]
    dimension: 16
    learning_rate: 0.2
    candidates: 40
    search: actions
    threads: 1
policy:
  seen_actions: [{type: take}]
)";

// Thirty users in two camps, each taking items of its own camp minute by minute.
std::string World() {
  std::mt19937 random(7);
  std::ostringstream events;
  for (int item = 0; item < 60; ++item) {
    events << R"({"event":"item","item":"i)" << item
           << R"(","timestamp":"2024-01-01T00:00:00Z","fields":[{"name":"camp","value":")"
           << (item % 2 == 0 ? "even" : "odd") << "\"}]}\n";
  }
  for (int user = 0; user < 30; ++user) {
    for (int minute = 10; minute < 40; ++minute) {
      events << R"({"event":"interaction","type":"take","user":"u)" << user << R"(","item":"i)"
             << static_cast<unsigned>(user % 2) + 2 * (random() % 30)
             << R"(","timestamp":"2024-01-02T00:)" << minute << ":00Z\"}\n";
    }
  }
  return events.str();
}

class EmbeddingEngineTest : public EngineTest {
 protected:
  static std::vector<std::string> Recommend(Engine& engine, const std::string& user) {
    RecommendRequest request;
    request.user = user;
    request.limit = 20;
    const auto response = engine.Recommend(request);
    EXPECT_TRUE(response.ok()) << response.status();
    std::vector<std::string> items;
    if (!response.ok()) return items;
    EXPECT_TRUE(response->degraded.empty());
    for (const RecommendedItem& item : response->items) {
      if (item.score > 0) items.push_back(item.item);
    }
    return items;
  }
};

TEST_F(EmbeddingEngineTest, AnItemPutAfterTrainingIsInTheNextSlateOfItsCamp) {
  const auto engine = Open(kRecipe, "2024-01-03");
  Import(*engine, Write("world.jsonl", World()));
  const std::string version = TrainAndActivate(*engine);
  const std::string file =
      Path(StrCat("engine/servables/", version, "/embeddings.eges.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_TRUE(std::filesystem::exists(
      Path(StrCat("engine/servables/", version, "/vector_graph.near.safetensors"))));

  Ingest(*engine, R"({"event":"interaction","type":"take","user":"new","item":"i4"})");
  EXPECT_THAT(Recommend(*engine, "new"), Not(Contains("cold")));
  Ingest(*engine, R"({"event":"item","item":"cold","fields":[{"name":"camp","value":"even"}]})");
  EXPECT_THAT(Recommend(*engine, "new"), Contains("cold"));
  Ingest(*engine, R"({"event":"interaction","type":"take","user":"other","item":"i5"})");
  EXPECT_THAT(Recommend(*engine, "other"), Not(Contains("cold")));
  Ingest(*engine, R"({"event":"item","item":"cold","deleted":true})");
  EXPECT_THAT(Recommend(*engine, "new"), Not(Contains("cold")));
}

TEST_F(EmbeddingEngineTest, DeterministicTrainingGivesTheSameServableWhateverTheThreads) {
  std::string recipe(kRecipe);
  recipe.replace(recipe.find("side_fields"), 0, "threads: 4\n    ");
  const auto engine = Open(recipe, "2024-01-03");
  Import(*engine, Write("world.jsonl", World()));
  TrainRequest request;
  request.deterministic = true;
  std::set<std::string> embeddings, graphs;
  for (int i = 0; i < 3; ++i) {
    const auto version = engine->Train(request);
    ASSERT_TRUE(version.ok()) << version.status();
    const std::string directory = StrCat("engine/servables/", *version);
    // Both retrievers learn alike, "near" by one thread in any case.
    embeddings.insert(Read(directory + "/embeddings.eges.safetensors"));
    embeddings.insert(Read(directory + "/embeddings.near.safetensors"));
    graphs.insert(Read(directory + "/vector_graph.near.safetensors"));
  }
  EXPECT_EQ(embeddings.size(), 1u);
  EXPECT_EQ(graphs.size(), 1u);
}

TEST_F(EmbeddingEngineTest, AServableServesTheSameAfterOpeningAgain) {
  std::string version;
  std::vector<std::string> before;
  {
    const auto engine = Open(kRecipe, "2024-01-03");
    Import(*engine, Write("world.jsonl", World()));
    version = TrainAndActivate(*engine);
    Ingest(*engine, R"({"event":"item","item":"cold","fields":[{"name":"camp","value":"odd"}]})");
    before = Recommend(*engine, "u1");
  }
  const auto engine = Open("", "2024-01-03");
  EXPECT_EQ(engine->Status().active_servable, version);
  EXPECT_EQ(Recommend(*engine, "u1"), before);
  EXPECT_FALSE(before.empty());
}

// Reads a safetensors file without knowing ours: the header's JSON, then each tensor's bytes by
// torch, where it is there, or numpy. Writes the elements of "vectors" and "trained" back out.
constexpr std::string_view kReader = R"(
import json, struct, sys
import numpy
try:
    import torch
except ImportError:
    torch = None
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)
kinds = {"F32": ("<f4", "float32"), "U8": ("u1", "uint8"), "I32": ("<i4", "int32"), "I64": ("<i8", "int64")}
out = open(sys.argv[2], "wb")
tensors = {}
for name, tensor in header.items():
    begin, end = tensor["data_offsets"]
    part = bytearray(data[8 + length + begin:8 + length + end])
    for_numpy, for_torch = kinds[tensor["dtype"]]
    if torch is None or not part:
        tensors[name] = numpy.frombuffer(part, dtype=for_numpy).reshape(tensor["shape"])
    else:
        whole = torch.frombuffer(part, dtype=getattr(torch, for_torch))
        tensors[name] = whole.reshape(tensor["shape"]).numpy()
assert tensors["vectors"].shape == tensors["rows"].shape and len(tensors["trained"]) == len(tensors["rows"])
lengths = numpy.linalg.norm(tensors["vectors"].astype("f8"), axis=1)
assert numpy.abs(lengths[lengths > 0] - 1).max() < 1e-6
out.write(tensors["vectors"].tobytes())
out.write(tensors["trained"].tobytes())
)";

TEST_F(EmbeddingEngineTest, EmbeddingsOpenInPythonToTheBit) {
  std::string python;
  for (const char* candidate : {"/usr/bin/python3", "python3"}) {
    if (python.empty() &&
        std::system(StrCat(candidate, " -c 'import numpy' 2>/dev/null").c_str()) == 0) {
      python = candidate;
    }
  }
  // The build needs no Python: a machine that only builds may lack it, or numpy.
  if (python.empty()) GTEST_SKIP() << "no python3 with numpy is there";
  const auto engine = Open(kRecipe, "2024-01-03");
  Import(*engine, Write("world.jsonl", World()));
  const std::string version = TrainAndActivate(*engine);
  const std::string file =
      Path(StrCat("engine/servables/", version, "/embeddings.eges.safetensors"));
  ASSERT_EQ(
      std::system(
          StrCat(python, " ", Write("read.py", kReader), " ", file, " ", Path("out")).c_str()),
      0);
  const auto opened = ItemEmbeddings::Open(file);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto vectors = opened->vectors();
  std::string expected(reinterpret_cast<const char*>(vectors.data()), vectors.size_bytes());
  for (std::uint32_t item = 0; item < opened->items(); ++item) {
    expected += opened->IsTrained(item) ? '\1' : '\0';
  }
  EXPECT_EQ(opened->items(), 60u);
  EXPECT_TRUE(Read("out") == expected);
}

}  // namespace
}  // namespace fourfold
