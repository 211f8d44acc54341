#include "offline/evaluation/ranker_exam.h"

#include <span>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

// Numbers users in the order in which they are met.
class Users {
 public:
  std::uint32_t NumberOf(const std::string& user) {
    if (user.empty()) return next_++;
    const auto [place, is_new] = numbers_.emplace(user, next_);
    if (is_new) ++next_;
    return place->second;
  }
  std::uint32_t count() const { return next_; }

 private:
  StringMap<std::uint32_t> numbers_;
  std::uint32_t next_ = 0;
};

}  // namespace

absl::StatusOr<RankerExam> JudgeRanker(const RowReplay& replay, const TrainedRanker& ranker,
                                       std::int64_t from_ms, const ShownListOptions& options,
                                       const std::function<void(double done)>& progress) {
  ShownLists lists;
  ShownListMethod ranked{"ranker", {}};
  Users users;
  ReplayedRequest replayed;
  FeatureTable table;
  TrainedRankerScratch scratch;
  std::vector<float> scores;
  for (std::size_t row = 0; row < replay.size(); ++row) {
    if (replay.event_time_ms(row) < from_ms) continue;
    FOURFOLD_RETURN_IF_ERROR(replay.Read(row, &replayed, &table));
    if (replayed.labels.empty()) continue;
    scores.resize(replayed.labels.size());
    ranker.Score(replayed.request, table, &scratch, std::span<float>(scores));
    ranked.scores.insert(ranked.scores.end(), scores.begin(), scores.end());
    lists.label.insert(lists.label.end(), replayed.labels.begin(), replayed.labels.end());
    lists.row_end.push_back(static_cast<std::uint32_t>(lists.label.size()));
    lists.user.push_back(users.NumberOf(replayed.request.user));
    if (progress && row % 256 == 0) {
      progress(static_cast<double>(row) / static_cast<double>(replay.size()));
    }
  }
  if (lists.row_end.empty()) return InvalidArgument("no request is left to test");
  RankerExam exam;
  exam.users = users.count();
  // Equal scores stay in the order shown.
  const std::vector<ShownListMethod> methods = {
      {"list order", std::vector<float>(lists.label.size(), 0)}, std::move(ranked)};
  FOURFOLD_ASSIGN_OR_RETURN(exam.result, EvaluateShownLists(lists, methods, options));
  return exam;
}

}  // namespace fourfold
