#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/byte_sink.h"
#include "data/event_json.h"
#include "data/limits.h"
#include "data/timestamp.h"
#include "engine/engine_impl.h"
#include "fourfold/engine.h"

// What goes out of an engine as a file of lines.
namespace fourfold {
namespace {

std::string SlateLine(std::string_view user, const std::vector<Recommender::ScoredItem>& slate,
                      std::string_view servable, std::string_view as_of) {
  nlohmann::json items = nlohmann::json::array();
  for (const Recommender::ScoredItem& scored : slate) {
    items.push_back({{"item", scored.item}, {"score", scored.score}});
  }
  const nlohmann::json line = {
      {"user", user}, {"items", std::move(items)}, {"servable", servable}, {"as_of", as_of}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// Slates of many users by all processors, in the order of the users.
class BatchRun {
 public:
  BatchRun(const Recommender& recommender, const BoundSurfaces& bound, std::string servable,
           const ReadPoint& at, int limit)
      : recommender_(recommender),
        bound_(bound),
        servable_(std::move(servable)),
        at_(at),
        as_of_(FormatTimestamp(at.as_of_ms)),
        limit_(limit) {}

  absl::StatusOr<std::string> Answer(std::span<const std::string> users) const {
    const std::size_t threads =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, users.size());
    std::vector<std::string> lines(users.size());
    std::vector<absl::Status> statuses(threads);
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> workers;
    for (std::size_t worker = 0; worker < threads; ++worker) {
      workers.emplace_back([&, worker] {
        std::vector<Recommender::ScoredItem> slate;
        for (std::size_t i = next++; i < users.size() && statuses[worker].ok(); i = next++) {
          Recommender::AsOfRequest request;
          request.user = users[i];
          request.at = at_;
          request.limit = limit_;
          statuses[worker] = recommender_.RecommendAsOf(request, bound_, &slate);
          lines[i] = SlateLine(users[i], slate, servable_, as_of_);
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
    for (const absl::Status& status : statuses) FOURFOLD_RETURN_IF_ERROR(status);
    std::string all;
    for (const std::string& line : lines) all += line;
    return all;
  }

 private:
  const Recommender& recommender_;
  const BoundSurfaces& bound_;
  const std::string servable_;
  const ReadPoint at_;
  const std::string as_of_;
  const int limit_;
};

// Leaves out users of whom nothing is retained, whether it is removed by now or not.
absl::Status LeaveOutForgotten(const EventStore& store, const ReadPoint& at,
                               std::vector<std::string>* users) {
  std::vector<std::string> known;
  for (std::string& user : *users) {
    FOURFOLD_ASSIGN_OR_RETURN(const EntityAsOf facts, store.ReadUser(user, at));
    std::vector<HistoryEntry> newest;
    if (!facts.exists) {
      FOURFOLD_RETURN_IF_ERROR(
          store.ReadHistory({.user = user, .limit = 1, .impressions = true}, at, &newest));
    }
    if (facts.exists || !newest.empty()) known.push_back(std::move(user));
  }
  *users = std::move(known);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::uint64_t> Engine::RecommendAllUsers(
    const std::string& output_path, int limit, const std::function<void(double done)>& progress) {
  if (limit < 1 || limit > limits::kSlateLimitMax) {
    return InvalidArgument("limit: must lie between 1 and ", limits::kSlateLimitMax);
  }
  const std::shared_ptr<const Servable> servable = impl_->active();
  if (servable == nullptr) {
    return FailedPrecondition("no servable is active; train and activate one first");
  }
  const std::shared_ptr<const LiveRanker> serving = impl_->ranker();
  if ((serving == nullptr) != (servable->ranker == nullptr) ||
      (serving != nullptr && serving->version != servable->manifest.version)) {
    return FailedPrecondition("another servable is becoming active; try again");
  }
  std::shared_ptr<LiveRanker> ranker;
  if (serving != nullptr) {
    ranker = std::make_shared<LiveRanker>(*serving);
    ranker->log = nullptr;  // nobody is served: it would push out what was
  }
  FOURFOLD_ASSIGN_OR_RETURN(const std::shared_ptr<const BoundSurfaces> bound,
                            impl_->recommender->Bind(servable, std::move(ranker)));
  std::vector<std::string> users;
  FOURFOLD_RETURN_IF_ERROR(impl_->store->ScanUsers([&](std::string_view user) {
    users.emplace_back(user);
    return true;
  }));
  const ReadPoint at = impl_->store->Now();
  if (impl_->recipe.retain_ms > 0) {
    FOURFOLD_RETURN_IF_ERROR(LeaveOutForgotten(*impl_->store, at, &users));
  }
  FOURFOLD_ASSIGN_OR_RETURN(const auto file, ByteSink::Create(output_path));
  const BatchRun run(*impl_->recommender, *bound, servable->manifest.version, at, limit);
  constexpr std::size_t kChunk = 1024;
  for (std::size_t begin = 0; begin < users.size(); begin += kChunk) {
    const std::size_t count = std::min(kChunk, users.size() - begin);
    FOURFOLD_ASSIGN_OR_RETURN(const std::string lines,
                              run.Answer(std::span(users).subspan(begin, count)));
    FOURFOLD_RETURN_IF_ERROR(file->Write(lines));
    if (progress) {
      progress(static_cast<double>(begin + count) / static_cast<double>(users.size()));
    }
  }
  FOURFOLD_RETURN_IF_ERROR(file->Finish());
  return users.size();
}

absl::StatusOr<std::uint64_t> Engine::ExportEvents(const std::string& output_path) const {
  FOURFOLD_ASSIGN_OR_RETURN(const auto file, ByteSink::Create(output_path));
  std::uint64_t events = 0;
  const std::int64_t horizon_ms = impl_->store->HorizonMs();
  absl::Status written;
  FOURFOLD_RETURN_IF_ERROR(
      impl_->store->ScanLog(0, impl_->store->EndPosition(), [&](const LoggedEvent& logged) {
        Event event = logged.event;
        const bool is_fact = event.kind == EventKind::kItem || event.kind == EventKind::kUser;
        // Not yet removed.
        if (!is_fact && event.event_time_ms < horizon_ms) return true;
        if (event.kind == EventKind::kUser) {
          // What retention left of an action that named its session's user.
          event.tie_group.clear();
          event.step = 0;
        }
        written = file->Write(EventToJson(event) + "\n");
        ++events;
        return written.ok();
      }));
  FOURFOLD_RETURN_IF_ERROR(written);
  FOURFOLD_RETURN_IF_ERROR(file->Finish());
  return events;
}

}  // namespace fourfold
