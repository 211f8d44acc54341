#include "simulation/log_simulation.h"

#include <limits>
#include <vector>

#include "base/status_macros.h"
#include "simulation/event_line.h"
#include "simulation/logging_policy.h"

namespace fourfold::simulation {
namespace {

constexpr std::uint64_t kLinesPerProgress = 100'000;

// Writes moments as they come.
class LogWriter {
 public:
  LogWriter(const LogSimulationOptions& options, ByteSink* log, TruthWriter* truth)
      : options_(options),
        policy_(options.world.slates),
        delivery_(options.world.delivery, options.seed, log),
        truth_(truth) {}

  absl::Status Write(const Moment& moment, World* world) {
    switch (moment.kind) {
      case Moment::Kind::kDay:
        return truth_ == nullptr ? absl::OkStatus()
                                 : truth_->AddDay(moment.time_ms, world->trend());
      case Moment::Kind::kItemBorn:
        ++report_.items;
        AppendItemBorn(moment.item, moment.time_ms, delivery_.line());
        if (truth_ != nullptr) {
          FOURFOLD_RETURN_IF_ERROR(truth_->AddItem(moment.time_ms, moment.item));
        }
        return Deliver(moment);
      case Moment::Kind::kItemDied:
        AppendItemDied(moment.item, moment.time_ms, delivery_.line());
        return Deliver(moment);
      case Moment::Kind::kUserArrived:
        ++report_.users;
        AppendUserArrived(*moment.user, moment.time_ms, delivery_.line());
        return Deliver(moment);
      case Moment::Kind::kSessionStarted:
        ++report_.sessions;
        return truth_ == nullptr ? absl::OkStatus()
                                 : truth_->AddSession(*moment.session, *moment.user);
      case Moment::Kind::kSlateDue:
        return WriteSlate(moment, world);
      case Moment::Kind::kAction:
        ++report_.actions[static_cast<std::size_t>(moment.action.kind)];
        report_.last_ms = moment.time_ms;
        AppendAction(moment.action, *moment.session, moment.time_ms, "", delivery_.line());
        return delivery_.DeliverUnreliably(moment.time_ms);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<LogSimulationReport> Finish() {
    FOURFOLD_RETURN_IF_ERROR(delivery_.Finish());
    report_.log = delivery_.counts();
    report_.first_ms = options_.world.start_ms;
    return report_;
  }

  // Also those that are on their way.
  std::uint64_t lines() const { return delivery_.counts().lines + delivery_.under_way(); }

 private:
  absl::Status Deliver(const Moment& moment) {
    report_.last_ms = moment.time_ms;
    return delivery_.Deliver(moment.time_ms);
  }

  absl::Status WriteSlate(const Moment& moment, World* world) {
    ++report_.slates;
    report_.last_ms = moment.time_ms;
    policy_.Choose(*world, moment, &slate_);
    const ShownSlate& shown = world->Show(slate_);
    if (truth_ != nullptr) FOURFOLD_RETURN_IF_ERROR(truth_->AddSlate(shown));
    AppendRanking(shown, delivery_.line());
    return delivery_.DeliverUnreliably(shown.time_ms);
  }

  const LogSimulationOptions& options_;
  LoggingPolicy policy_;
  Delivery delivery_;
  TruthWriter* truth_;
  std::vector<PlacedItem> slate_;
  LogSimulationReport report_;
};

}  // namespace

absl::StatusOr<LogSimulationReport> SimulateLog(const LogSimulationOptions& options, ByteSink* log,
                                                TruthWriter* truth) {
  World world(options.world, options.seed);
  LogWriter writer(options, log, truth);
  if (truth != nullptr) {
    FOURFOLD_RETURN_IF_ERROR(truth->Begin(world, options.seed, options.recipe));
  }
  const std::int64_t until_ms =
      options.events.has_value() ? std::numeric_limits<std::int64_t>::max() : world.end_ms();
  const auto done = [&](std::int64_t now_ms) {
    if (options.events.has_value()) {
      return static_cast<double>(writer.lines()) / static_cast<double>(*options.events);
    }
    return static_cast<double>(now_ms - options.world.start_ms) /
           static_cast<double>(until_ms - options.world.start_ms);
  };
  std::uint64_t next_progress = kLinesPerProgress;
  while (!options.events.has_value() || writer.lines() < *options.events) {
    const Moment* moment = world.Next(until_ms);
    if (moment == nullptr) break;
    const std::int64_t now_ms = moment->time_ms;
    FOURFOLD_RETURN_IF_ERROR(writer.Write(*moment, &world));
    if (options.progress && writer.lines() >= next_progress) {
      next_progress += kLinesPerProgress;
      options.progress(done(now_ms));
    }
  }
  FOURFOLD_ASSIGN_OR_RETURN(const LogSimulationReport report, writer.Finish());
  FOURFOLD_RETURN_IF_ERROR(log->Finish());
  if (truth != nullptr) FOURFOLD_RETURN_IF_ERROR(truth->Finish());
  return report;
}

}  // namespace fourfold::simulation
