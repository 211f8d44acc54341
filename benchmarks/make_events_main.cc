#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "make_events.h"

// Writes a synthetic log of JSON lines to the standard output.
int main(int argc, char** argv) {
  fourfold::bench::EventMaker::Options options;
  std::uint64_t events = 1'000'000;
  bool no_ids = false;
  CLI::App app("Makes a synthetic event log as JSON lines; the same options give the same bytes");
  app.add_option("--events", events, "Lines to write")->capture_default_str();
  app.add_option("--users", options.users)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--items", options.items)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_flag("--no-ids", no_ids, "Leave the event ids to the import");
  CLI11_PARSE(app, argc, argv);
  options.ids = !no_ids;

  fourfold::bench::EventMaker maker(options);
  std::string lines;
  for (std::uint64_t i = 0; i < events; ++i) {
    maker.AppendLine(&lines);
    if (lines.size() < (1 << 20) && i + 1 < events) continue;
    if (std::fwrite(lines.data(), 1, lines.size(), stdout) != lines.size()) {
      std::perror("writing the events");
      return 1;
    }
    lines.clear();
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
