#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"
#include "offline/ranking/training_rows.h"

// The payloads of a file of training rows (docs/formats.md). Private to training_rows.cc and its
// fuzz target.
namespace fourfold {

struct TrainingFooter {
  TrainingSchema schema;
  std::vector<std::vector<std::string_view>> dictionaries;  // as in the schema
  TrainingRowCounts counts;                                 // but for bytes
  Digest blocks{};
};

void EncodeTrainingBlock(const TrainingBlock& block, std::string* out);
// DataLoss for a payload that is not whole or holds something out of bounds. dictionary_sizes: of
// schema.dictionaries.
absl::Status DecodeTrainingBlock(std::string_view payload, const TrainingSchema& schema,
                                 std::span<const std::size_t> dictionary_sizes,
                                 TrainingBlock* block);

void EncodeTrainingFooter(const TrainingFooter& footer, std::string* out);
// Its ids are parts of the payload. DataLoss, or what CheckTrainingSchema says.
absl::StatusOr<TrainingFooter> DecodeTrainingFooter(std::string_view payload);

// InvalidArgument for a name that is empty or stands twice, an unknown dictionary, too many heads,
// and a schema without kItemDictionary and kUserDictionary.
absl::Status CheckTrainingSchema(const TrainingSchema& schema);
// Whether no bit stands beyond those of so many heads.
bool AreOutcomes(std::span<const std::uint32_t> outcomes, std::size_t heads);
// The place of a name among the schema's dictionaries; as many as there are when it is none.
std::size_t DictionaryPlace(const TrainingSchema& schema, std::string_view name);

}  // namespace fourfold
