#include "offline/ranking/write_training_rows.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
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
  RowWriter(const FeaturePlan& plan, TrainingRowsWriter* writer)
      : plan_(plan),
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
    const FeatureRequest& request = replayed.request;
    for (std::size_t c = 0; c < request.candidates.size(); ++c) {
      AppendColumns(plan_, table, /*per_candidate=*/true, c, &candidate_features_);
      item_numbers_.push_back(writer_.NumberOf(items_, request.candidates[c].item));
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
    row.labels = replayed.labels;
    row.sequences = sequences_;
    return writer_.Add(row);
  }

 private:
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
  TrainingRowsWriter& writer_;
  const std::size_t items_;
  const std::size_t users_;
  const std::size_t types_;
  std::vector<float> features_;
  std::vector<float> candidate_features_;
  std::vector<std::uint32_t> item_numbers_;
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
    schema.sequences.push_back(std::move(sequence));
  }
  return schema;
}

absl::StatusOr<WrittenRows> WriteTrainingRows(const RowReplay& replay, const FeaturePlan& plan,
                                              const std::string& path,
                                              const std::function<void(double done)>& progress) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::unique_ptr<TrainingRowsWriter> writer,
                            TrainingRowsWriter::Create(path, TrainingSchemaOf(plan)));
  RowWriter rows(plan, writer.get());
  ReplayedRequest replayed;
  FeatureTable table;
  WrittenRows written;
  for (std::size_t row = 0; row < replay.size(); ++row) {
    FOURFOLD_RETURN_IF_ERROR(replay.Read(row, &replayed, &table));
    written.relevant += replayed.relevant;
    written.retrieved += static_cast<std::uint64_t>(std::count_if(
        replayed.labels.begin(), replayed.labels.end(), [](float label) { return label > 0; }));
    if (replayed.request.candidates.empty()) continue;
    FOURFOLD_RETURN_IF_ERROR(
        rows.Write(replayed, table, replay.event_time_ms(row), replay.position(row)));
    if (progress && row % 1024 == 0) {
      progress(static_cast<double>(row) / static_cast<double>(replay.size()));
    }
  }
  FOURFOLD_ASSIGN_OR_RETURN(written.counts, writer->Finish());
  return written;
}

}  // namespace fourfold
