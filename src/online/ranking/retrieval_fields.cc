#include "online/ranking/retrieval_fields.h"

#include <algorithm>

#include "base/strings.h"
#include "online/ranking/best_first_selector.h"

namespace fourfold {
namespace {

// Adds the field, or writes over one that was there before.
void PutField(std::size_t place, const std::string& name, double value,
              std::vector<Field>* fields) {
  if (place == fields->size()) fields->emplace_back();
  (*fields)[place].name = name;
  (*fields)[place].value = value;
}

bool IsRead(const FeaturePlan& plan, std::string_view field) {
  return std::any_of(
      plan.declarations().begin(), plan.declarations().end(),
      [&](const FeatureDeclaration& feature) {
        return feature.kind == "input_field" &&
               std::any_of(feature.parameters.begin(), feature.parameters.end(),
                           [&](const Field& parameter) {
                             const auto* text = std::get_if<std::string>(&parameter.value);
                             return parameter.name == "field" && text != nullptr && *text == field;
                           });
      });
}

}  // namespace

RetrievalFields::RetrievalFields(const FeaturePlan& plan,
                                 const std::vector<std::string>& retrievers) {
  const auto want = [&](const std::string& of, std::size_t retriever) {
    for (const bool is_rank : {false, true}) {
      std::string name = StrCat(of, is_rank ? ".rank" : ".score");
      if (IsRead(plan, name)) wanted_.push_back({std::move(name), retriever, is_rank});
    }
  };
  want("blend", kBlend);
  for (std::size_t i = 0; i < retrievers.size(); ++i) want(retrievers[i], i);
}

void RetrievalFields::Tell(const CandidateTable& table, const Catalogue::ReadLock& catalogue,
                           std::span<const Row> rows, std::vector<std::uint32_t>* places,
                           std::vector<FeatureCandidate>* told) const {
  told->resize(rows.size());
  std::vector<std::size_t> fields(rows.size(), 0);
  for (std::size_t c = 0; c < rows.size(); ++c) {
    (*told)[c].item.assign(catalogue.Id(table.items()[rows[c]]));
    (*told)[c].shown_position = 0;
  }
  for (std::size_t w = 0; w < wanted_.size(); ++w) {
    const Wanted& wanted = wanted_[w];
    const bool is_blend = wanted.retriever == kBlend;
    const std::span<const Retrieved> list =
        is_blend ? std::span<const Retrieved>() : table.list(wanted.retriever);
    const bool same_list = w > 0 && wanted_[w - 1].retriever == wanted.retriever;
    if (!is_blend && !same_list) {
      places->assign(table.size(), 0);
      for (std::size_t i = 0; i < list.size(); ++i) {
        (*places)[list[i].row] = static_cast<std::uint32_t>(i + 1);
      }
    }
    for (std::size_t c = 0; c < rows.size(); ++c) {
      double value = 0;
      if (is_blend) {
        value = wanted.is_rank ? static_cast<double>(c + 1) : table.score(rows[c]);
      } else {
        const std::uint32_t place = (*places)[rows[c]];
        if (place == 0) continue;
        value = wanted.is_rank ? static_cast<double>(place) : list[place - 1].score;
      }
      PutField(fields[c]++, wanted.name, value, &(*told)[c].fields);
    }
  }
  for (std::size_t c = 0; c < rows.size(); ++c) (*told)[c].fields.resize(fields[c]);
}

void BestRows(const CandidateTable& table, std::size_t count, std::vector<Row>* rows) {
  rows->clear();
  for (Row row = 0; row < table.size(); ++row) {
    if (table.dropped_by(row) == 0 && table.retrieved_by(row) != 0) rows->push_back(row);
  }
  count = std::min(count, rows->size());
  std::partial_sort(rows->begin(), rows->begin() + static_cast<std::ptrdiff_t>(count), rows->end(),
                    [&](Row a, Row b) { return GoesBefore(table, a, b); });
  rows->resize(count);
}

}  // namespace fourfold
