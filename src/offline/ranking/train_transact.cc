#include "offline/ranking/train_transact.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "math/random.h"
#include "offline/ranking/ranking_loss.h"
#include "offline/ranking/transact_checkpoint.h"
#include "offline/ranking/transact_rows.h"
#include "offline/ranking/transact_step.h"
#include "offline/ranking/validation_metric.h"

namespace fourfold {
namespace {

using Request = TransActRows::Request;

constexpr std::size_t kFittedRowsMax = 200'000;  // that number encodings are fitted to
constexpr std::uint64_t kShuffleStream = 0x73687566;
constexpr std::uint64_t kProgressSteps = 16;

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

absl::StatusOr<TransActShape> ShapeOf(const TransActSpec& spec, std::size_t action_types) {
  const auto size = [](int value) { return static_cast<std::size_t>(std::max(0, value)); };
  TransActShape shape;
  shape.actions = size(spec.actions);
  shape.action_types = action_types + kFirstActionType;
  shape.action_dimension = size(spec.action_dimension);
  shape.item_dimension = size(spec.item_dimension);
  shape.layers = size(spec.layers);
  shape.heads = size(spec.attention_heads);
  shape.feed_forward = size(spec.feed_forward);
  shape.latest = size(spec.latest);
  shape.max_pool = spec.max_pool;
  FOURFOLD_RETURN_IF_ERROR(TransActBackprop::CheckShape(shape));
  return shape;
}

// Glorot and Bengio, 2010.
void DrawLinear(std::size_t outputs, std::size_t inputs, Random* random, LinearParameters* linear) {
  const double spread = std::sqrt(6.0 / static_cast<double>(outputs + inputs));
  linear->weight.resize(outputs * inputs);
  linear->bias.assign(outputs, 0);
  for (float& weight : linear->weight) {
    weight = static_cast<float>((2 * double{random->Unit()} - 1) * spread);
  }
}

// Appends up to this size; uniform with a standard deviation of 1/2.
void DrawVectors(std::size_t size, Random* random, std::vector<float>* vectors) {
  vectors->reserve(size);
  while (vectors->size() < size) vectors->push_back((2 * random->Unit() - 1) * 0.8660254F);
}

TransActParameters DrawEncoder(const TransActShape& shape, Random* random) {
  const std::size_t width = shape.width();
  TransActParameters parameters;
  parameters.shape = shape;
  // Padding and unknown types stay zeros.
  parameters.action_table.assign(kFirstActionType * shape.action_dimension, 0);
  DrawVectors(shape.action_types * shape.action_dimension, random, &parameters.action_table);
  for (std::size_t l = 0; l < shape.layers; ++l) {
    TransActLayer& layer = parameters.layers.emplace_back();
    DrawLinear(3 * width, width, random, &layer.in_projection);
    DrawLinear(width, width, random, &layer.out_projection);
    DrawLinear(shape.feed_forward, width, random, &layer.linear1);
    DrawLinear(width, shape.feed_forward, random, &layer.linear2);
    for (NormParameters* norm : {&layer.norm1, &layer.norm2}) {
      norm->gain.assign(width, 1);
      norm->shift.assign(width, 0);
    }
  }
  if (shape.max_pool) DrawLinear(width, width, random, &parameters.out_linear);
  return parameters;
}

template <typename T>
void Append(std::span<const T> from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

class Training {
 public:
  Training(const TransActRows& rows, const TransActSpec& spec, const TrainTransActOptions& options)
      : rows_(rows), spec_(spec), options_(options) {}

  absl::StatusOr<TrainedTransAct> Run() {
    FOURFOLD_RETURN_IF_ERROR(MakeModel());
    if (options_.warm_start != nullptr) WarmStart(*options_.warm_start);
    result_.training_requests = rows_.training().size();
    result_.training_rows = rows_.RowsOf(rows_.training());
    result_.validation_requests = rows_.validation().size();
    result_.validation_rows = rows_.RowsOf(rows_.validation());
    TransActStep step(&model_, rows_, spec_);
    TransActCheckpoint checkpoint(options_.checkpoint_path, Fingerprint());
    CountSteps();
    TransActCheckpoint::State state{&model_, &result_.model, step.Moments()};
    TellWhatNeverHappens();
    FOURFOLD_RETURN_IF_ERROR(Resume(checkpoint, &state));
    while (result_.epochs_trained < spec_.epochs && !IsOver()) {
      FOURFOLD_RETURN_IF_ERROR(RunEpoch(&step));
      FOURFOLD_RETURN_IF_ERROR(Save(checkpoint, &state));
    }
    checkpoint.Remove();
    return std::move(result_);
  }

 private:
  bool has_heads() const { return !rows_.schema().heads.empty(); }
  bool validates() const { return !rows_.validation().empty(); }
  bool IsOver() const {
    return validates() && spec_.early_stopping_epochs > 0 &&
           result_.epochs_trained - result_.epochs >= spec_.early_stopping_epochs;
  }

  void TellWhatNeverHappens() const {
    std::uint32_t happened = 0;
    for (const TransActRows::Request& request : rows_.training()) {
      for (const std::uint32_t outcomes : rows_.ViewOf(request).outcomes) happened |= outcomes;
    }
    for (std::size_t h = 0; has_heads() && h < model_.heads.size(); ++h) {
      if ((happened >> h & 1) != 0) continue;
      Tell(
          StrCat("head ", model_.heads[h], " learns nothing: no training row has an action of it"));
    }
  }

  absl::Status MakeModel() {
    Random random(static_cast<std::uint64_t>(spec_.seed));
    model_.request_columns = rows_.schema().request_features;
    model_.candidate_columns = rows_.schema().candidate_features;
    model_.columns = options_.columns;
    model_.heads = rows_.schema().heads;
    if (!has_heads()) model_.heads = {"label"};
    model_.precision = spec_.precision;
    model_.training_precision = spec_.training_precision;
    model_.predicts_probability = spec_.objective == TransActSpec::Objective::kLogistic;
    model_.action_types = rows_.action_types();
    FOURFOLD_ASSIGN_OR_RETURN(const TransActShape shape,
                              ShapeOf(spec_, model_.action_types.size()));
    if (model_.CountOf(TransActRankerModel::Column::kCategory) > 0) {
      // Zeros, so that a text that is never met says nothing.
      model_.categories.dimension = static_cast<std::size_t>(std::max(1, spec_.category_dimension));
      model_.categories.vectors.resize(static_cast<std::size_t>(std::max(1, spec_.category_rows)) *
                                       model_.categories.dimension);
    }
    model_.encoder = DrawEncoder(shape, &random);
    RankingNetworkShape network;
    network.inputs = model_.inputs();
    network.heads = model_.heads.size();
    network.cross_layers = static_cast<std::size_t>(spec_.cross_layers);
    network.hidden.assign(spec_.hidden.begin(), spec_.hidden.end());
    FOURFOLD_RETURN_IF_ERROR(network.Check());
    model_.network = RankingNetworkParameters::Zeros(network);
    std::size_t inputs = network.inputs;
    for (LinearParameters& layer : model_.network.cross) {
      DrawLinear(inputs, inputs, &random, &layer);
    }
    for (std::size_t l = 0; l < network.hidden.size(); ++l) {
      DrawLinear(network.hidden[l], inputs, &random, &model_.network.hidden[l]);
      inputs = network.hidden[l];
    }
    DrawLinear(network.heads, inputs, &random, &model_.network.head);
    if (spec_.objective == TransActSpec::Objective::kLogistic) StartFromMeanLabels();
    model_.frozen = options_.frozen;
    if (model_.frozen == nullptr) ChooseItems();
    if (model_.item_codes() > 0 && model_.frozen == nullptr) {
      model_.side.dimension = shape.item_dimension;
      DrawVectors(static_cast<std::size_t>(std::max(1, spec_.side_rows)) * shape.item_dimension,
                  &random, &model_.side.vectors);
    }
    FitNumbers();
    return model_.Check();
  }

  void StartFromMeanLabels() {
    const std::size_t heads = model_.heads.size();
    for (std::size_t head = 0; head < heads; ++head) {
      double labels = 0, weights = 0;
      for (const Request request : rows_.training()) {
        const TransActRows::View view = rows_.ViewOf(request);
        for (std::size_t c = 0; c < view.items.size(); ++c) {
          double label = view.labels[c], weight = view.weights[c];
          if (has_heads()) {
            label = view.outcomes[c] >> head & 1u;
            weight *= LabelWeight(spec_.label_weights, heads, head, view.outcomes[c]);
          }
          labels += label * weight;
          weights += weight;
        }
      }
      const double mean = std::clamp(weights > 0 ? labels / weights : 0.5, 1e-6, 1 - 1e-6);
      model_.network.head.bias[head] = static_cast<float>(std::log(mean / (1 - mean)));
    }
  }

  void ChooseItems() {
    std::vector<int> met(rows_.items().size());
    for (const Request request : rows_.training()) {
      const TransActRows::View view = rows_.ViewOf(request);
      for (const std::uint32_t item : view.items) ++met[item];
      for (const std::uint32_t item : view.action_items) {
        if (item != kNoTrainingId) ++met[item];
      }
    }
    const std::size_t dimension = model_.encoder.shape.item_dimension;
    for (std::size_t i = 0; i < met.size(); ++i) {
      if (met[i] < std::max(1, spec_.item_actions_min) || rows_.items()[i].empty()) continue;
      model_.items.push_back(rows_.items()[i]);
      model_.item_table.resize(model_.items.size() * dimension);
      DrawItemVector(rows_.items()[i], std::span(model_.item_table).last(dimension));
    }
  }

  // On every so many rows of those that teach.
  void FitNumbers() {
    const std::size_t request_columns = model_.request_columns.size();
    const std::size_t candidate_columns = model_.candidate_columns.size();
    std::vector<std::vector<float>> values(model_.row_size());
    const std::size_t every = 1 + result_rows() / kFittedRowsMax;
    std::size_t row = 0;
    for (const Request request : rows_.training()) {
      const TransActRows::View view = rows_.ViewOf(request);
      for (std::size_t c = 0; c < view.items.size(); ++c) {
        if (row++ % every != 0) continue;
        for (std::size_t i = 0; i < request_columns; ++i) {
          values[i].push_back(view.request_columns[i]);
        }
        for (std::size_t i = 0; i < candidate_columns; ++i) {
          values[request_columns + i].push_back(view.candidate_columns[c * candidate_columns + i]);
        }
      }
    }
    std::vector<std::vector<float>> numbers;
    for (std::size_t place = 0; place < values.size(); ++place) {
      if (model_.column(place) != TransActRankerModel::Column::kNumber) continue;
      numbers.push_back(std::move(values[place]));
    }
    model_.encoding = NumberEncoding::Fit(std::move(numbers));
  }
  std::size_t result_rows() const { return rows_.RowsOf(rows_.training()); }

  void WarmStart(const TransActRankerModel& from) {
    TransActRankerModel earlier = from;
    const bool same_columns = earlier.request_columns == model_.request_columns &&
                              earlier.candidate_columns == model_.candidate_columns &&
                              earlier.columns == model_.columns;
    // Weights of the network belong to the encoding that they were learned with.
    if (same_columns) model_.encoding = earlier.encoding;
    auto named = TensorsOf(&earlier);
    for (auto& [name, values] : TensorsOf(&model_)) {
      if (name.starts_with("network.") && !same_columns) continue;
      if (name.starts_with("network.head.")) {
        StartHeads(earlier, name, values);
        continue;
      }
      if (name == "encoder.action_emb_module.weight" &&
          earlier.action_types != model_.action_types) {
        continue;
      }
      for (auto& [earlier_name, earlier_values] : named) {
        if (earlier_name == name && earlier_values->size() == values->size()) {
          *values = *earlier_values;
        }
      }
    }
    // A code has the same row, whichever field and column it is of.
    if (earlier.categories.rows() == model_.categories.rows() &&
        earlier.categories.dimension == model_.categories.dimension) {
      model_.categories = earlier.categories;
    }
    const std::size_t dimension = model_.encoder.shape.item_dimension;
    if (earlier.encoder.shape.item_dimension != dimension) return;
    if (earlier.side.vectors.size() == model_.side.vectors.size()) model_.side = earlier.side;
    StringMap<std::size_t> places;
    for (std::size_t i = 0; i < earlier.items.size(); ++i) places.emplace(earlier.items[i], i);
    for (std::size_t i = 0; i < model_.items.size(); ++i) {
      const auto place = places.find(model_.items[i]);
      if (place == places.end()) continue;
      std::copy_n(earlier.item_table.data() + place->second * dimension, dimension,
                  model_.item_table.data() + i * dimension);
    }
  }

  // What an earlier model has of heads with the same names: their rows of the last layer.
  void StartHeads(const TransActRankerModel& from, std::string_view name,
                  std::vector<float>* values) const {
    if (from.network.shape.last() != model_.network.shape.last()) return;
    const LinearParameters& layer = from.network.head;
    const std::vector<float>& earlier = name.ends_with("weight") ? layer.weight : layer.bias;
    const std::size_t width = values->size() / model_.heads.size();
    for (std::size_t head = 0; head < model_.heads.size(); ++head) {
      const auto same = std::find(from.heads.begin(), from.heads.end(), model_.heads[head]);
      if (same == from.heads.end()) continue;
      const auto row = static_cast<std::size_t>(same - from.heads.begin());
      std::copy_n(earlier.data() + row * width, width, values->data() + head * width);
    }
  }

  // Requests from `begin` on that make a step.
  std::span<const Request> BatchAt(std::span<const Request> requests, std::size_t begin) const {
    std::size_t end = begin, rows = 0;
    while (end < requests.size() && rows < static_cast<std::size_t>(spec_.batch_rows)) {
      rows += rows_.RowsOf(requests.subspan(end, 1));
      ++end;
    }
    return requests.subspan(begin, end - begin);
  }

  // Epochs are shuffled, so that their numbers of steps differ a little; the schedule goes by rows.
  void CountSteps() {
    // As many as the requests make in the order of the file; a shuffle changes little of it.
    steps_per_epoch_ = 0;
    const std::span<const Request> requests = rows_.training();
    for (std::size_t begin = 0; begin < requests.size(); ++steps_per_epoch_) {
      begin += BatchAt(requests, begin).size();
    }
    steps_ = steps_per_epoch_ * static_cast<std::uint64_t>(spec_.epochs);
  }

  absl::Status RunEpoch(TransActStep* step) {
    std::vector<Request> order = rows_.training();
    Random random(static_cast<std::uint64_t>(spec_.seed), kShuffleStream,
                  static_cast<std::uint64_t>(result_.epochs_trained));
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[random.Below(static_cast<std::uint32_t>(i))]);
    }
    double loss = 0, losses = 0;
    for (std::size_t begin = 0; begin < order.size();) {
      if (options_.is_cancelled && options_.is_cancelled()) {
        return absl::CancelledError("the training was called off");
      }
      const std::span<const Request> batch = BatchAt(order, begin);
      begin += batch.size();
      step->Forward(batch, /*is_training=*/true, taken_);
      const bool is_listwise = spec_.objective == TransActSpec::Objective::kListwise;
      const auto rows = static_cast<double>(rows_.RowsOf(batch));
      const double count = is_listwise ? static_cast<double>(batch.size()) : rows;
      loss += step->Backward(batch);
      losses += count;
      ++taken_;
      step->Apply(
          spec_.learning_rate *
              WarmUpAndCosine(taken_, static_cast<std::uint64_t>(spec_.warm_up_steps), steps_),
          taken_, count);
      rows_done_ += rows;
      if (options_.progress && taken_ % kProgressSteps == 0) {
        Report(loss / losses);
        loss = losses = 0;
      }
    }
    ++result_.epochs_trained;
    return Validate(step);
  }

  void Report(double loss) const {
    TrainTransActOptions::Progress progress;
    progress.step = std::min(taken_, steps_);
    progress.steps = steps_;
    progress.epoch = result_.epochs_trained + 1;
    progress.loss = loss;
    progress.rows_per_second = rows_done_ / std::max(1e-9, ProcessorSeconds() - began_);
    progress.seconds_left = static_cast<double>(steps_ - progress.step) *
                            static_cast<double>(spec_.batch_rows) / progress.rows_per_second;
    progress.metric = metric_;
    options_.progress(progress);
  }

  absl::Status Validate(TransActStep* step) {
    if (!validates()) {
      result_.epochs = result_.epochs_trained;
      result_.model = model_;
      return absl::OkStatus();
    }
    Validated validated;
    validated.logits.resize(model_.heads.size());
    const std::span<const Request> requests = rows_.validation();
    for (std::size_t begin = 0; begin < requests.size();) {
      const std::span<const Request> batch = BatchAt(requests, begin);
      begin += batch.size();
      step->Forward(batch, /*is_training=*/false, 0);
      for (std::size_t head = 0; head < model_.heads.size(); ++head) {
        Append(step->Logits(head), &validated.logits[head]);
      }
      for (const Request request : batch) {
        const TransActRows::View view = rows_.ViewOf(request);
        Append(view.labels, &validated.labels);
        Append(view.weights, &validated.weights);
        Append(view.outcomes, &validated.outcomes);
        validated.ends.push_back(static_cast<std::uint32_t>(validated.labels.size()));
      }
    }
    for (const std::vector<float>& logits : validated.logits) {
      if (std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
        continue;
      }
      return InvalidArgument("training diverged in epoch ", result_.epochs_trained,
                             ": a lower learning rate may help");
    }
    metric_ = has_heads() ? MetricOfHeads(validated)
                          : ValidationMetric(spec_.metric, validated.logits[0], validated.labels,
                                             validated.ends);
    const bool is_better =
        IsGain(spec_.metric) ? metric_ > result_.metric : metric_ < result_.metric;
    if (result_.epochs == 0 || is_better) {
      result_.metric = metric_;
      result_.epochs = result_.epochs_trained;
      result_.model = model_;
    }
    return absl::OkStatus();
  }

  // What the validation requests got, [heads] of [rows], and what came of them.
  struct Validated {
    std::vector<std::vector<float>> logits;
    std::vector<float> labels, weights;
    std::vector<std::uint32_t> outcomes, ends;
  };

  // log_loss: the loss that is trained, by row. auc: the mean over heads. Else: of the order by the
  // heads' values.
  double MetricOfHeads(const Validated& validated) const {
    const std::size_t heads = model_.heads.size(), rows = validated.labels.size();
    if (spec_.metric == TreesSpec::Metric::kLogLoss) {
      std::vector<float> logits, gradients(heads * rows);
      for (const std::vector<float>& one : validated.logits) Append(std::span(one), &logits);
      return HeadsLoss(heads, rows, logits.data(), validated.outcomes, validated.weights,
                       spec_.label_weights, gradients.data()) /
             static_cast<double>(rows);
    }
    std::vector<float> labels(rows), scores(rows);
    double sum = 0;
    for (std::size_t head = 0; head < heads; ++head) {
      for (std::size_t row = 0; row < rows; ++row) {
        labels[row] = static_cast<float>(validated.outcomes[row] >> head & 1u);
        const double probability = 1 / (1 + std::exp(-double{validated.logits[head][row]}));
        scores[row] += static_cast<float>(spec_.head_values[head] * probability);
      }
      if (spec_.metric == TreesSpec::Metric::kAuc) {
        sum += ValidationMetric(spec_.metric, validated.logits[head], labels, validated.ends);
      }
    }
    if (spec_.metric == TreesSpec::Metric::kAuc) return sum / static_cast<double>(heads);
    return ValidationMetric(spec_.metric, scores, validated.labels, validated.ends);
  }

  std::string Fingerprint() const {
    std::string text =
        StrCat(rows_.training().size(), ",", result_.training_rows, ",", result_.validation_rows,
               ",", model_.items.size(), ",", model_.inputs());
    for (const int value :
         {spec_.epochs, spec_.batch_rows, spec_.warm_up_steps, spec_.seed, spec_.actions,
          spec_.layers, spec_.attention_heads, spec_.action_dimension, spec_.item_dimension,
          spec_.feed_forward, spec_.latest, spec_.max_pool ? 1 : 0, spec_.cross_layers,
          static_cast<int>(spec_.training_precision), static_cast<int>(spec_.objective),
          static_cast<int>(spec_.metric), spec_.side_rows, spec_.category_rows,
          spec_.category_dimension}) {
      StrAppend(&text, ",", value);
    }
    for (const double value : {spec_.learning_rate, spec_.dropout, spec_.weight_decay,
                               static_cast<double>(spec_.window_ms), spec_.item_dropout}) {
      StrAppend(&text, ",", value);
    }
    for (const int width : spec_.hidden) StrAppend(&text, ",", width);
    for (const auto column : model_.columns) StrAppend(&text, ",", static_cast<int>(column));
    for (const auto& weights : {spec_.label_weights, spec_.head_values}) {
      for (const double weight : weights) StrAppend(&text, ",", weight);
    }
    for (const auto& names : {model_.request_columns, model_.candidate_columns, model_.heads}) {
      for (const std::string& name : names) StrAppend(&text, ",", name);
    }
    StrAppend(&text, ",", DigestToHex(DigestOfRows()));
    return text;
  }

  // Of what is learned from, and of the weights at the beginning.
  Digest DigestOfRows() const {
    DigestBuilder digest;
    const auto add = [&digest](const auto& values) {
      const auto bytes = std::as_bytes(std::span(values));
      digest.Add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    std::vector<float> codes;
    for (const std::span<const Request> requests :
         {std::span(rows_.training()), std::span(rows_.validation())}) {
      for (const Request request : requests) {
        const TransActRows::View view = rows_.ViewOf(request);
        add(std::span(&view.event_time_ms, 1));
        add(view.request_columns);
        add(view.candidate_columns);
        add(view.labels);
        add(view.weights);
        add(view.outcomes);
        add(view.items);
        add(view.action_items);
        add(view.action_types);
        add(view.action_times_ms);
        codes.clear();
        for (std::size_t a = 0; a < view.action_items.size(); ++a) view.AppendItemCodes(a, &codes);
        add(codes);
      }
    }
    for (const std::string& item : rows_.items()) digest.Add(StrCat(item, "\n"));
    add(model_.item_table);
    if (model_.frozen != nullptr) {
      const FrozenItems::Parts& frozen = model_.frozen->parts();
      for (const std::string& item : frozen.items) digest.Add(StrCat(item, "\n"));
      add(frozen.vectors);
      add(frozen.keys);
      add(frozen.side_vectors);
    }
    add(model_.side.vectors);
    add(model_.categories.vectors);
    add(model_.network.head.weight);
    return digest.Finish();
  }

  absl::Status Resume(const TransActCheckpoint& checkpoint, TransActCheckpoint::State* state) {
    const absl::StatusOr<bool> found = checkpoint.Read(state);
    if (absl::IsDataLoss(found.status())) {
      Tell(StrCat("the training begins anew, as where it was cut short is damaged: ",
                  MessageOf(found.status())));
      return absl::OkStatus();
    }
    FOURFOLD_RETURN_IF_ERROR(found.status());
    if (!*found) return absl::OkStatus();
    Tell(StrCat("the training goes on after epoch ", state->epochs_trained, ", where it was cut ",
                "short"));
    taken_ = state->step;
    result_.epochs_trained = state->epochs_trained;
    result_.epochs = state->epochs;
    result_.metric = metric_ = state->metric;
    return absl::OkStatus();
  }
  void Tell(std::string_view text) const {
    if (options_.note) options_.note(text);
  }
  absl::Status Save(const TransActCheckpoint& checkpoint, TransActCheckpoint::State* state) {
    state->step = taken_;
    state->epochs_trained = result_.epochs_trained;
    state->epochs = result_.epochs;
    state->metric = result_.metric;
    return checkpoint.Write(*state);
  }

  const TransActRows& rows_;
  const TransActSpec& spec_;
  const TrainTransActOptions& options_;
  TransActRankerModel model_;
  TrainedTransAct result_;
  std::uint64_t taken_ = 0, steps_ = 0, steps_per_epoch_ = 0;
  double rows_done_ = 0, metric_ = 0;
  const double began_ = ProcessorSeconds();
};

}  // namespace

absl::StatusOr<TrainedTransAct> TrainTransAct(TrainingRowsReader* rows, const TransActSpec& spec,
                                              const TrainTransActOptions& options) {
  if (spec.epochs < 1 || spec.batch_rows < 1 || spec.cross_layers < 0 || spec.dropout < 0 ||
      spec.dropout > 0.9) {
    return InvalidArgument("training needs an epoch, rows in a step and a dropout of at most 0.9");
  }
  if (spec.metric == TreesSpec::Metric::kLogLoss &&
      spec.objective != TransActSpec::Objective::kLogistic) {
    return InvalidArgument("log_loss needs the logistic objective");
  }
  if (options.frozen != nullptr && options.warm_start != nullptr) {
    return InvalidArgument("frozen items of another fit than those of the earlier ranker");
  }
  const TrainingSchema& schema = rows->schema();
  if (!options.columns.empty() &&
      options.columns.size() != schema.request_features.size() + schema.candidate_features.size()) {
    return InvalidArgument("the rows have other columns than the ranker");
  }
  const auto item_codes = static_cast<std::size_t>(std::count(
      options.columns.begin(), options.columns.end(), TransActRankerModel::Column::kItemCode));
  FOURFOLD_ASSIGN_OR_RETURN(
      const TransActRows read,
      TransActRows::Read(rows, spec, item_codes, options.validation_from_ms, options.end_ms));
  return Training(read, spec, options).Run();
}

}  // namespace fourfold
