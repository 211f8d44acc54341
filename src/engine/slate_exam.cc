#include "engine/slate_exam.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "math/bootstrap.h"
#include "offline/evaluation/ranking_metrics.h"
#include "simulation/truth_file.h"

namespace fourfold {
namespace {

constexpr std::size_t kSlatesMax = 20'000;
constexpr RankingMetric kMetric{MetricKind::kNdcg, 10};
// Columns of the values: what the methods stand between, and then the methods.
constexpr std::size_t kPopularity = 0;
constexpr std::size_t kTruth = 1;
constexpr std::size_t kFirstMethod = 2;

// A slate of the log; places of items are 0, 1, ... throughout.
struct HeldSlate {
  std::string ranking;
  std::string user;
  std::string session;
  std::int64_t time_ms = 0;
  std::vector<std::string> items;
  std::vector<char> acted;        // by place
  std::vector<double> true_odds;  // by place: chance of an action that counts, if looked at
};

class SlateExam {
 public:
  SlateExam(const Learning& learning, const EvaluationRecipe& evaluation, const Exam& exam,
            const Examinee& examinee)
      : learning_(learning), evaluation_(evaluation), exam_(exam), examinee_(examinee) {}

  absl::Status Read(const std::string& truth_path) {
    ChooseKinds();
    FOURFOLD_RETURN_IF_ERROR(ReadLog());
    Sample();
    if (slates_.empty()) return InvalidArgument("no slate after the cut got an action that counts");
    return ReadTruth(truth_path);
  }

  absl::StatusOr<SlateReport> Judge(const std::vector<EvaluationMethod>& methods,
                                    const BlendSpec& blend, int resamples);

 private:
  void ChooseKinds() {
    const std::vector<std::string>& types = evaluation_.action_types.empty()
                                                ? learning_.recipe.training.action_types
                                                : evaluation_.action_types;
    for (std::size_t kind = 0; kind < simulation::kActionKinds; ++kind) {
      const std::string name(simulation::kActionNames[kind]);
      counts_[kind] = types.empty() || std::find(types.begin(), types.end(), name) != types.end();
    }
  }

  bool Counts(std::string_view type) const {
    for (std::size_t kind = 0; kind < simulation::kActionKinds; ++kind) {
      if (counts_[kind] && simulation::kActionNames[kind] == type) return true;
    }
    return false;
  }

  // The slates from the cut on with an action that counts.
  absl::Status ReadLog() {
    const std::int64_t end_ms =
        evaluation_.end_ms.value_or(std::numeric_limits<std::int64_t>::max());
    StringMap<std::vector<std::string>> acted;  // ranking -> items
    FOURFOLD_RETURN_IF_ERROR(
        learning_.store.ScanLog(0, learning_.at.position_end, [&](const LoggedEvent& logged) {
          const Event& event = logged.event;
          if (event.kind == EventKind::kInteraction && Counts(event.type)) {
            if (event.event_time_ms >= *evaluation_.cut_ms && !event.ranking.empty()) {
              acted[event.ranking].push_back(event.item);
            }
          }
          if (event.kind != EventKind::kRanking || event.event_time_ms < *evaluation_.cut_ms ||
              event.event_time_ms >= end_ms) {
            return true;
          }
          HeldSlate slate{.ranking = event.id,
                          .user = event.user,
                          .session = event.session,
                          .time_ms = event.event_time_ms,
                          .items = {},
                          .acted = {},
                          .true_odds = {}};
          for (const RankedItem& item : event.items) slate.items.push_back(item.item);
          slates_.push_back(std::move(slate));
          return true;
        }));
    for (HeldSlate& slate : slates_) {
      slate.acted.resize(slate.items.size());
      const auto found = acted.find(slate.ranking);
      if (found == acted.end()) continue;
      for (const std::string& item : found->second) {
        const auto place = std::find(slate.items.begin(), slate.items.end(), item);
        if (place != slate.items.end()) slate.acted[place - slate.items.begin()] = 1;
      }
    }
    std::erase_if(slates_, [](const HeldSlate& slate) {
      return std::find(slate.acted.begin(), slate.acted.end(), 1) == slate.acted.end();
    });
    return absl::OkStatus();
  }

  // A fixed choice, whatever the order of the log.
  void Sample() {
    found_ = slates_.size();
    std::sort(slates_.begin(), slates_.end(), [](const HeldSlate& a, const HeldSlate& b) {
      return std::pair(StableHash(a.ranking), a.ranking) <
             std::pair(StableHash(b.ranking), b.ranking);
    });
    if (slates_.size() > kSlatesMax) slates_.resize(kSlatesMax);
  }

  absl::Status ReadTruth(const std::string& path) {
    FOURFOLD_ASSIGN_OR_RETURN(const auto reader, simulation::TruthReader::Open(path));
    StringMap<HeldSlate*> wanted;
    for (HeldSlate& slate : slates_) wanted[slate.ranking] = &slate;
    while (true) {
      FOURFOLD_ASSIGN_OR_RETURN(const std::optional<simulation::TruthRecord> record,
                                reader->Next());
      if (!record.has_value()) break;
      const auto* truth = std::get_if<simulation::TruthSlate>(&*record);
      if (truth == nullptr) continue;
      const auto found = wanted.find(StrCat("r", truth->ranking));
      if (found == wanted.end()) continue;
      FOURFOLD_RETURN_IF_ERROR(TakeTruth(path, reader->world(), *truth, found->second));
    }
    for (const HeldSlate& slate : slates_) {
      if (slate.true_odds.empty()) {
        return InvalidArgument(path, ": does not know the slate ", slate.ranking, " of the log");
      }
    }
    DropTheDead();
    return absl::OkStatus();
  }

  absl::Status TakeTruth(const std::string& path, const simulation::TruthWorld& world,
                         const simulation::TruthSlate& truth, HeldSlate* slate) const {
    const bool same =
        truth.impressions.size() == slate->items.size() &&
        truth.impressions.size() <= world.looked_at.size() &&
        std::equal(slate->items.begin(), slate->items.end(), truth.impressions.begin(),
                   [](const std::string& item, const simulation::Impression& impression) {
                     return item == StrCat("i", impression.item);
                   });
    if (!same) {
      return InvalidArgument(path, ": the slate ", slate->ranking,
                             " holds other items there than in the log; is it another seed's?");
    }
    for (std::size_t place = 0; place < slate->items.size(); ++place) {
      slate->true_odds.push_back(
          simulation::ChanceOfAny(truth.impressions[place].probabilities, counts_) /
          world.looked_at[place]);
    }
    return absl::OkStatus();
  }

  // What the catalogue no longer holds cannot be ranked by anybody.
  void DropTheDead() {
    const Catalogue::ReadLock catalogue(learning_.catalogue);
    const auto exists = [&](const std::string& item) {
      const ItemIndex index = catalogue.Find(item);
      return index != kNoItem && catalogue.Exists(index);
    };
    for (HeldSlate& slate : slates_) {
      std::size_t kept = 0;
      for (std::size_t place = 0; place < slate.items.size(); ++place) {
        if (!exists(slate.items[place])) continue;
        std::swap(slate.items[kept], slate.items[place]);
        slate.acted[kept] = slate.acted[place];
        slate.true_odds[kept++] = slate.true_odds[place];
      }
      slate.items.resize(kept);
      slate.acted.resize(kept);
      slate.true_odds.resize(kept);
    }
    std::erase_if(slates_, [](const HeldSlate& slate) {
      return std::find(slate.acted.begin(), slate.acted.end(), 1) == slate.acted.end();
    });
  }

  // `order` holds places, best first.
  static double Value(const HeldSlate& slate, const std::vector<std::uint32_t>& order) {
    std::vector<std::uint32_t> relevant;
    for (std::uint32_t place = 0; place < slate.acted.size(); ++place) {
      if (slate.acted[place] != 0) relevant.push_back(place);
    }
    return RankingMetricValue(kMetric, HitRanks(order, relevant), relevant.size());
  }

  std::vector<std::uint32_t> ByPopularity(const HeldSlate& slate) const {
    std::vector<std::uint32_t> order(slate.items.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto rank = [&](std::uint32_t place) {
      // What the fit has never seen goes last, in an order that means nothing.
      const std::uint32_t number = examinee_.NumberOf(slate.items[place]);
      const bool known = number < exam_.servable->tie_rank.size();
      return std::pair(known ? exam_.servable->tie_rank[number] : kItemOutsideTable,
                       StableHash(slate.items[place]));
    };
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return rank(a) < rank(b); });
    return order;
  }

  static std::vector<std::uint32_t> ByTruth(const HeldSlate& slate,
                                            std::vector<std::uint32_t> order) {
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return slate.true_odds[a] > slate.true_odds[b];
    });
    return order;
  }

  absl::StatusOr<std::vector<std::uint32_t>> ByMethod(
      const HeldSlate& slate, const EvaluationMethod& method, const BlendSpec& blend,
      const std::vector<std::uint32_t>& rest) const {
    ReadPoint at;
    at.as_of_ms = slate.time_ms - 1;
    if (!IsKnownAtImport(learning_.recipe)) at.known_at_ms = slate.time_ms - 1;
    FOURFOLD_ASSIGN_OR_RETURN(const Examinee::Slate* ranked,
                              examinee_.Order(slate.items, slate.user, slate.session, at,
                                              method.blend ? std::string() : method.name, &blend));
    std::vector<std::uint32_t> order;
    for (const Recommender::ScoredItem& scored : *ranked) {
      const auto place = std::find(slate.items.begin(), slate.items.end(), scored.item);
      order.push_back(static_cast<std::uint32_t>(place - slate.items.begin()));
    }
    for (const std::uint32_t place : rest) {
      if (std::find(order.begin(), order.end(), place) == order.end()) order.push_back(place);
    }
    return order;
  }

  std::vector<std::uint32_t> Users() const {
    StringMap<std::uint32_t> numbers;
    std::vector<std::uint32_t> users;
    for (const HeldSlate& slate : slates_) {
      const std::string& user = slate.user.empty() ? slate.session : slate.user;
      const auto next = static_cast<std::uint32_t>(numbers.size());
      users.push_back(numbers.try_emplace(user, next).first->second);
    }
    return users;
  }

  const Learning& learning_;
  const EvaluationRecipe& evaluation_;
  const Exam& exam_;
  const Examinee& examinee_;
  std::array<bool, simulation::kActionKinds> counts_{};
  std::vector<HeldSlate> slates_;
  std::size_t found_ = 0;
};

MetricEstimate FromInterval(std::string name, const Interval& interval) {
  return {
      .name = std::move(name), .mean = interval.mean, .low = interval.low, .high = interval.high};
}

absl::StatusOr<SlateReport> SlateExam::Judge(const std::vector<EvaluationMethod>& methods,
                                             const BlendSpec& blend, int resamples) {
  if (learning_.progress) learning_.progress("ordering the slates", 0);
  const std::size_t columns = kFirstMethod + methods.size();
  std::vector<double> values(slates_.size() * columns);
  Mutex mutex;
  absl::Status status;
  ForEachPiece(slates_.size(), 64, 0, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const HeldSlate& slate = slates_[i];
      double* row = &values[i * columns];
      const std::vector<std::uint32_t> by_popularity = ByPopularity(slate);
      row[kPopularity] = Value(slate, by_popularity);
      row[kTruth] = Value(slate, ByTruth(slate, by_popularity));
      for (std::size_t m = 0; m < methods.size(); ++m) {
        const auto order = ByMethod(slate, methods[m], blend, by_popularity);
        if (!order.ok()) {
          const MutexLock lock(&mutex);
          status.Update(order.status());
          return;
        }
        row[kFirstMethod + m] = Value(slate, *order);
      }
    }
  });
  FOURFOLD_RETURN_IF_ERROR(status);

  const std::vector<std::uint32_t> users = Users();
  const BootstrapOptions options{.resamples = resamples};
  const std::vector<Interval> means = BootstrapMeans(values, columns, users, options);
  SlateReport report;
  report.slates = slates_.size();
  report.description =
      StrCat(slates_.size(), " of ", found_, " slates after the cut with an action that counts");
  const auto add = [&](const std::string& name, std::size_t column) {
    const Interval share = BootstrapOfMeans(
        values, columns, users,
        [&](std::span<const double> mean) {
          return (mean[column] - mean[kPopularity]) / (mean[kTruth] - mean[kPopularity]);
        },
        options);
    report.rows.push_back({.method = name,
                           .ndcg = FromInterval(RankingMetricName(kMetric), means[column]),
                           .share = FromInterval("share", share)});
  };
  for (std::size_t m = 0; m < methods.size(); ++m) add(methods[m].name, kFirstMethod + m);
  add("popularity", kPopularity);
  add("truth", kTruth);
  return report;
}

}  // namespace

absl::StatusOr<SlateReport> JudgeSlates(const Learning& learning,
                                        const EvaluationRecipe& evaluation, const Exam& exam,
                                        const Examinee& examinee,
                                        const std::vector<EvaluationMethod>& methods,
                                        const BlendSpec& blend, const std::string& truth_path,
                                        int resamples) {
  SlateExam slates(learning, evaluation, exam, examinee);
  FOURFOLD_RETURN_IF_ERROR(slates.Read(truth_path));
  return slates.Judge(methods, blend, resamples);
}

}  // namespace fourfold
