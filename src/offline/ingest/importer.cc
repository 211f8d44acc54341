#include "offline/ingest/importer.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_check.h"
#include "data/event_codec.h"
#include "data/event_json.h"
#include "data/limits.h"
#include "offline/ingest/event_sorter.h"
#include "offline/ingest/import_batches.h"
#include "offline/ingest/reject_file.h"

namespace fourfold {
namespace {

using Progress = ImportOptions::Progress;

constexpr auto kProgressInterval = std::chrono::milliseconds(200);
constexpr std::uint64_t kResultsBetweenClocks = 1024;

std::string ReasonOf(const RejectedLine& line) {
  return ToString(EventProblem{line.field, line.reason});
}

// One import from beginning to end.
class Import {
 public:
  Import(EventStore* store, const Clock& clock, const ImportOptions& options)
      : store_(store),
        clock_(clock),
        options_(options),
        rejects_(options.reject_path.empty() && !options.dry_run
                     ? options.source.path + ".rejects.jsonl"
                     : options.reject_path,
                 options.source.path) {}

  absl::StatusOr<ImportSummary> Run() {
    std::string directory = options_.temporary_directory;
    if (directory.empty()) directory = std::filesystem::temp_directory_path().string();
    EventSorter sorter(std::move(directory), options_.sort_memory_bytes);
    FOURFOLD_RETURN_IF_ERROR(ReadAll(&sorter));
    if (!options_.dry_run) FOURFOLD_RETURN_IF_ERROR(WriteAll(&sorter));
    FOURFOLD_RETURN_IF_ERROR(rejects_.Close());
    if (rejects_.lines_written() > 0) summary_.reject_path = rejects_.path();
    return summary_;
  }

 private:
  absl::Status ReadAll(EventSorter* sorter) {
    FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<EventSource> source,
                              OpenEventSource(options_.source));
    for (std::uint64_t results = 0;; ++results) {
      if (results % kResultsBetweenClocks == 0) ReportReading(*source);
      FOURFOLD_ASSIGN_OR_RETURN(auto result, source->Next());
      if (!result) break;
      if (auto* event = std::get_if<Event>(&*result)) {
        FOURFOLD_RETURN_IF_ERROR(Take(event, sorter));
      } else {
        const RejectedLine& line = std::get<RejectedLine>(*result);
        if (options_.strict) {
          return InvalidArgument(options_.source.path, ": line ", line.line, ": ", ReasonOf(line));
        }
        FOURFOLD_RETURN_IF_ERROR(Reject(line));
      }
    }
    summary_.lines = source->lines_read();
    summary_.lines_skipped = source->lines_skipped();
    is_report_due_ = true;
    ReportReading(*source);
    return absl::OkStatus();
  }

  absl::Status Take(Event* event, EventSorter* sorter) {
    if (event->event_time_ms == kNoTimeMs) {
      FOURFOLD_CHECK(event->kind == EventKind::kItem || event->kind == EventKind::kUser);
      event->event_time_ms = kSinceForEverMs;
    }
    const std::int64_t time_ms = event->event_time_ms;
    if (time_ms != kSinceForEverMs) {
      summary_.first_event_time_ms =
          has_times_ ? std::min(summary_.first_event_time_ms, time_ms) : time_ms;
      summary_.last_event_time_ms =
          has_times_ ? std::max(summary_.last_event_time_ms, time_ms) : time_ms;
      has_times_ = true;
    }
    ++summary_.events;
    if (options_.dry_run) return absl::OkStatus();
    record_.clear();
    EncodeEvent(*event, &record_);
    return sorter->Add(time_ms, record_);
  }

  absl::Status WriteAll(EventSorter* sorter) {
    FOURFOLD_RETURN_IF_ERROR(sorter->Finish());
    std::uint64_t written = 0;
    ImportBatches batches(sorter, options_.lag_ms);
    while (true) {
      FOURFOLD_ASSIGN_OR_RETURN(std::vector<TimedEvent> batch, batches.Next());
      if (batch.empty()) break;
      if (options_.knowledge == Knowledge::kIngest) {
        const std::int64_t now_ms = clock_.NowMs();
        for (TimedEvent& event : batch) event.known_time_ms = now_ms;
      }
      FOURFOLD_ASSIGN_OR_RETURN(const ImportCounts counts,
                                store_->GatherImported(absl::MakeSpan(batch)));
      summary_.accepted += counts.accepted;
      summary_.duplicates += counts.duplicates;
      for (const auto& [index, status] : counts.rejected) {
        FOURFOLD_RETURN_IF_ERROR(
            Reject({0, "", std::string(MessageOf(status)), EventToJson(batch[index].event)}));
      }
      written += batch.size();
      ReportWriting(written);
    }
    FOURFOLD_RETURN_IF_ERROR(store_->Flush());
    is_report_due_ = true;
    ReportWriting(written);
    return absl::OkStatus();
  }

  absl::Status Reject(const RejectedLine& line) {
    ++summary_.rejected;
    if (summary_.first_rejected.size() < ImportSummary::kFirstRejected) {
      summary_.first_rejected.push_back(line);
    }
    return rejects_.Write(line);
  }

  void ReportReading(const EventSource& source) {
    Report({Progress::Phase::kReading, source.bytes_read(), source.bytes_total(), summary_.events,
            summary_.rejected});
  }
  void ReportWriting(std::uint64_t written) {
    Report(
        {Progress::Phase::kWriting, written, summary_.events, summary_.events, summary_.rejected});
  }
  void Report(const Progress& progress) {
    if (!options_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (!is_report_due_ && now - reported_ < kProgressInterval) return;
    is_report_due_ = false;
    reported_ = now;
    options_.progress(progress);
  }

  EventStore* const store_;
  const Clock& clock_;
  const ImportOptions& options_;
  RejectFile rejects_;
  ImportSummary summary_;
  bool has_times_ = false;
  std::string record_;
  std::chrono::steady_clock::time_point reported_;
  bool is_report_due_ = true;
};

}  // namespace

absl::StatusOr<ImportSummary> ImportFile(EventStore* store, const Clock& clock,
                                         const ImportOptions& options) {
  if (options.lag_ms < 0 || options.lag_ms > limits::kTimeMsMax) {
    return InvalidArgument("a lag of ", options.lag_ms, " ms: it is negative or too long");
  }
  return Import(store, clock, options).Run();
}

}  // namespace fourfold
