#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/strings.h"
#include "data/event_source.h"
#include "feature/event_store.h"
#include "make_events.h"
#include "offline/ingest/importer.h"
#include "resource_usage.h"

// How fast events are read from JSON lines, and imported so that they are durable.
namespace fourfold::bench {
namespace {

namespace fs = std::filesystem;

void Print(const char* what, std::uint64_t events, double seconds, double processor_seconds) {
  std::printf("%-28s %10llu events  %6.2f s  %10.0f events/s  %6.2f processor seconds\n", what,
              static_cast<unsigned long long>(events), seconds,
              static_cast<double>(events) / seconds, processor_seconds);
}

void MakeFile(const std::string& path, std::uint64_t events) {
  EventMaker maker({});
  std::ofstream file(path, std::ios::binary);
  std::string lines;
  for (std::uint64_t i = 0; i < events; ++i) {
    lines.clear();
    maker.AppendLine(&lines);
    file << lines;
  }
}

absl::Status ReadAll(const SourceOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const double processor_start = ProcessorSeconds();
  auto source = OpenEventSource(options);
  if (!source.ok()) return source.status();
  std::uint64_t events = 0;
  while (true) {
    auto result = (*source)->Next();
    if (!result.ok()) return result.status();
    if (!*result) break;
    if (std::holds_alternative<Event>(**result)) ++events;
  }
  Print(StrCat("read, ", options.parser_threads, " parser thread(s)").c_str(), events,
        SecondsSince(start), ProcessorSeconds() - processor_start);
  return absl::OkStatus();
}

absl::Status ImportAll(const SourceOptions& source, const fs::path& directory) {
  const SystemClock clock;
  EventStoreOptions store_options;
  store_options.directory = directory / "store";
  auto store = EventStore::Open(store_options, &clock);
  if (!store.ok()) return store.status();
  ImportOptions options;
  options.source = source;
  options.temporary_directory = directory;
  options.reject_path = directory / "rejects.jsonl";
  const auto start = std::chrono::steady_clock::now();
  const double processor_start = ProcessorSeconds();
  double read_seconds = 0;
  options.progress = [&](const ImportOptions::Progress& progress) {
    if (progress.phase == ImportOptions::Progress::Phase::kReading) {
      read_seconds = SecondsSince(start);
    }
  };
  const auto summary = ImportFile(store->get(), clock, options);
  if (!summary.ok()) return summary.status();
  Print("import, durable", summary->accepted, SecondsSince(start),
        ProcessorSeconds() - processor_start);
  std::printf("  of it reading and encoding %.2f s; rejected %llu; peak resident %.0f MiB\n",
              read_seconds, static_cast<unsigned long long>(summary->rejected),
              PeakResidentMebibytes());
  return absl::OkStatus();
}

absl::Status Run(const std::string& file, std::uint64_t events, int runs,
                 const fs::path& directory) {
  SourceOptions source;
  source.path = file;
  if (file.empty()) {
    source.path = directory / "events.jsonl";
    MakeFile(source.path, events);
  }
  for (int run = 0; run < runs; ++run) {
    source.parser_threads = 1;
    if (absl::Status status = ReadAll(source); !status.ok()) return status;
    source.parser_threads = 0;
    const fs::path run_directory = directory / StrCat("run", run);
    fs::create_directories(run_directory);
    if (absl::Status status = ImportAll(source, run_directory); !status.ok()) return status;
    fs::remove_all(run_directory);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) {
  std::string file;
  std::uint64_t events = 1'000'000;
  int runs = 3;
  std::string directory;
  CLI::App app("Measures reading and importing JSON lines");
  app.add_option("--file", file, "JSON lines to import; without, a synthetic log is made");
  app.add_option("--events", events, "Size of the synthetic log")->capture_default_str();
  app.add_option("--runs", runs)->capture_default_str();
  app.add_option("--directory", directory, "An empty directory to work in; emptied at the end")
      ->required();
  CLI11_PARSE(app, argc, argv);
  std::filesystem::create_directories(directory);
  if (!std::filesystem::is_empty(directory)) {
    std::fprintf(stderr, "%s is not empty\n", directory.c_str());
    return 1;
  }
  const absl::Status status = fourfold::bench::Run(file, events, runs, directory);
  std::filesystem::remove_all(directory);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(fourfold::MessageOf(status)).c_str());
    return 1;
  }
  return 0;
}
