#include "server/trainer.h"

#include <string_view>
#include <utility>

#include "base/strings.h"
#include "server/background.h"

namespace fourfold {

absl::Status Trainer::Start(bool activate) {
  const MutexLock lock(&mutex_);
  if (cancelled_.load(std::memory_order_relaxed)) {
    return absl::UnavailableError("the server is stopping");
  }
  if (view_.state == TrainingView::State::kRunning) {
    return FailedPrecondition("a training is running already; GET /v1/servables tells how far");
  }
  if (thread_.joinable()) thread_.join();  // it has told its end, and does nothing after
  view_ = TrainingView();
  view_.state = TrainingView::State::kRunning;
  view_.stage = "starting";
  view_.started_at_ms = engine_.NowMs();
  thread_ = std::thread([this, activate] { Run(activate); });
  return absl::OkStatus();
}

TrainingView Trainer::View() const {
  const MutexLock lock(&mutex_);
  return view_;
}

void Trainer::Stop() {
  Cancel();
  std::thread thread;
  {
    const MutexLock lock(&mutex_);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void Trainer::Run(bool activate) {
  YieldToRequests();
  TrainRequest request;
  request.progress = [this](std::string_view stage, double done) {
    const MutexLock lock(&mutex_);
    view_.stage = stage;
    view_.done = done;
  };
  request.note = [this](std::string_view note) {
    const MutexLock lock(&mutex_);
    if (view_.notes.size() < kNotesMax) view_.notes.emplace_back(note);
  };
  request.is_cancelled = [this] { return cancelled_.load(std::memory_order_relaxed); };
  const absl::StatusOr<std::string> version = engine_.Train(request);
  absl::Status status = version.status();
  if (version.ok() && activate) status = engine_.Activate(*version);

  const MutexLock lock(&mutex_);
  using State = TrainingView::State;
  view_.stage.clear();
  view_.done = 0;
  view_.ended_at_ms = engine_.NowMs();
  if (version.ok()) view_.servable = *version;
  if (status.ok()) {
    view_.state = activate ? State::kActive : State::kPublished;
  } else if (absl::IsCancelled(status)) {
    view_.state = State::kCancelled;
  } else {
    view_.state = State::kFailed;
    view_.problem = MessageOf(status);
  }
}

}  // namespace fourfold
