#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_impl.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/stored_state.h"
#include "servable/learned_items.h"

// What was served, held against what the event store's histories say of the same moment.
namespace fourfold {
namespace {

std::string TextOf(float value) {
  if (std::isnan(value)) {
    const bool is_ours =
        std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(kNoFeature);
    return is_ours ? "none" : "none, of other bits";
  }
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  return {text, end.ptr};
}

std::string ActionText(const FeatureSequence& sequence, std::size_t place) {
  if (place >= sequence.items.size()) return "none";
  std::string text = StrCat(sequence.types[place], " of ", sequence.items[place], " at ",
                            sequence.event_times_ms[place]);
  for (const std::vector<float>& field : sequence.fields) {
    StrAppend(&text, ", ", place < field.size() ? TextOf(field[place]) : "none");
  }
  return text;
}

// Compares requests one by one and gathers what differs.
class SkewCheck {
 public:
  explicit SkewCheck(SkewReport* report) : report_(report) {}

  void Start(const ServedScores& served) {
    served_ = &served;
    report_->last_ms = served.request.at.as_of_ms;
    if (report_->requests++ == 0) report_->first_ms = report_->last_ms;
  }

  void CompareColumn(const std::string& feature, const std::vector<float>& logged,
                     const std::vector<float>& recomputed, bool per_candidate) {
    for (std::size_t i = 0; i < std::max(logged.size(), recomputed.size()); ++i) {
      ++report_->values;
      const bool is_same =
          i < logged.size() && i < recomputed.size() &&
          std::bit_cast<std::uint32_t>(logged[i]) == std::bit_cast<std::uint32_t>(recomputed[i]);
      if (is_same) continue;
      const auto text = [i](const std::vector<float>& values) {
        return i < values.size() ? TextOf(values[i]) : "no such value";
      };
      Note(feature, per_candidate ? ItemAt(i) : "", text(logged), text(recomputed));
    }
  }

  void CompareSequence(const std::string& feature, const FeatureSequence& logged,
                       const FeatureSequence& recomputed) {
    for (std::size_t i = 0; i < std::max(logged.items.size(), recomputed.items.size()); ++i) {
      ++report_->values;
      if (IsSameAction(logged, recomputed, i)) continue;
      Note(feature, "", ActionText(logged, i), ActionText(recomputed, i));
    }
  }

  void Finish() { report_->differing_by_feature.assign(by_feature_.begin(), by_feature_.end()); }

 private:
  std::string ItemAt(std::size_t candidate) const {
    const std::vector<FeatureCandidate>& candidates = served_->request.candidates;
    return candidate < candidates.size() ? candidates[candidate].item : "";
  }

  static bool IsSameAction(const FeatureSequence& a, const FeatureSequence& b, std::size_t place) {
    if (place >= a.items.size() || place >= b.items.size() || a.items[place] != b.items[place] ||
        a.types[place] != b.types[place] || a.event_times_ms[place] != b.event_times_ms[place] ||
        a.fields.size() != b.fields.size()) {
      return false;
    }
    for (std::size_t f = 0; f < a.fields.size(); ++f) {
      if (place >= a.fields[f].size() || place >= b.fields[f].size() ||
          std::bit_cast<std::uint32_t>(a.fields[f][place]) !=
              std::bit_cast<std::uint32_t>(b.fields[f][place])) {
        return false;
      }
    }
    return true;
  }

  void Note(const std::string& feature, std::string item, std::string logged,
            std::string recomputed) {
    ++report_->differing;
    ++by_feature_[feature];
    if (report_->differences.size() == SkewReport::kDifferencesMax) return;
    const FeatureRequest& request = served_->request;
    report_->differences.push_back({.as_of_ms = request.at.as_of_ms,
                                    .user = request.user.empty() ? request.session : request.user,
                                    .servable = served_->servable,
                                    .feature = feature,
                                    .item = std::move(item),
                                    .logged = std::move(logged),
                                    .recomputed = std::move(recomputed)});
  }

  SkewReport* report_;
  const ServedScores* served_ = nullptr;
  std::map<std::string, std::uint64_t> by_feature_;
};

// The part of this number of those of equal size, as far as it is there.
std::vector<float> PartOf(const std::vector<float>& values, std::size_t number, std::size_t size) {
  const std::size_t begin = std::min(values.size(), number * size);
  const std::size_t end = std::min(values.size(), begin + size);
  return {values.begin() + static_cast<std::ptrdiff_t>(begin),
          values.begin() + static_cast<std::ptrdiff_t>(end)};
}

// Reads and scores anew what was served, and compares.
absl::Status Verify(const TrainedRanker& ranker, const StoredState& source, ServedScores served,
                    const std::shared_ptr<const LearnedItems>& learned, SkewCheck* check) {
  const FeaturePlan& plan = *ranker.plan;
  served.request.learned = learned;
  FeatureTable table;
  FOURFOLD_RETURN_IF_ERROR(ReadFeatures(plan, source, served.request, &table));
  const std::size_t candidates = served.request.candidates.size();
  std::vector<float> predictions(ranker.heads() * candidates);
  TrainedRankerScratch scratch;
  ranker.Predict(served.request, table, &scratch, std::span<float>(predictions));

  check->Start(served);
  FeatureTable logged = served.table;
  logged.columns.resize(table.columns.size());
  logged.sequences.resize(table.sequences.size());
  for (std::size_t f = 0; f < table.columns.size(); ++f) {
    check->CompareColumn(plan.columns()[f].name, logged.columns[f], table.columns[f],
                         plan.columns()[f].per_candidate);
  }
  for (std::size_t s = 0; s < table.sequences.size(); ++s) {
    check->CompareSequence(plan.sequences()[s].name, logged.sequences[s], table.sequences[s]);
  }
  for (std::size_t h = 0; h < ranker.heads(); ++h) {
    const std::string feature =
        ranker.has_value_model() ? StrCat(kScoreFeature, " ", ranker.head(h)) : kScoreFeature;
    check->CompareColumn(feature, PartOf(served.predictions, h, candidates),
                         PartOf(predictions, h, candidates), /*per_candidate=*/true);
  }
  return absl::OkStatus();
}

// A servable that served, beside the histories as its features read them.
struct Served {
  std::shared_ptr<const Servable> servable;  // null: it cannot be loaded, or has no ranker
  std::unique_ptr<const StoredState> source;
  std::shared_ptr<const LearnedItems> learned;
};

}  // namespace

absl::StatusOr<SkewReport> Engine::VerifySkew() const {
  SkewReport report;
  SkewCheck check(&report);
  std::map<std::string, Served> servables;
  FOURFOLD_RETURN_IF_ERROR(
      ServedLog::Read(impl_->directory.served(), [&](const ServedScores& served) {
        const auto [place, is_new] = servables.try_emplace(served.servable);
        auto& [servable, source, learned] = place->second;
        if (is_new) {
          auto loaded = impl_->repository.Load(served.servable);
          if (loaded.ok() && (*loaded)->ranker != nullptr) {
            servable = *std::move(loaded);
            source = std::make_unique<const StoredState>(&servable->ranker->plan->schema(),
                                                         impl_->store.get());
            learned = LearnedItemsOf(servable);
          }
        }
        if (servable == nullptr) {
          ++report.without_ranker;
          return absl::OkStatus();
        }
        absl::Status status = Verify(*servable->ranker, *source, served, learned, &check);
        if (!absl::IsOutOfRange(status)) return status;
        ++report.below_horizon;
        return absl::OkStatus();
      }));
  check.Finish();
  return report;
}

}  // namespace fourfold
