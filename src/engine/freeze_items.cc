#include "engine/freeze_items.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/exam.h"
#include "feature/kinds/field_codes.h"
#include "offline/dataset/side_fields.h"
#include "offline/retrieval/embedding/eges.h"
#include "offline/retrieval/training_actions.h"
#include "servable/side_values.h"
#include "servable/transact_columns.h"

namespace fourfold {
namespace {

// Of a value that is told as a text (SideValuesOf): a text has one code; a number another than the
// text that it is told as, where the two write numbers differently.
std::vector<float> CodesOf(std::string_view field, std::string_view value) {
  std::vector<float> codes = {TextCodeOf(field, value)};
  double number = 0;
  const char* const end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return codes;
  const FieldValue as_number = number;
  if (SideValuesOf(as_number).front() == value) codes.push_back(FieldCodeOf(field, &as_number));
  return codes;
}

absl::StatusOr<ItemEmbeddings> FitEmbeddings(const Learning& before, const RetrieverSpec& spec,
                                             const InteractionTable& table) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<SideField> fields,
                            ReadSideFields(before.store, table.items, spec.side_fields, before.at));
  std::function<void(double)> progress;
  if (before.progress) {
    progress = [&](double done) {
      before.progress("fitting the item embeddings of the ranker", done);
    };
  }
  const ItemGraph graph = BuildSessionGraph(SelectActions(table, spec.action_types), spec);
  FOURFOLD_ASSIGN_OR_RETURN(TrainedEmbeddings trained, TrainEges(graph, fields, spec, /*threads=*/0,
                                                                 progress, before.is_cancelled));
  if (before.note) before.note(StrCat("the ranker's item embeddings: ", trained.report));
  return std::move(trained.embeddings);
}

}  // namespace

FrozenItems::Parts FrozenPartsOf(const ItemEmbeddings& embeddings,
                                 const std::vector<std::string>& items,
                                 std::vector<std::string> fields, std::size_t codes_per_field) {
  FrozenItems::Parts parts;
  parts.dimension = embeddings.dimension();
  for (std::uint32_t item = 0; item < embeddings.items(); ++item) {
    const std::span<const float> vector = embeddings.VectorOf(item);
    if (!embeddings.IsTrained(item) || vector.empty()) continue;
    parts.items.push_back(items[item]);
    parts.vectors.insert(parts.vectors.end(), vector.begin(), vector.end());
  }
  std::map<std::uint32_t, std::vector<float>> sides;
  for (std::size_t place = 0; place < fields.size(); ++place) {
    std::size_t field = 0;
    while (embeddings.FieldName(field) != fields[place]) ++field;
    embeddings.VisitValues(field, [&](std::string_view value, std::span<const float> vector) {
      // Of two values that share a code the first one has it.
      for (const float code : CodesOf(fields[place], value)) {
        sides.try_emplace(FrozenItems::KeyOf(place, code), vector.begin(), vector.end());
      }
    });
  }
  for (const auto& [key, vector] : sides) {
    parts.keys.push_back(key);
    parts.side_vectors.insert(parts.side_vectors.end(), vector.begin(), vector.end());
  }
  parts.fields = std::move(fields);
  parts.codes_per_field = parts.fields.empty() ? 0 : codes_per_field;
  return parts;
}

absl::StatusOr<std::shared_ptr<const FrozenItems>> FreezeItems(const Learning& learning,
                                                               const RetrieverSpec& retriever,
                                                               const std::string& sequence,
                                                               std::int64_t cut_ms) {
  const Learning before = KnownBy(learning, cut_ms - 1);
  // Read anew, so that not even an id of what came later is among the items: their number and order
  // decide with which vectors the fit begins.
  const absl::StatusOr<InteractionTable> table = ReadTrainingTable(before);
  if (absl::IsFailedPrecondition(table.status())) {
    return InvalidArgument("the log holds no action to learn item embeddings from before the ",
                           "rows of the ranker");
  }
  FOURFOLD_RETURN_IF_ERROR(table.status());
  FOURFOLD_ASSIGN_OR_RETURN(const ItemEmbeddings embeddings,
                            FitEmbeddings(before, retriever, *table));
  const FeaturePlan& plan = *learning.recipe.features;
  std::vector<std::string> fields = ItemFieldsOf(plan, sequence);
  std::size_t codes = 0;
  for (const FeaturePlan::Output& output : plan.sequences()) {
    if (output.name == sequence) codes = output.kind->item_codes();
  }
  const std::size_t codes_per_field = fields.empty() ? 0 : codes / fields.size();
  return FrozenItems::Make(
      FrozenPartsOf(embeddings, table->items, std::move(fields), codes_per_field));
}

}  // namespace fourfold
