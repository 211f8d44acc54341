#include "offline/evaluation/ranker_exam.h"

#include <algorithm>
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
  std::vector<ShownListMethod> predicted(ranker.heads(), {"head", {}});
  std::vector<std::vector<float>> outcomes(ranker.has_value_model() ? ranker.heads() : 0);
  Users users;
  ReplayedRequest replayed;
  FeatureTable table;
  TrainedRankerScratch scratch;
  std::vector<float> predictions, scores;
  for (std::size_t row = 0; row < replay.size(); ++row) {
    if (replay.event_time_ms(row) < from_ms) continue;
    FOURFOLD_RETURN_IF_ERROR(replay.Read(row, &replayed, &table));
    if (replayed.labels.empty()) continue;
    const std::size_t candidates = replayed.labels.size();
    predictions.resize(ranker.heads() * candidates);
    ranker.Predict(replayed.request, table, &scratch, std::span<float>(predictions));
    scores.resize(candidates);
    ranker.Score(predictions, ranker.values, std::span<float>(scores));
    for (std::size_t h = 0; h < outcomes.size(); ++h) {
      for (std::size_t c = 0; c < candidates; ++c) {
        predicted[h].scores.push_back(predictions[h * candidates + c]);
        outcomes[h].push_back(static_cast<float>(replayed.outcomes[c] >> h & 1u));
      }
    }
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
  std::vector<ShownListMethod> methods = {{"list order", std::vector<float>(lists.label.size(), 0)},
                                          std::move(ranked)};
  FOURFOLD_ASSIGN_OR_RETURN(exam.result, EvaluateShownLists(lists, methods, options));
  methods.emplace_back();
  for (std::size_t h = 0; h < outcomes.size(); ++h) {
    RankerExam::Head& head = exam.heads.emplace_back();
    head.head = ranker.head(h);
    lists.label = std::move(outcomes[h]);
    if (std::count(lists.label.begin(), lists.label.end(), 1.0F) == 0) continue;
    methods.back() = std::move(predicted[h]);
    FOURFOLD_ASSIGN_OR_RETURN(head.result, EvaluateShownLists(lists, methods, options));
  }
  return exam;
}

}  // namespace fourfold
