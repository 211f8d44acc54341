#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace fourfold::bench {

// A made-up shop's log as JSON lines: the same seed gives the same bytes on every machine. Users
// and items are skewed towards the low numbers; times go up with some disorder, as from many
// devices; one line in twenty is an item event, one in a hundred a user event.
class EventMaker {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::uint64_t users = 100'000;
    std::uint64_t items = 20'000;
    bool ids = true;  // without: the import makes them of the content
  };
  explicit EventMaker(const Options& options) : options_(options), random_(options.seed) {}

  // Appends the next line, with its end.
  void AppendLine(std::string* out);

 private:
  std::uint64_t Below(std::uint64_t end) { return random_() % end; }
  std::uint64_t Skewed(std::uint64_t end);
  void AppendItem(std::string* out);
  void AppendUser(std::string* out);
  void AppendInteraction(std::string* out);
  void AppendHead(const char* kind, std::string* out);

  const Options options_;
  std::mt19937_64 random_;
  std::uint64_t lines_ = 0;
  std::int64_t time_ms_ = 1'291'190'400'000;  // 2010-12-01
};

}  // namespace fourfold::bench
