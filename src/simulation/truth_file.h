#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_sink.h"
#include "data/byte_source.h"
#include "simulation/world.h"

// What is true of a simulated log and stands nowhere in it: every probability and propensity, and
// the state of the world behind them. Training cannot read it: no room below the engine may include
// this one (tools/check_includes), and the engine hands it to evaluation alone. docs/formats.md has
// every byte.
namespace fourfold::simulation {

struct TruthWorld {
  std::uint64_t seed = 0;
  std::int64_t start_ms = 0;
  int topics = 0;
  std::vector<float> looked_at;  // by place: the chance that it is looked at
  std::string recipe;            // verbatim
};
struct TruthDay {
  std::int64_t time_ms = 0;
  std::vector<float> trend;  // by topic
};
struct TruthItem {
  std::int64_t born_ms = 0;
  Item item;
};
struct TruthSession {
  std::int64_t time_ms = 0;
  std::uint32_t user = 0;
  std::uint32_t session = 0;
  Segment segment = Segment::kCore;
  std::vector<float> long_term;  // by topic, as the session begins
  std::vector<float> short_term;
};
struct TruthSlate {
  std::uint64_t ranking = 0;
  std::int64_t time_ms = 0;
  std::uint32_t user = 0;
  std::uint32_t session = 0;
  Segment segment = Segment::kCore;
  std::vector<Impression> impressions;
};
using TruthRecord = std::variant<TruthWorld, TruthDay, TruthItem, TruthSession, TruthSlate>;

// Not thread-safe. The file is whole after Finish.
class TruthWriter {
 public:
  explicit TruthWriter(std::unique_ptr<ByteSink> sink) : sink_(std::move(sink)) {}
  absl::Status Begin(const World& world, std::uint64_t seed, std::string_view recipe);
  absl::Status AddDay(std::int64_t time_ms, const TopicVector& trend);
  absl::Status AddItem(std::int64_t born_ms, const Item& item);
  absl::Status AddSession(const Session& session, const User& user);
  absl::Status AddSlate(const ShownSlate& slate);
  absl::Status Finish();
  std::uint64_t bytes_on_disk() const { return sink_->bytes_on_disk(); }

 private:
  absl::Status WriteRecord();

  std::unique_ptr<ByteSink> sink_;
  int topics_ = 0;
  std::uint64_t records_ = 0;
  std::string record_;  // under way
};

// Not thread-safe.
class TruthReader {
 public:
  // InvalidArgument where it is no truth file or of another version; the first record is a
  // TruthWorld. `name` stands in messages.
  static absl::StatusOr<std::unique_ptr<TruthReader>> Open(const std::string& path);
  static absl::StatusOr<std::unique_ptr<TruthReader>> Open(std::unique_ptr<ByteSource> source,
                                                           std::string name);

  const TruthWorld& world() const { return world_; }
  // In the order of the file, without the TruthWorld; nullopt at the end. DataLoss, with the place,
  // for what is not as it was written, and for a file that was cut off.
  absl::StatusOr<std::optional<TruthRecord>> Next();

 private:
  TruthReader(std::unique_ptr<ByteSource> source, std::string name)
      : source_(std::move(source)), name_(std::move(name)) {}

  absl::Status Fill(std::size_t bytes);
  absl::StatusOr<char> ReadRecord();  // its type; the payload is in payload_
  absl::Status Broken(std::string_view how) const;

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  TruthWorld world_;
  std::string buffer_;
  std::size_t begin_ = 0;     // of what is not yet read, in buffer_
  std::uint64_t offset_ = 0;  // of it in the file
  std::uint64_t records_ = 0;
  std::string_view payload_;
  bool at_end_ = false;
};

}  // namespace fourfold::simulation
