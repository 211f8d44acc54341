#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/aligned_vector.h"
#include "base/parallel.h"
#include "index/vector_graph.h"
#include "math/random.h"
#include "math/relaxed.h"
#include "math/vector_kernels.h"
#include "offline/retrieval/embedding/eges.h"
#include "offline/retrieval/embedding/random_walk.h"
#include "offline/retrieval/embedding/skip_gram.h"
#include "resource_usage.h"

// How fast item embeddings are trained on a graph of made-up items, and how long an HNSW graph over
// them takes: pairs of skip-gram a second, seconds, memory. Prints one JSON object.
namespace fourfold::bench {
namespace {

using Json = nlohmann::json;

class Stopwatch {
 public:
  // Wall and processor seconds since it was made.
  Json Read() const {
    return {{"seconds", SecondsSince(wall_)},
            {"processor_seconds", ProcessorSeconds() - processor_}};
  }

 private:
  const std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  const double processor_ = ProcessorSeconds();
};

// Ten edges from each item: half of them near by in a ring, half to items that many lead to.
ItemGraph MakeGraph(std::uint32_t items) {
  Random random(1);
  std::vector<WeightedEdge> edges;
  for (std::uint32_t item = 0; item < items; ++item) {
    for (int edge = 0; edge < 5; ++edge) {
      edges.push_back({item, (item + 1 + random.Below(100)) % items, 1});
      const double skewed = std::pow(static_cast<double>(random.Unit()), 3);
      edges.push_back({item, static_cast<std::uint32_t>(skewed * items) % items, 1});
    }
  }
  return MakeItemGraph(std::move(edges), items);
}

// One walk a line, as other programs read sentences. Returns the pairs that a trainer sees on
// average which draws for each centre how far its context reaches, 1 to `reach`.
double WriteWalks(const ItemGraph& graph, const RetrieverSpec& spec, const std::string& path) {
  const RandomWalker walker(graph);
  std::ofstream file(path);
  std::vector<std::uint32_t> walk;
  double pairs = 0;
  for (int pass = 0; pass < spec.walks_per_item; ++pass) {
    for (std::uint32_t item = 0; item < graph.items(); ++item) {
      Random random(7, static_cast<std::uint64_t>(pass), item);
      walker.Walk(item, spec.walk_length, &random, &walk);
      for (std::size_t i = 0; i < walk.size(); ++i) {
        file << (i > 0 ? " " : "") << "i" << walk[i];
        for (int reach = 1; reach <= spec.context_steps; ++reach) {
          const auto steps = static_cast<std::size_t>(reach);
          pairs += static_cast<double>(std::min(i, steps) + std::min(walk.size() - 1 - i, steps)) /
                   spec.context_steps;
        }
      }
      file << "\n";
    }
  }
  return pairs;
}

// What a machine takes for the rows of skip-gram alone, nothing being learned: six of them a pair,
// drawn as negatives are, on their way while the rest is drawn, then read and written in one place
// of each cache line.
Json TouchRows(const ItemGraph& graph, std::size_t dimension, int threads, std::uint64_t pairs) {
  constexpr std::size_t kRowsPerPair = 6, kPairsPerPiece = 4096, kPairsAtOnce = 8;
  constexpr std::size_t kFloatsPerLine = 16;
  const AliasTable negatives(ItemStrengths(graph));
  AlignedVector<float> rows(graph.items() * dimension);
  const Stopwatch touching;
  ForEachPiece(pairs, kPairsPerPiece, threads, [&](std::size_t begin, std::size_t end) {
    Random random(3, begin, 0);
    float* drawn[kRowsPerPair * kPairsAtOnce];
    for (std::size_t pair = begin; pair < end; pair += kPairsAtOnce) {
      for (float*& row : drawn) {
        row = rows.data() + negatives.Draw(&random) * dimension;
        for (std::size_t i = 0; i < dimension; i += kFloatsPerLine) __builtin_prefetch(row + i, 1);
      }
      for (float* const row : drawn) {
        for (std::size_t i = 0; i < dimension; i += kFloatsPerLine) {
          StoreRelaxed(LoadRelaxed(row[i]) + 1, &row[i]);
        }
      }
    }
  });
  Json json = touching.Read();
  json["pairs"] = pairs;
  return json;
}

int Run(int argc, char** argv) {
  CLI::App app("How fast item embeddings are trained, and an HNSW graph is built over them");
  std::uint32_t items = 10'000;
  RetrieverSpec spec;
  spec.threads = 1;
  bool plain = false, graph_too = false, rows_too = false;
  std::string walks_path;
  app.add_option("--items", items)->capture_default_str();
  app.add_option("--walks-per-item", spec.walks_per_item)->capture_default_str();
  app.add_option("--dimension", spec.dimension)->capture_default_str();
  app.add_option("--threads", spec.threads)->capture_default_str();
  app.add_flag("--plain", plain, "Train by the plain twin of the kernels");
  app.add_flag("--graph", graph_too, "Build an HNSW graph, too");
  app.add_flag("--rows", rows_too, "Tell what touching as many rows takes, too");
  app.add_option("--graph-links", spec.graph_links)->capture_default_str();
  app.add_option("--build-width", spec.build_width)->capture_default_str();
  app.add_option("--write-walks", walks_path, "Write walks there instead of training");
  CLI11_PARSE(app, argc, argv);

  Json json = {{"items", items}, {"threads", spec.threads}};
  const Stopwatch making;
  const ItemGraph graph = MakeGraph(items);
  json["edges"] = graph.edges();
  json["making"] = making.Read();
  if (!walks_path.empty()) {
    json["pairs_uniform_reach"] = WriteWalks(graph, spec, walks_path);
    std::printf("%s\n", json.dump().c_str());
    return 0;
  }
  const VectorKernels& kernels = plain ? PlainVectorKernels() : FastVectorKernels();
  SkipGramModel model =
      MakeSkipGramModel(items, static_cast<std::size_t>(spec.dimension), false, {}, 1);
  const Stopwatch training;
  const SkipGramReport report = TrainSkipGram(graph, spec, spec.threads, kernels, {}, &model);
  json["kernels"] = kernels.name;
  json["training"] = training.Read();
  json["pairs"] = report.pairs;
  if (rows_too) {
    json["rows_alone"] = TouchRows(graph, model.dimension, spec.threads, report.pairs);
  }
  if (graph_too) {
    ItemEmbeddings::Parts parts{.dimension = spec.dimension,
                                .trained = std::vector<std::uint8_t>(items, 1),
                                .rows = {model.input.begin(), model.input.end()},
                                .weights = std::vector<float>(items),
                                .fields = {}};
    const ItemEmbeddings embeddings = ItemEmbeddings::FromParts(std::move(parts));
    spec.name = "bench";
    spec.least_recall = 0;
    spec.search = RetrieverSpec::Search::kActions;
    const Stopwatch building;
    const auto built = BuildCheckedGraph(embeddings, spec, spec.threads);
    json["graph"] = building.Read();
    json["graph"]["report"] = built.ok() ? built->report : built.status().ToString();
  }
  json["peak_resident_mib"] = PeakResidentMebibytes();
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) { return fourfold::bench::Run(argc, argv); }
