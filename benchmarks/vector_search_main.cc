#include <faiss/IndexHNSW.h>
#include <hnswlib/hnswlib.h>
#include <omp.h>
#include <time.h>
#include <zlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "index/vector_graph.h"

// Searches an HNSW graph of images beside Faiss's and hnswlib's own, built alike in the same run:
// queries a second of processor time on one thread at the least search width that finds enough, the
// median of runs that take turns.
// Vectors are scaled to length 1, distances are inner products. Prints one JSON object.
namespace fourfold::bench {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kDepth = 10;
constexpr int kLinks = 16, kBuildWidth = 100;

struct Vectors {
  std::size_t count = 0, dimension = 0;
  std::vector<float> values;
  std::span<const float> Row(std::size_t row) const {
    return std::span(values).subspan(row * dimension, dimension);
  }
};

// The images of an IDX file (http://yann.lecun.com/exdb/mnist/), compressed, at most `limit`.
Vectors ReadImages(const std::string& path, std::size_t limit) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::uint8_t header[16];
  if (file == nullptr || gzread(file, header, sizeof(header)) != sizeof(header)) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    std::exit(1);
  }
  const auto number = [&](int place) {
    return std::size_t{header[place]} << 24 | std::size_t{header[place + 1]} << 16 |
           std::size_t{header[place + 2]} << 8 | header[place + 3];
  };
  Vectors vectors;
  vectors.count = std::min(limit, number(4));
  vectors.dimension = number(8) * number(12);
  std::vector<std::uint8_t> pixels(vectors.dimension);
  for (std::size_t row = 0; row < vectors.count; ++row) {
    if (gzread(file, pixels.data(), static_cast<unsigned>(pixels.size())) !=
        static_cast<int>(pixels.size())) {
      std::fprintf(stderr, "%s: ends early\n", path.c_str());
      std::exit(1);
    }
    double square = 0;
    for (const std::uint8_t pixel : pixels)
      square += static_cast<double>(pixel) * static_cast<double>(pixel);
    for (const std::uint8_t pixel : pixels) {
      vectors.values.push_back(static_cast<float>(static_cast<double>(pixel) / std::sqrt(square)));
    }
  }
  gzclose(file);
  return vectors;
}

// Processor seconds of this thread, which does all the work: on a host that others use, too, the
// wall clock says little.
double SecondsOf(const std::function<void()>& work) {
  const auto now = [] {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double start = now();
  work();
  return now() - start;
}

using SearchFunction = std::function<void(std::size_t query, std::size_t width, std::uint32_t*)>;
using Answers = std::vector<std::set<std::uint32_t>>;

struct Contender {
  std::string name;
  double build_seconds = 0;
  SearchFunction search;
  std::size_t width = 0;
  double recall = 0;
  std::vector<double> queries_per_second;  // of each run
};

// The least width at which the recall is reached, and what it then is; width 0 where none is.
void FindWidth(const Answers& right, double recall_wanted, Contender* contender) {
  std::vector<std::uint32_t> found(kDepth);
  for (std::size_t width = kDepth; width <= 400; width += width < 40 ? 2 : 10) {
    double hits = 0;
    for (std::size_t q = 0; q < right.size(); ++q) {
      contender->search(q, width, found.data());
      for (const std::uint32_t item : found) hits += right[q].contains(item);
    }
    contender->recall = hits / static_cast<double>(right.size() * kDepth);
    if (contender->recall < recall_wanted) continue;
    contender->width = width;
    return;
  }
}

void RunOnce(std::size_t queries, Contender* contender) {
  std::vector<std::uint32_t> found(kDepth);
  const double seconds = SecondsOf([&] {
    for (std::size_t q = 0; q < queries; ++q) contender->search(q, contender->width, found.data());
  });
  contender->queries_per_second.push_back(static_cast<double>(queries) / seconds);
}

Json Describe(const Contender& contender) {
  std::vector<double> rates = contender.queries_per_second;
  std::sort(rates.begin(), rates.end());
  return {{"name", contender.name},
          {"width", contender.width},
          {"recall", contender.recall},
          {"queries_per_second", rates.empty() ? 0 : rates[rates.size() / 2]},
          {"runs", contender.queries_per_second},
          {"build_seconds", contender.build_seconds}};
}

int Run(int argc, char** argv) {
  CLI::App app("Searches an HNSW graph beside Faiss's and hnswlib's own");
  std::string directory = "/usr/share/datasets/fashion-mnist";
  std::size_t vector_limit = 60'000, query_limit = 2'000;
  double recall = 0.95;
  int runs = 5;
  app.add_option("--directory", directory)->capture_default_str();
  app.add_option("--vectors", vector_limit)->capture_default_str();
  app.add_option("--queries", query_limit)->capture_default_str();
  app.add_option("--recall", recall)->capture_default_str();
  app.add_option("--runs", runs)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const Vectors base = ReadImages(directory + "/train-images-idx3-ubyte.gz", vector_limit);
  const Vectors queries = ReadImages(directory + "/t10k-images-idx3-ubyte.gz", query_limit);
  Answers right(queries.count);
  for (std::size_t q = 0; q < queries.count; ++q) {
    for (const Neighbour& item : SearchAll(base.values, queries.Row(q), kDepth)) {
      right[q].insert(item.item);
    }
  }
  Json json = {{"vectors", base.count}, {"dimension", base.dimension}, {"recall_wanted", recall}};
  omp_set_num_threads(1);
  std::vector<VectorGraph> ours;
  const double our_build = SecondsOf([&] {
    ours.push_back(VectorGraph::Build(base.values, base.dimension,
                                      {.links = kLinks, .build_width = kBuildWidth, .threads = 1}));
  });
  faiss::IndexHNSWFlat faiss_index(static_cast<int>(base.dimension), kLinks,
                                   faiss::METRIC_INNER_PRODUCT);
  faiss_index.hnsw.efConstruction = kBuildWidth;
  const double faiss_build = SecondsOf(
      [&] { faiss_index.add(static_cast<faiss::Index::idx_t>(base.count), base.values.data()); });
  hnswlib::InnerProductSpace space(base.dimension);
  hnswlib::HierarchicalNSW<float> hnswlib_index(&space, base.count, kLinks, kBuildWidth);
  const double hnswlib_build = SecondsOf([&] {
    for (std::size_t row = 0; row < base.count; ++row) {
      hnswlib_index.addPoint(base.Row(row).data(), row);
    }
  });

  VectorSearchScratch scratch;
  std::vector<Neighbour> neighbours;
  std::vector<float> distances(kDepth);
  std::vector<faiss::Index::idx_t> labels(kDepth);
  std::vector<Contender> contenders = {
      {"fourfold", our_build,
       [&](std::size_t q, std::size_t width, std::uint32_t* found) {
         ours[0].Search(base.values, queries.Row(q), kDepth, width, &scratch, &neighbours);
         for (std::size_t i = 0; i < kDepth; ++i) found[i] = neighbours[i].item;
       }},
      {"faiss", faiss_build,
       [&](std::size_t q, std::size_t width, std::uint32_t* found) {
         faiss_index.hnsw.efSearch = static_cast<int>(width);
         faiss_index.search(1, queries.Row(q).data(), kDepth, distances.data(), labels.data());
         for (std::size_t i = 0; i < kDepth; ++i) found[i] = static_cast<std::uint32_t>(labels[i]);
       }},
      {"hnswlib", hnswlib_build, [&](std::size_t q, std::size_t width, std::uint32_t* found) {
         hnswlib_index.setEf(width);
         auto nearest = hnswlib_index.searchKnn(queries.Row(q).data(), kDepth);
         for (std::size_t i = 0; i < kDepth; ++i, nearest.pop()) {
           found[i] = static_cast<std::uint32_t>(nearest.top().second);
         }
       }}};
  for (Contender& contender : contenders) FindWidth(right, recall, &contender);
  // In turn, so that a busy host slows all of them.
  for (int run = 0; run < runs; ++run) {
    for (Contender& contender : contenders) RunOnce(queries.count, &contender);
  }
  for (const Contender& contender : contenders) json["searches"].push_back(Describe(contender));
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) { return fourfold::bench::Run(argc, argv); }
