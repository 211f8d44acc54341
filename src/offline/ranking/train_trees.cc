#include "offline/ranking/train_trees.h"

#include <xgboost/c_api.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "offline/ranking/lambda_gradients.h"
#include "offline/ranking/training_matrix.h"
#include "offline/ranking/validation_metric.h"

namespace fourfold {
namespace {

using Objective = TreesSpec::Objective;

absl::Status Checked(int result) {
  if (result == 0) return absl::OkStatus();
  const std::string_view message = XGBGetLastError();
  return Internal("XGBoost: ", message.substr(0, message.find('\n')));
}

struct FreeMatrix {
  void operator()(void* handle) const { XGDMatrixFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { XGBoosterFree(handle); }
};
using Matrix = std::unique_ptr<void, FreeMatrix>;
using Booster = std::unique_ptr<void, FreeBooster>;

std::string NumberText(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return {text, end};
}

// Gives XGBoost a matrix batch by batch. XGBoost calls back through C: a problem waits in status().
class MatrixFeed {
 public:
  explicit MatrixFeed(TrainingMatrix* rows) : rows_(*rows) {}

  absl::StatusOr<Matrix> Make(int threads, int bins) {
    void* handle = nullptr;
    FOURFOLD_RETURN_IF_ERROR(Checked(XGProxyDMatrixCreate(&handle)));
    proxy_.reset(handle);
    const std::string config =
        StrCat("{\"missing\": NaN, \"nthread\": ", threads, ", \"max_bin\": ", bins, "}");
    status_ = rows_.Rewind();
    void* made = nullptr;
    const int result = XGQuantileDMatrixCreateFromCallback(this, proxy_.get(), nullptr, &Reset,
                                                           &Next, config.c_str(), &made);
    Matrix matrix(made);
    FOURFOLD_RETURN_IF_ERROR(status_);
    FOURFOLD_RETURN_IF_ERROR(Checked(result));
    return matrix;
  }

 private:
  static void Reset(void* self) {
    auto& feed = *static_cast<MatrixFeed*>(self);
    if (feed.status_.ok()) feed.status_ = feed.rows_.Rewind();
  }
  static int Next(void* self) {
    auto& feed = *static_cast<MatrixFeed*>(self);
    if (feed.status_.ok()) feed.status_ = feed.GiveBatch();
    return feed.status_.ok() && !feed.batch_.empty() ? 1 : 0;
  }

  absl::Status GiveBatch() {
    FOURFOLD_RETURN_IF_ERROR(rows_.NextBatch(&batch_));
    if (batch_.empty()) return absl::OkStatus();
    const std::string array =
        StrCat("{\"data\": [", reinterpret_cast<std::uintptr_t>(batch_.data()),
               ", true], \"shape\": [", batch_.size() / rows_.columns(), ", ", rows_.columns(),
               "], \"typestr\": \"<f4\", \"version\": 3}");
    return Checked(XGProxyDMatrixSetDataDense(proxy_.get(), array.c_str()));
  }

  TrainingMatrix& rows_;
  Matrix proxy_;
  std::vector<float> batch_;
  absl::Status status_;
};

class Training {
 public:
  Training(TrainingRowsReader* rows, const TreesSpec& spec, const TrainTreesOptions& options)
      : spec_(spec),
        options_(options),
        training_rows_(rows, PartOf(false)),
        validation_rows_(rows, PartOf(true)) {}

  absl::StatusOr<TrainedTrees> Run() {
    FOURFOLD_RETURN_IF_ERROR(ReadLabels());
    FOURFOLD_ASSIGN_OR_RETURN(const std::string monotone, MonotoneConstraints());
    FOURFOLD_RETURN_IF_ERROR(Checked(XGBSetGlobalConfig("{\"verbosity\": 0}")));
    FOURFOLD_RETURN_IF_ERROR(MakeMatrices());
    FOURFOLD_RETURN_IF_ERROR(MakeBooster(monotone));
    FOURFOLD_RETURN_IF_ERROR(Grow());
    FOURFOLD_RETURN_IF_ERROR(KeepBest());
    FOURFOLD_ASSIGN_OR_RETURN(const TreeEnsemble trees, TreeEnsemble::Parse(result_.model));
    result_.importance = trees.Importance();
    return std::move(result_);
  }

 private:
  bool validates() const { return options_.validation_from_ms.has_value(); }
  bool ranks() const { return spec_.objective != Objective::kLogistic; }

  TrainingMatrix::Part PartOf(bool validation) const {
    TrainingMatrix::Part part;
    part.differing_labels_only = ranks();
    if (options_.end_ms.has_value()) part.to_ms = *options_.end_ms;
    if (validates()) (validation ? part.from_ms : part.to_ms) = *options_.validation_from_ms;
    return part;
  }

  absl::Status ReadLabels() {
    if (training_rows_.columns() == 0) return InvalidArgument("the training rows have no features");
    FOURFOLD_RETURN_IF_ERROR(training_rows_.ReadLabels());
    if (training_rows_.labels().empty()) {
      return InvalidArgument("there is no training request",
                             ranks() ? " with different labels" : "");
    }
    result_.training_requests = training_rows_.request_ends().size();
    result_.training_rows = training_rows_.labels().size();
    if (validates()) {
      FOURFOLD_RETURN_IF_ERROR(validation_rows_.ReadLabels());
      if (validation_rows_.labels().empty()) {
        return InvalidArgument("there is no validation request",
                               ranks() ? " with different labels" : "");
      }
      result_.validation_requests = validation_rows_.request_ends().size();
      result_.validation_rows = validation_rows_.labels().size();
    }
    for (const TrainingMatrix* rows : {&training_rows_, &validation_rows_}) {
      for (const float label : rows->labels()) FOURFOLD_RETURN_IF_ERROR(CheckLabel(label));
    }
    return absl::OkStatus();
  }

  absl::Status CheckLabel(float label) const {
    if (spec_.objective == Objective::kLogistic && (label < 0 || label > 1)) {
      return InvalidArgument("a label of ", label, ": logistic needs labels from 0 to 1");
    }
    if (spec_.objective == Objective::kNdcg &&
        (label < 0 || label > 31 || label != std::floor(label))) {
      return InvalidArgument("a label of ", label, ": ndcg needs whole labels from 0 to 31");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> MonotoneConstraints() const {
    const std::vector<std::string> names = training_rows_.column_names();
    for (const auto& [name, direction] : spec_.monotone) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        return InvalidArgument("monotone: there is no feature ", name);
      }
      if (std::abs(direction) > 1)
        return InvalidArgument("monotone: ", name, " is none of 1, 0, -1");
    }
    std::string list;
    for (const std::string& name : names) {
      const auto constraint = spec_.monotone.find(name);
      StrAppend(&list, list.empty() ? "(" : ",",
                constraint == spec_.monotone.end() ? 0 : constraint->second);
    }
    return list + ")";
  }

  absl::Status MakeMatrices() {
    FOURFOLD_ASSIGN_OR_RETURN(training_,
                              MatrixFeed(&training_rows_).Make(options_.threads, spec_.bins));
    FOURFOLD_RETURN_IF_ERROR(Describe(training_rows_, training_.get()));
    request_weights_ = RequestWeights(training_rows_);
    if (!validates()) return absl::OkStatus();
    FOURFOLD_ASSIGN_OR_RETURN(validation_, ExactMatrix(&validation_rows_));
    return Describe(validation_rows_, validation_.get());
  }

  // With the values as they are: XGBoost is slow to score rows of which it kept bins alone.
  static absl::StatusOr<Matrix> ExactMatrix(TrainingMatrix* rows) {
    std::vector<float> values;
    std::vector<float> batch;
    values.reserve(rows->labels().size() * rows->columns());
    FOURFOLD_RETURN_IF_ERROR(rows->Rewind());
    do {
      FOURFOLD_RETURN_IF_ERROR(rows->NextBatch(&batch));
      values.insert(values.end(), batch.begin(), batch.end());
    } while (!batch.empty());
    void* handle = nullptr;
    FOURFOLD_RETURN_IF_ERROR(
        Checked(XGDMatrixCreateFromMat(values.data(), rows->labels().size(), rows->columns(),
                                       std::numeric_limits<float>::quiet_NaN(), &handle)));
    return Matrix(handle);
  }

  // Labels, weights and, for ranking, which rows stand together.
  absl::Status Describe(const TrainingMatrix& rows, void* matrix) const {
    FOURFOLD_RETURN_IF_ERROR(SetFloats(matrix, "label", rows.labels()));
    if (!ranks()) return SetFloats(matrix, "weight", rows.weights());
    std::vector<unsigned> sizes;
    std::uint32_t begin = 0;
    for (const std::uint32_t end : rows.request_ends()) {
      sizes.push_back(end - begin);
      begin = end;
    }
    FOURFOLD_RETURN_IF_ERROR(
        Checked(XGDMatrixSetUIntInfo(matrix, "group", sizes.data(), sizes.size())));
    return SetFloats(matrix, "weight", RequestWeights(rows));
  }

  static std::vector<float> RequestWeights(const TrainingMatrix& rows) {
    std::vector<float> weights;
    std::uint32_t begin = 0;
    for (const std::uint32_t end : rows.request_ends()) {
      double sum = 0;
      for (std::uint32_t row = begin; row < end; ++row) sum += double{rows.weights()[row]};
      weights.push_back(static_cast<float>(sum / (end - begin)));
      begin = end;
    }
    return weights;
  }

  static absl::Status SetFloats(void* matrix, const char* field, const std::vector<float>& values) {
    return Checked(XGDMatrixSetFloatInfo(matrix, field, values.data(), values.size()));
  }

  absl::Status MakeBooster(const std::string& monotone) {
    void* const matrices[] = {training_.get(), validation_.get()};
    void* handle = nullptr;
    FOURFOLD_RETURN_IF_ERROR(Checked(XGBoosterCreate(matrices, validates() ? 2 : 1, &handle)));
    booster_.reset(handle);
    const std::pair<const char*, std::string> parameters[] = {
        {"booster", "gbtree"},
        {"tree_method", "hist"},
        {"verbosity", "0"},
        {"disable_default_eval_metric", "1"},
        {"validate_parameters", "1"},
        {"objective", spec_.objective == Objective::kPairwise ? "rank:pairwise"
                      : spec_.objective == Objective::kNdcg   ? "rank:ndcg"
                                                              : "binary:logistic"},
        {"base_score", BaseScore()},
        {"learning_rate", NumberText(spec_.learning_rate)},
        {"max_depth", StrCat(spec_.depth)},
        {"max_bin", StrCat(spec_.bins)},
        {"min_child_weight", NumberText(spec_.min_child_weight)},
        {"reg_lambda", NumberText(spec_.lambda)},
        {"subsample", NumberText(spec_.row_sample)},
        {"colsample_bytree", NumberText(spec_.column_sample)},
        {"monotone_constraints", monotone},
        {"seed", StrCat(spec_.seed)},
        {"nthread", StrCat(options_.threads)}};
    for (const auto& [name, value] : parameters) {
      FOURFOLD_RETURN_IF_ERROR(Checked(XGBoosterSetParam(booster_.get(), name, value.c_str())));
    }
    return absl::OkStatus();
  }

  // A logistic model starts from the mean label, so that its scores are probabilities from the
  // first tree on.
  std::string BaseScore() const {
    if (ranks()) return "0.5";
    double sum = 0;
    double weight = 0;
    for (std::size_t row = 0; row < training_rows_.labels().size(); ++row) {
      sum += double{training_rows_.weights()[row]} * double{training_rows_.labels()[row]};
      weight += double{training_rows_.weights()[row]};
    }
    return NumberText(std::clamp(weight > 0 ? sum / weight : 0.5, 1e-6, 1 - 1e-6));
  }

  absl::Status GrowRound(int round) {
    if (spec_.objective != Objective::kNdcg || spec_.cutoff == 0) {
      return Checked(XGBoosterUpdateOneIter(booster_.get(), round, training_.get()));
    }
    const std::vector<float>& labels = training_rows_.labels();
    FOURFOLD_ASSIGN_OR_RETURN(const std::span<const float> margins,
                              Margins(training_.get(), labels.size()));
    gradients_.resize(labels.size());
    second_derivatives_.resize(labels.size());
    LambdaGradients(margins, labels, training_rows_.request_ends(), request_weights_, spec_.cutoff,
                    gradients_, second_derivatives_);
    return Checked(XGBoosterBoostOneIter(booster_.get(), training_.get(), gradients_.data(),
                                         second_derivatives_.data(), labels.size()));
  }

  absl::Status Grow() {
    for (int round = 0; round < spec_.rounds; ++round) {
      if (options_.is_cancelled && options_.is_cancelled()) {
        return absl::CancelledError("the training was called off");
      }
      FOURFOLD_RETURN_IF_ERROR(GrowRound(round));
      result_.rounds_grown = round + 1;
      double metric = 0;
      if (validates()) {
        FOURFOLD_ASSIGN_OR_RETURN(metric, Validate());
        const bool is_better =
            IsGain(spec_.metric) ? metric > result_.metric : metric < result_.metric;
        if (round == 0 || is_better) {
          result_.metric = metric;
          result_.rounds = round + 1;
        }
      } else {
        result_.rounds = round + 1;
      }
      if (options_.progress) {
        options_.progress({result_.rounds_grown, spec_.rounds, metric, result_.rounds});
      }
      if (spec_.early_stopping_rounds > 0 && validates() &&
          result_.rounds_grown - result_.rounds >= spec_.early_stopping_rounds) {
        break;
      }
    }
    return absl::OkStatus();
  }

  // Of all trees so far, until XGBoost is asked again.
  absl::StatusOr<std::span<const float>> Margins(void* matrix, std::size_t rows) const {
    constexpr char kMargins[] =
        "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
        "\"strict_shape\": false}";
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* margins = nullptr;
    FOURFOLD_RETURN_IF_ERROR(Checked(XGBoosterPredictFromDMatrix(booster_.get(), matrix, kMargins,
                                                                 &shape, &dimensions, &margins)));
    FOURFOLD_CHECK(dimensions >= 1 && shape[0] == rows);
    return std::span<const float>(margins, rows);
  }

  absl::StatusOr<double> Validate() const {
    const std::vector<float>& labels = validation_rows_.labels();
    FOURFOLD_ASSIGN_OR_RETURN(const std::span<const float> margins,
                              Margins(validation_.get(), labels.size()));
    return ValidationMetric(spec_.metric, margins, labels, validation_rows_.request_ends(),
                            spec_.cutoff);
  }

  absl::Status KeepBest() {
    void* handle = nullptr;
    FOURFOLD_RETURN_IF_ERROR(
        Checked(XGBoosterSlice(booster_.get(), 0, result_.rounds, 1, &handle)));
    const Booster best(handle);
    const std::vector<std::string> names = training_rows_.column_names();
    std::vector<const char*> pointers;
    pointers.reserve(names.size());
    for (const std::string& name : names) pointers.push_back(name.c_str());
    FOURFOLD_RETURN_IF_ERROR(Checked(
        XGBoosterSetStrFeatureInfo(best.get(), "feature_name", pointers.data(), pointers.size())));
    bst_ulong size = 0;
    const char* bytes = nullptr;
    FOURFOLD_RETURN_IF_ERROR(
        Checked(XGBoosterSaveModelToBuffer(best.get(), "{\"format\": \"json\"}", &size, &bytes)));
    result_.model.assign(bytes, size);
    return absl::OkStatus();
  }

  const TreesSpec& spec_;
  const TrainTreesOptions& options_;
  TrainingMatrix training_rows_;
  TrainingMatrix validation_rows_;
  Matrix training_;
  Matrix validation_;
  Booster booster_;
  std::vector<float> request_weights_;  // of training_rows_, as the next two
  std::vector<float> gradients_;
  std::vector<float> second_derivatives_;
  TrainedTrees result_;
};

}  // namespace

absl::StatusOr<TrainedTrees> TrainTrees(TrainingRowsReader* rows, const TreesSpec& spec,
                                        const TrainTreesOptions& options) {
  if (spec.depth < 1 || spec.depth > TreeEnsemble::kDepthMax || spec.rounds < 1) {
    return InvalidArgument("trees need a depth of 1 to ", TreeEnsemble::kDepthMax, " and a round");
  }
  if (spec.metric == TreesSpec::Metric::kLogLoss && spec.objective != Objective::kLogistic) {
    return InvalidArgument("logloss needs the logistic objective");
  }
  return Training(rows, spec, options).Run();
}

std::optional<TimeCuts> CutByTime(std::vector<std::int64_t> event_times_ms, double training_share,
                                  double validation_share) {
  if (event_times_ms.empty()) return std::nullopt;
  std::sort(event_times_ms.begin(), event_times_ms.end());
  const auto time_at = [&](double share) {
    const auto place = static_cast<std::size_t>(
        std::floor(share * static_cast<double>(event_times_ms.size()) + 1e-9));
    return place < event_times_ms.size() ? event_times_ms[place] : event_times_ms.back() + 1;
  };
  return TimeCuts{time_at(training_share), time_at(training_share + validation_share)};
}

}  // namespace fourfold
