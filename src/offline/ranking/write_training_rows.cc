#include "offline/ranking/write_training_rows.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/plan/feature_matrix.h"

namespace fourfold {
namespace {

constexpr char kTypeDictionary[] = "action_type";

// Fields of a sequence, as its declaration names them.
std::vector<std::string> FieldsOf(const FeaturePlan& plan, const std::string& sequence) {
  for (const FeatureDeclaration& declaration : plan.declarations()) {
    if (declaration.name != sequence) continue;
    for (const Field& parameter : declaration.parameters) {
      if (parameter.name != "fields") continue;
      if (const auto* texts = std::get_if<std::vector<std::string>>(&parameter.value))
        return *texts;
      if (const auto* text = std::get_if<std::string>(&parameter.value)) return {*text};
    }
  }
  return {};
}

// Turns what was read into numbers of the writer's dictionaries.
class RowWriter {
 public:
  RowWriter(const FeaturePlan& plan, const RowOptions& options, TrainingRowsWriter* writer)
      : plan_(plan),
        options_(options),
        writer_(*writer),
        items_(writer->DictionaryOf(kItemDictionary)),
        users_(writer->DictionaryOf(kUserDictionary)),
        types_(plan.sequences().empty() ? 0 : writer->DictionaryOf(kTypeDictionary)) {}

  absl::Status Write(const ReplayedRequest& replayed, const FeatureTable& table,
                     std::int64_t event_time_ms, std::uint64_t position) {
    features_.clear();
    AppendColumns(plan_, table, /*per_candidate=*/false, 0, &features_);
    candidate_features_.clear();
    item_numbers_.clear();
    labels_.clear();
    outcomes_.clear();
    weights_.clear();
    const FeatureRequest& request = replayed.request;
    const float weight = ChooseRows(replayed, position);
    for (const std::size_t c : chosen_) {
      AppendColumns(plan_, table, /*per_candidate=*/true, c, &candidate_features_);
      item_numbers_.push_back(writer_.NumberOf(items_, request.candidates[c].item));
      labels_.push_back(replayed.labels[c]);
      if (!replayed.outcomes.empty()) outcomes_.push_back(replayed.outcomes[c]);
      weights_.push_back(IsNegative(replayed, c) ? weight : 1);
    }
    sequences_.clear();
    for (const FeatureSequence& sequence : table.sequences) AddSequence(sequence);
    TrainingRequest row;
    row.event_time_ms = event_time_ms;
    row.position = position;
    if (!request.user.empty()) row.user = writer_.NumberOf(users_, request.user);
    row.features = features_;
    row.items = item_numbers_;
    row.candidate_features = candidate_features_;
    row.labels = labels_;
    row.weights = weights_;
    row.sequences = sequences_;
    row.outcomes = outcomes_;
    return writer_.Add(row);
  }

 private:
  static bool IsNegative(const ReplayedRequest& replayed, std::size_t candidate) {
    return replayed.labels[candidate] <= 0 &&
           (replayed.outcomes.empty() || replayed.outcomes[candidate] == 0);
  }

  // Sets the candidates that are rows, in their order; returns what a negative one weighs. Which of
  // them are drawn depends on the request and their ids alone.
  float ChooseRows(const ReplayedRequest& replayed, std::uint64_t position) {
    chosen_.clear();
    drawn_.clear();
    for (std::size_t c = 0; c < replayed.labels.size(); ++c) {
      if (options_.negatives == 0 || !IsNegative(replayed, c)) {
        chosen_.push_back(c);
      } else {
        drawn_.emplace_back(StableHash(StrCat(position, " ", replayed.request.candidates[c].item)),
                            c);
      }
    }
    const std::size_t all = drawn_.size();
    const std::size_t kept = std::min(all, static_cast<std::size_t>(options_.negatives));
    std::sort(drawn_.begin(), drawn_.end());
    for (std::size_t i = 0; i < kept; ++i) chosen_.push_back(drawn_[i].second);
    std::sort(chosen_.begin(), chosen_.end());
    const bool weighs = options_.negatives_weigh && kept > 0;
    return weighs ? static_cast<float>(all) / static_cast<float>(kept) : 1;
  }

  void AddSequence(const FeatureSequence& sequence) {
    TrainingBlock::Sequence& out = sequences_.emplace_back();
    out.step_end = {static_cast<std::uint32_t>(sequence.items.size())};
    out.columns.resize(3 + sequence.fields.size());
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
      out.columns[0].ids.push_back(writer_.NumberOf(items_, sequence.items[i]));
      out.columns[1].ids.push_back(writer_.NumberOf(types_, sequence.types[i]));
    }
    out.columns[2].times_ms = sequence.event_times_ms;
    for (std::size_t f = 0; f < sequence.fields.size(); ++f) {
      out.columns[3 + f].numbers = sequence.fields[f];
    }
  }

  const FeaturePlan& plan_;
  const RowOptions& options_;
  TrainingRowsWriter& writer_;
  const std::size_t items_;
  const std::size_t users_;
  const std::size_t types_;
  std::vector<float> features_;
  std::vector<float> candidate_features_;
  std::vector<std::uint32_t> item_numbers_;
  std::vector<float> labels_, weights_;
  std::vector<std::uint32_t> outcomes_;
  std::vector<std::size_t> chosen_;
  std::vector<std::pair<std::uint64_t, std::size_t>> drawn_;
  std::vector<TrainingBlock::Sequence> sequences_;
};

}  // namespace

TrainingSchema TrainingSchemaOf(const FeaturePlan& plan) {
  using Kind = TrainingSchema::SequenceColumn::Kind;
  TrainingSchema schema;
  for (const FeaturePlan::Output& output : plan.columns()) {
    (output.per_candidate ? schema.candidate_features : schema.request_features)
        .push_back(output.name);
  }
  schema.dictionaries = {std::string(kItemDictionary), std::string(kUserDictionary)};
  if (!plan.sequences().empty()) schema.dictionaries.emplace_back(kTypeDictionary);
  for (const FeaturePlan::Output& output : plan.sequences()) {
    TrainingSchema::Sequence sequence;
    sequence.name = output.name;
    sequence.columns = {{"item", Kind::kId, std::string(kItemDictionary)},
                        {"type", Kind::kId, kTypeDictionary},
                        {"time", Kind::kTime, ""}};
    for (const std::string& field : FieldsOf(plan, output.name)) {
      sequence.columns.push_back({"field " + field, Kind::kNumber, ""});
    }
    for (std::size_t code = 0; code < output.kind->item_codes(); ++code) {
      sequence.columns.push_back({"item " + output.kind->ItemCode(code).name, Kind::kNumber, ""});
    }
    schema.sequences.push_back(std::move(sequence));
  }
  return schema;
}

namespace {

// The rows of one replay on their way to a file and, stretch by stretch, to a checkpoint.
class CheckpointedRows {
 public:
  CheckpointedRows(const RowReplay& replay, const FeaturePlan& plan,
                   const RowCheckpoint::Options& options, TrainingRowsWriter* writer)
      : replay_(replay),
        plan_(plan),
        directory_(options.directory),
        checkpoint_(options),
        writer_(writer),
        rows_(plan, replay.options(), writer) {}

  // Takes over what the checkpoint has. After an error the writer's file is of no use.
  absl::Status Resume(WrittenRows* written) {
    for (const RowCheckpoint::Part& part : checkpoint_.Find()) {
      FOURFOLD_RETURN_IF_ERROR(checkpoint_.Copy(part, writer_));
      written->relevant += part.relevant;
      written->retrieved += part.retrieved;
      written->resumed = next_ = part.end;
    }
    return absl::OkStatus();
  }

  std::uint64_t next() const { return next_; }

  absl::Status WriteNext(WrittenRows* written) {
    if (part_writer_ == nullptr && !has_given_up_) StartPart();
    FOURFOLD_RETURN_IF_ERROR(replay_.Read(next_, &replayed_, &table_));
    const auto retrieved = static_cast<std::uint64_t>(std::count_if(
        replayed_.labels.begin(), replayed_.labels.end(), [](float label) { return label > 0; }));
    written->relevant += replayed_.relevant;
    written->retrieved += retrieved;
    part_.relevant += replayed_.relevant;
    part_.retrieved += retrieved;
    if (!replayed_.request.candidates.empty()) {
      FOURFOLD_RETURN_IF_ERROR(WriteTo(&rows_));
      if (part_rows_ != nullptr && !WriteTo(part_rows_.get()).ok()) GiveUp();
    }
    ++next_;
    const bool is_full =
        part_writer_ != nullptr && part_writer_->bytes() >= checkpoint_.bytes_per_part();
    if (is_full || next_ == replay_.size()) FinishPart();
    return absl::OkStatus();
  }

 private:
  absl::Status WriteTo(RowWriter* rows) {
    return rows->Write(replayed_, table_, replay_.event_time_ms(next_), replay_.position(next_));
  }

  void StartPart() {
    auto started = checkpoint_.Start(next_, writer_->schema());
    if (!started.ok()) return GiveUp();
    part_writer_ = *std::move(started);
    part_ = {.begin = next_};
    if (part_writer_ != nullptr) {
      part_rows_ = std::make_unique<RowWriter>(plan_, replay_.options(), part_writer_.get());
    }
  }
  void FinishPart() {
    if (part_writer_ == nullptr) return;
    part_.end = next_;
    if (!checkpoint_.Finish(part_, part_writer_.get()).ok()) return GiveUp();
    part_rows_ = nullptr;
    part_writer_ = nullptr;
  }
  // A training can do without: the disk may be full, or an erasure has removed what was there.
  void GiveUp() {
    part_rows_ = nullptr;
    part_writer_ = nullptr;
    has_given_up_ = true;
    RowCheckpoint::Remove(directory_);
  }

  const RowReplay& replay_;
  const FeaturePlan& plan_;
  const std::string directory_;
  const RowCheckpoint checkpoint_;
  TrainingRowsWriter* const writer_;
  RowWriter rows_;
  std::uint64_t next_ = 0;
  bool has_given_up_ = false;
  RowCheckpoint::Part part_;
  std::unique_ptr<TrainingRowsWriter> part_writer_;
  std::unique_ptr<RowWriter> part_rows_;
  ReplayedRequest replayed_;
  FeatureTable table_;
};

}  // namespace

absl::StatusOr<WrittenRows> WriteTrainingRows(const RowReplay& replay, const FeaturePlan& plan,
                                              const std::string& path,
                                              const std::function<void(double done)>& progress,
                                              const std::function<bool()>& is_cancelled,
                                              const RowCheckpoint::Options& checkpoint) {
  TrainingSchema schema = TrainingSchemaOf(plan);
  for (const RankerHead& head : replay.options().heads) schema.heads.push_back(head.name);
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<TrainingRowsWriter> writer,
                            TrainingRowsWriter::Create(path, schema));
  auto rows = std::make_unique<CheckpointedRows>(replay, plan, checkpoint, writer.get());
  WrittenRows written;
  if (!rows->Resume(&written).ok()) {
    // What is there cannot be taken over: all rows are made anew.
    RowCheckpoint::Remove(checkpoint.directory);
    written = WrittenRows();
    rows = nullptr;
    writer = nullptr;
    FOURFOLD_ASSIGN_OR_RETURN(writer, TrainingRowsWriter::Create(path, schema));
    rows = std::make_unique<CheckpointedRows>(replay, plan, checkpoint, writer.get());
  }
  while (rows->next() < replay.size()) {
    if (is_cancelled && is_cancelled()) {
      return absl::CancelledError("the training was called off");
    }
    FOURFOLD_RETURN_IF_ERROR(rows->WriteNext(&written));
    if (progress && rows->next() % 1024 == 1) {
      progress(static_cast<double>(rows->next()) / static_cast<double>(replay.size()));
    }
  }
  FOURFOLD_ASSIGN_OR_RETURN(written.counts, writer->Finish());
  return written;
}

}  // namespace fourfold
