#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "data/event_check.h"
#include "feature/event_store_writer.h"

// The bulk path of the event writer.
namespace fourfold {
namespace {

constexpr std::size_t kListenerEvents = 4096;  // at once

}  // namespace

absl::StatusOr<ImportCounts> EventWriter::GatherImported(absl::Span<TimedEvent> events) {
  ImportCounts counts;
  std::vector<TimedEvent*> good;
  std::vector<Digest> digests;
  good.reserve(events.size());
  digests.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    Event& event = events[i].event;
    if (absl::Status status = CheckEvent(event); !status.ok()) {
      counts.rejected.emplace_back(i, std::move(status));
      continue;
    }
    if (event.id.empty()) event.id = MakeId();
    good.push_back(&events[i]);
    digests.push_back(DigestOf(event.id));
  }
  {
    MutexLock lock(&mutex_);
    if (!has_live_events_) {
      if (absl::Status status = Gather(good, digests, events.data(), &counts); !status.ok()) {
        return Lose(std::move(status));
      }
      return counts;
    }
  }
  // Live events would have to wait until what is gathered is written.
  std::vector<TimedEvent> taken;
  taken.reserve(good.size());
  for (TimedEvent* const event : good) taken.push_back(std::move(*event));
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<AppendResult> results, AppendImported(taken));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].outcome == EventOutcome::kRejected) {
      *good[i] = std::move(taken[i]);
      counts.rejected.emplace_back(good[i] - events.data(), results[i].status);
    } else {
      ++(results[i].outcome == EventOutcome::kAccepted ? counts.accepted : counts.duplicates);
    }
  }
  return counts;
}

absl::Status EventWriter::Gather(absl::Span<TimedEvent* const> events,
                                 absl::Span<const Digest> digests, const TimedEvent* first,
                                 ImportCounts* counts) {
  std::vector<std::optional<Position>> stored;
  FOURFOLD_RETURN_IF_ERROR(store_->FindPositions(digests, &stored));
  if (!gathered_.has_value()) StartGathering();
  GatheredEvents& gathered = *gathered_;
  const std::int64_t now_ms = NowMs();
  const std::int64_t horizon_ms = horizon().time_ms;
  LoggedEvent logged;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const bool is_known = stored[i].has_value() ||
                          (sent_.has_value() && sent_->digests.contains(digests[i])) ||
                          !gathered.digests.insert(digests[i]).second;
    if (is_known) {
      ++counts->duplicates;
      continue;
    }
    const std::int64_t stated_ms = events[i]->event.event_time_ms;
    absl::Status late =
        CheckHorizon(events[i]->event, stated_ms == kNoTimeMs ? now_ms : stated_ms, horizon_ms);
    if (!late.ok()) {
      gathered.digests.erase(digests[i]);
      counts->rejected.emplace_back(events[i] - first, std::move(late));
      continue;
    }
    logged.position = gathered.state.end++;
    logged.known_time_ms = events[i]->known_time_ms;
    logged.event = std::move(events[i]->event);
    std::int64_t& event_time_ms = logged.event.event_time_ms;
    if (event_time_ms == kNoTimeMs) event_time_ms = now_ms;
    gathered.state.last_event_time_ms = std::max(gathered.state.last_event_time_ms, event_time_ms);
    FOURFOLD_RETURN_IF_ERROR(Put(logged, digests[i], gathered.batch.get()));
    ++counts->accepted;
  }
  return gathered.batch->bytes() < gather_bytes_ ? absl::OkStatus() : SendGathered();
}

void EventWriter::StartGathering() {
  GatheredEvents& gathered = gathered_.emplace();
  gathered.batch = store_->NewBatch();
  gathered.state = sent_.has_value() ? sent_->state : State();
  gathered.first = gathered.state.end;
  if (sent_.has_value()) gathered.digests.reserve(sent_->digests.size());
  sessions_.StartBatch();
}

absl::Status EventWriter::SendGathered() {
  FOURFOLD_ASSIGN_OR_RETURN(const PositionRange published, PublishSent());
  sent_ = std::exchange(gathered_, std::nullopt);
  sent_->batch->PutValue(kStateKey, EncodeState(sent_->state));
  sent_->written = std::async(std::launch::async, [store = store_, batch = sent_->batch.get()] {
    return store->Write(batch, storage::Logging::kUnlogged);
  });
  return TellListener(published);
}

absl::StatusOr<EventWriter::PositionRange> EventWriter::PublishSent() {
  if (!sent_.has_value()) return PositionRange{};
  FOURFOLD_RETURN_IF_ERROR(sent_->written.get());
  const PositionRange published{sent_->first, sent_->state.end};
  Publish(sent_->state);
  sent_.reset();
  return published;
}

absl::Status EventWriter::WriteGathered() {
  absl::Status status = gathered_.has_value() ? SendGathered() : absl::OkStatus();
  if (status.ok()) status = AwaitSent();
  return status.ok() ? status : Lose(std::move(status));
}

absl::Status EventWriter::AwaitSent() {
  FOURFOLD_ASSIGN_OR_RETURN(const PositionRange published, PublishSent());
  return TellListener(published);
}

absl::Status EventWriter::Lose(absl::Status status) {
  gathered_.reset();
  // What is being written may yet go in, and its positions must not be given out again.
  if (sent_.has_value() && sent_->written.valid()) (void)AwaitSent();
  sent_.reset();
  sessions_.Forget();
  loss_.Update(status);
  return status;
}

absl::Status EventWriter::TellListener(const PositionRange& range) {
  if (!listener_ || range.first == range.end) return absl::OkStatus();
  std::vector<LoggedEvent> committed;
  const auto tell = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (!committed.empty()) listener_(committed);
    committed.clear();
  };
  absl::Status readable;
  FOURFOLD_RETURN_IF_ERROR(
      store_->ScanLog(range.first, range.end, [&](Position position, std::string_view record) {
        absl::StatusOr<LoggedEvent> logged = DecodeLogged(position, record);
        readable = logged.status();
        if (!logged.ok()) return false;
        committed.push_back(*std::move(logged));
        if (committed.size() == kListenerEvents) tell();
        return true;
      }));
  tell();
  return readable;
}

absl::Status EventWriter::Flush() {
  {
    MutexLock lock(&mutex_);
    (void)WriteGathered();  // a failure is a loss
    if (absl::Status loss = std::exchange(loss_, absl::OkStatus()); !loss.ok()) return loss;
  }
  return store_->Flush();
}

}  // namespace fourfold
