#include "offline/ranking/row_replay.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/event_store_codec.h"
#include "feature/state/pinned_read.h"

namespace fourfold {
namespace {

// So many events are added to the state at a time.
constexpr Position kStep = 1024;

bool IsServed(const Event& event) { return !event.served_from.servable.empty(); }

// The time of a row's own request.
std::int64_t NowOf(const Event& event) {
  const bool is_served = event.kind == EventKind::kRanking && IsServed(event);
  return is_served ? event.served_from.as_of_ms : event.event_time_ms;
}

// Of a moment at which nobody need have acted. What is asked ahead knows of no session yet, unless
// the session is all that is known of somebody.
void SetRegularReadPoint(std::int64_t now_ms, const ReadPoint& end, FeatureRequest* request) {
  request->now_ms = now_ms;
  request->at = ReadPoint();
  request->at.as_of_ms = std::min(now_ms - 1, end.as_of_ms);
  request->at.known_at_ms = std::min(now_ms - 1, end.known_at_ms);
  request->at.position_end = end.position_end;
  if (!request->user.empty()) request->session.clear();
}

// What tells an event of a log from all others of it: a log is only ever appended to and erased
// from.
std::string LogPlaceOf(const LoggedEvent& logged) {
  std::string place;
  AppendBigEndian64(&place, logged.position);
  AppendBigEndian64(&place, static_cast<std::uint64_t>(logged.known_time_ms));
  AppendBigEndian64(&place, static_cast<std::uint64_t>(logged.event.event_time_ms));
  return place;
}

}  // namespace

absl::StatusOr<RowReplay> RowReplay::Start(const EventStore& store, const FeaturePlan& plan,
                                           const RowOptions& options, const ReadPoint& end,
                                           std::int64_t since_ms, StateLimits limits) {
  ReadPoint until;
  until.as_of_ms = std::min(end.as_of_ms, end.known_at_ms);
  until.known_at_ms = end.known_at_ms;
  until.position_end = std::min(end.position_end, store.EndPosition());
  RowReplay replay(store, plan, options, until, std::move(limits));
  FOURFOLD_RETURN_IF_ERROR(replay.NoteLog());
  const std::int64_t end_ms = std::min(until.as_of_ms, store.LastEventTimeMs());
  if (options.rows == RowOptions::Rows::kRetrieved) replay.NoteMoments(end_ms);
  replay.SortRows();
  replay.LeaveOutOpenWindows(end_ms);
  replay.LeaveOutBefore(since_ms);
  if (options.answered_only) FOURFOLD_RETURN_IF_ERROR(replay.LeaveOutUnanswered());
  replay.rows_.shrink_to_fit();
  replay.counts_.requests = replay.rows_.size();
  return replay;
}

absl::Status RowReplay::NoteLog() {
  for (Position from = 0; from < end_.position_end; from += kStep) {
    const Position to = std::min(from + kStep, end_.position_end);
    FOURFOLD_RETURN_IF_ERROR(store_->ScanLog(from, to, [&](const LoggedEvent& logged) {
      if (logged.event.event_time_ms <= end_.as_of_ms && logged.known_time_ms <= end_.known_at_ms) {
        Note(logged);
      }
      return true;
    }));
    state_->AddedUpTo(to);
  }
  return absl::OkStatus();
}

void RowReplay::Note(const LoggedEvent& logged) {
  ++counts_.events;
  log_hash_ = StableHash(LogPlaceOf(logged), log_hash_);
  state_->Add(logged);
  const Event& event = logged.event;
  if (event.kind == EventKind::kInteraction) return NoteAction(logged);
  if (event.kind != EventKind::kRanking || options_.rows != RowOptions::Rows::kRankings) return;
  if (event.items.size() < static_cast<std::size_t>(options_.items_min)) {
    ++counts_.few_items;
    return;
  }
  if (IsBelowHorizon(logged)) {
    ++counts_.too_early;
    return;
  }
  NoteRow(logged, HashOfId(event.id));
}

void RowReplay::NoteAction(const LoggedEvent& logged) {
  const Event& event = logged.event;
  const std::optional<ActionMeaning> meaning = MeaningOf(event.type);
  if (options_.rows == RowOptions::Rows::kRetrieved) {
    if (event.user.empty() && !options_.anonymous_sessions) return;
    return actions_.Note(logged, meaning);
  }
  if (!meaning.has_value()) return;
  if (options_.rows == RowOptions::Rows::kActions) {
    NoteRow(logged, 0);
  } else if (!event.ranking.empty()) {
    answers_[HashOfId(event.ranking)].push_back(
        {event.event_time_ms, HashOfId(event.item), *meaning});
  }
}

std::optional<ActionMeaning> RowReplay::MeaningOf(const std::string& type) const {
  ActionMeaning meaning;
  const auto label = options_.labels.find(type);
  if (label != options_.labels.end()) meaning.label = static_cast<float>(label->second);
  for (std::size_t h = 0; h < options_.heads.size(); ++h) {
    const std::vector<std::string>& actions = options_.heads[h].actions;
    if (std::find(actions.begin(), actions.end(), type) != actions.end()) {
      meaning.heads |= std::uint32_t{1} << h;
    }
  }
  if (label == options_.labels.end() && meaning.heads == 0) return std::nullopt;
  return meaning;
}

void RowReplay::NoteMoments(std::int64_t end_ms) {
  const std::int64_t window_ms = options_.attribution_window_ms;
  moments_ = options_.moments_every_ms > 0
                 ? actions_.TakeEvery(options_.moments_every_ms, end_ms - window_ms, window_ms)
                 : actions_.Take();
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const std::int64_t time_ms = moments_[i].event_time_ms;
    noted_.push_back({{time_ms, time_ms, moments_[i].position, i}, "", 0});
  }
}

void RowReplay::NoteRow(const LoggedEvent& logged, std::uint64_t id) {
  const Event& event = logged.event;
  noted_.push_back(
      {{event.event_time_ms, NowOf(event), logged.position, id}, event.session, event.step});
}

void RowReplay::SortRows() {
  std::sort(noted_.begin(), noted_.end(), [](const NotedRow& a, const NotedRow& b) {
    return std::tie(a.row.event_time_ms, a.session, a.step, a.row.position) <
           std::tie(b.row.event_time_ms, b.session, b.step, b.row.position);
  });
  rows_.reserve(noted_.size());
  for (const NotedRow& noted : noted_) rows_.push_back(noted.row);
  noted_ = {};
}

void RowReplay::RetrieveFrom(std::int64_t from_ms, RetrieveCandidates retrieve) {
  std::erase_if(rows_, [&](const Row& row) { return row.event_time_ms < from_ms; });
  retrieve_ = std::move(retrieve);
}

void RowReplay::LearnFrom(std::int64_t from_ms, LearnedBefore learned_before) {
  std::erase_if(rows_, [&](const Row& row) { return row.now_ms < from_ms; });
  learned_before_ = std::move(learned_before);
}

void RowReplay::StartFrom(std::int64_t from_ms) {
  std::erase_if(
      rows_, [&](const Row& row) { return row.now_ms < from_ms || row.event_time_ms < from_ms; });
}

void RowReplay::LeaveOutOpenWindows(std::int64_t end_ms) {
  if (options_.rows == RowOptions::Rows::kActions) return;
  counts_.window_open += std::erase_if(rows_, [&](const Row& row) {
    return row.event_time_ms > end_ms - options_.attribution_window_ms;
  });
}

void RowReplay::LeaveOutBefore(std::int64_t since_ms) {
  if (since_ms == kSinceForEverMs) return;
  // An imported row reads as of the millisecond before its own: that lies within, too.
  const std::int64_t reach_ms =
      std::max<std::int64_t>({2, plan_->reach_ms(), options_.history_reach_ms});
  counts_.too_early +=
      std::erase_if(rows_, [&](const Row& row) { return row.now_ms - since_ms < reach_ms - 1; });
}

absl::Status RowReplay::LeaveOutUnanswered() {
  if (options_.rows != RowOptions::Rows::kRankings) return absl::OkStatus();
  std::vector<Row> answered;
  ReplayedRequest replayed;
  for (const Row& row : rows_) {
    if (!answers_.contains(row.id)) continue;
    bool is_answered = false;
    FOURFOLD_RETURN_IF_ERROR(
        store_->ScanLog(row.position, row.position + 1, [&](const LoggedEvent& logged) {
          Label(logged.event, &replayed);
          const auto is_positive = [](auto value) { return value > 0; };
          is_answered =
              std::any_of(replayed.labels.begin(), replayed.labels.end(), is_positive) ||
              std::any_of(replayed.outcomes.begin(), replayed.outcomes.end(), is_positive);
          return false;
        }));
    if (is_answered) answered.push_back(row);
  }
  counts_.unanswered = rows_.size() - answered.size();
  rows_ = std::move(answered);
  return absl::OkStatus();
}

void RowReplay::ClearLabels(std::size_t candidates, ReplayedRequest* replayed) const {
  replayed->labels.assign(candidates, 0);
  replayed->outcomes.assign(options_.heads.empty() ? 0 : candidates, 0);
}

void RowReplay::AddLabel(const ActionMeaning& meaning, std::size_t candidate,
                         ReplayedRequest* replayed) const {
  float& label = replayed->labels[candidate];
  label = std::max(label, meaning.label);
  if (!options_.heads.empty()) replayed->outcomes[candidate] |= meaning.heads;
}

void RowReplay::Label(const Event& event, ReplayedRequest* replayed) const {
  if (event.kind == EventKind::kInteraction) {
    ClearLabels(1, replayed);
    return AddLabel(MeaningOf(event.type).value_or(ActionMeaning()), 0, replayed);
  }
  ClearLabels(event.items.size(), replayed);
  const auto answers = answers_.find(HashOfId(event.id));
  if (answers == answers_.end()) return;
  for (const Answer& answer : answers->second) {
    const std::int64_t after_ms = answer.event_time_ms - event.event_time_ms;
    if (after_ms < 0 || after_ms > options_.attribution_window_ms) continue;
    for (std::size_t c = 0; c < event.items.size(); ++c) {
      if (HashOfId(event.items[c].item) == answer.item) AddLabel(answer.meaning, c, replayed);
    }
  }
}

absl::Status RowReplay::Retrieve(const Row& row, ReplayedRequest* replayed) const {
  FOURFOLD_CHECK(retrieve_ != nullptr);
  std::vector<FeatureCandidate>& candidates = replayed->request.candidates;
  FOURFOLD_RETURN_IF_ERROR(retrieve_(replayed->request, &candidates));
  Moments::Outcome outcome;
  actions_.OutcomeOf(moments_[row.id], options_.attribution_window_ms, &outcome);
  replayed->relevant =
      static_cast<std::size_t>(std::count_if(outcome.begin(), outcome.end(), [](const auto& entry) {
        return entry.second.has_value() && entry.second->label > 0;
      }));
  std::erase_if(candidates, [&](const FeatureCandidate& candidate) {
    const auto found = outcome.find(HashOfId(candidate.item));
    return found != outcome.end() && !found->second.has_value();
  });
  ClearLabels(candidates.size(), replayed);
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const auto found = outcome.find(HashOfId(candidates[c].item));
    if (found != outcome.end()) AddLabel(*found->second, c, replayed);
  }
  return absl::OkStatus();
}

// Histories go on past the end, so what is read of them must not. Neither do the earlier steps of
// an imported row's session, which reach a millisecond past its read point: it happened at the end
// at the latest, and what was known by then is known at the end.
void RowReplay::SetReadPoint(const LoggedEvent& logged, FeatureRequest* request) const {
  const Event& event = logged.event;
  request->now_ms = NowOf(event);
  ReadPoint& at = request->at;
  if (event.kind == EventKind::kRanking && IsServed(event)) {
    at = ReadPoint();
    at.as_of_ms = event.served_from.as_of_ms;
    at.known_at_ms = event.served_from.known_at_ms;
    at.position_end = event.served_from.position_end;
  } else {
    at = BeforeRow(LineOf(logged));
  }
  at.as_of_ms = std::min(at.as_of_ms, end_.as_of_ms);
  at.known_at_ms = std::min(at.known_at_ms, end_.known_at_ms);
  at.position_end = std::min(at.position_end, end_.position_end);
}

bool RowReplay::IsBelowHorizon(const LoggedEvent& logged) const {
  if (store_->HorizonMs() == kSinceForEverMs) return false;
  FeatureRequest request;
  SetReadPoint(logged, &request);
  return absl::IsOutOfRange(store_->CheckReach(request.at, request.at.as_of_ms));
}

void RowReplay::SetLearned(FeatureRequest* request) const {
  if (learned_before_ != nullptr) request->learned = learned_before_(request->now_ms);
}

absl::Status RowReplay::Read(std::size_t row, ReplayedRequest* replayed,
                             FeatureTable* table) const {
  const Position position = rows_[row].position;
  absl::Status status = NotFound("the event at position ", position, " was erased meanwhile");
  FOURFOLD_RETURN_IF_ERROR(store_->ScanLog(position, position + 1, [&](const LoggedEvent& logged) {
    const Event& event = logged.event;
    FeatureRequest& request = replayed->request;
    replayed->id = event.id;
    request.user = event.user;
    request.session = event.session;
    request.surface = event.surface;
    request.fields = RequestFieldsOf(event);
    if (options_.rows == RowOptions::Rows::kRetrieved) {
      // What the action itself says is not known before it.
      request.fields.clear();
      SetReadPoint(logged, &request);
      if (options_.moments_every_ms > 0) SetRegularReadPoint(rows_[row].now_ms, end_, &request);
      SetLearned(&request);
      status = Retrieve(rows_[row], replayed);
      if (status.ok()) status = ReadUnchanging(*plan_, *store_, *state_, request, table);
      return false;
    }
    request.candidates.clear();
    SetReadPoint(logged, &request);
    SetLearned(&request);
    if (event.kind == EventKind::kInteraction) {
      // What the action itself says is not known before it.
      request.fields.clear();
      request.candidates.push_back({event.item, {}, 0});
    }
    for (std::size_t c = 0; c < event.items.size(); ++c) {
      request.candidates.push_back(
          {event.items[c].item, event.items[c].fields, static_cast<int>(c) + 1});
    }
    Label(event, replayed);
    status = ReadUnchanging(*plan_, *store_, *state_, request, table);
    return false;
  }));
  return status;
}

}  // namespace fourfold
