#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "offline/ranking/training_rows_codec.h"

// The first byte says which payload the rest is. Digests, which would keep nearly every input out,
// are not asked; a payload that is taken encodes to itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fourfold;
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string again;
  if (data[0] % 2 == 0) {
    const auto footer = DecodeTrainingFooter(payload);
    if (!footer.ok()) return 0;
    EncodeTrainingFooter(*footer, &again);
    const auto twice = DecodeTrainingFooter(again);
    FOURFOLD_CHECK(twice.ok() && twice->schema == footer->schema &&
                   twice->dictionaries == footer->dictionaries);
    return 0;
  }
  using Kind = TrainingSchema::SequenceColumn::Kind;
  TrainingSchema schema;
  schema.request_features = {"a"};
  schema.candidate_features = {"b", "c"};
  schema.dictionaries = {"item", "user"};
  // A payload with an outcome for each row, and one without.
  if (data[0] % 4 == 3) schema.heads = {"x", "y"};
  schema.sequences = {{"s", {{"i", Kind::kId, "item"}, {"t", Kind::kTime, ""}}}};
  const std::vector<std::size_t> sizes = {3, 2};
  TrainingBlock block;
  if (!DecodeTrainingBlock(payload, schema, sizes, &block).ok()) return 0;
  EncodeTrainingBlock(block, &again);
  FOURFOLD_CHECK(again == payload);
  return 0;
}
