#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/event_source.h"
#include "feature/event_store.h"

namespace fourfold {

enum class Knowledge : std::uint8_t {
  kEventTime,  // known time = event time + lag (the default, with lag 0)
  kIngest,     // known time = the engine's clock during the import
};

struct ImportOptions {
  SourceOptions source;
  Knowledge knowledge = Knowledge::kEventTime;
  std::int64_t lag_ms = 0;
  bool strict = false;   // stop at the first rejected line, with an error that names it; nothing of
                         // the file is taken
  bool dry_run = false;  // `fourfold validate`: read and check everything, write nothing
  // RejectFile's, which is added to. Empty: <file>.rejects.jsonl, of a dry run none.
  std::string reject_path;
  std::string temporary_directory;  // for sorted runs; empty: the system's
  std::size_t sort_memory_bytes = 256 << 20;
  // Called a few times a second from the importing thread.
  struct Progress {
    enum class Phase : std::uint8_t { kReading, kWriting } phase;
    std::uint64_t done = 0;  // bytes read, or events written
    std::uint64_t total = 0;
    std::uint64_t events = 0;
    std::uint64_t rejected = 0;
  };
  std::function<void(const Progress&)> progress;
};

struct ImportSummary {
  static constexpr std::size_t kFirstRejected = 10;
  std::uint64_t lines = 0;
  std::uint64_t lines_skipped = 0;
  std::uint64_t events = 0;  // made of the lines
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;  // of earlier imports or within the file, by event id
  std::uint64_t rejected = 0;
  std::string reject_path;                   // empty when nothing was rejected, or written nowhere
  std::vector<RejectedLine> first_rejected;  // at most kFirstRejected
  std::int64_t first_event_time_ms = 0;
  std::int64_t last_event_time_ms = 0;
};

// Reads a file, sorts its events by (event time, line) with bounded memory, and appends them; they
// are durable when it returns OK. An event without an id gets one made of its content and its
// occurrence number in the file, so importing the same file again changes nothing. Interactions
// without a time take a logical millisecond a step if the source is ordered (kSequences) and are
// rejected otherwise; item and user events without one hold since for ever, and are known since for
// ever unless knowledge is kIngest. Memory: sort_memory_bytes, twice the store's gather_bytes, and
// 20 bytes or so for each event without an id of one event time. With dry_run the store may be
// null.
absl::StatusOr<ImportSummary> ImportFile(EventStore* store, const Clock& clock,
                                         const ImportOptions& options);

}  // namespace fourfold
