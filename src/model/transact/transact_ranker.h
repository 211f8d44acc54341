#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/transact/packed_ranking_network.h"
#include "model/transact/transact_encoder.h"
#include "model/transact/transact_ranker_model.h"

namespace fourfold {

// The actions of a user as ids, newest first; fewer or more than the model looks at.
struct TransActHistory {
  std::span<const std::string> items;
  std::span<const std::string> types;
  std::span<const std::int64_t> times_ms;
  // Of the items that were acted on: [the model's item_codes][actions].
  std::span<const std::vector<float>> item_codes = {};
};

// What is to be scored.
struct TransActQuery {
  TransActHistory history;
  std::int64_t request_time_ms = 0;
  std::span<const std::string_view> candidates;
  // [candidates, columns], row-major: those of the request and then those of the candidate, in the
  // order of the model's names, NaN for null.
  std::span<const float> rows;
};

// Everything that a thread computes with. Reused, it stops allocating. Not thread-safe.
struct TransActScratch {
  std::vector<std::int32_t> types;
  std::vector<float> items;
  std::vector<std::int64_t> times_ms;
  std::vector<std::uint8_t> hidden;
  std::vector<float> codes;  // of one action
  AlignedFloats vectors;     // [candidates, padded][item_dimension]
  AlignedFloats outputs;     // [candidates, padded][output_width]
  TransActRequest request;
  RankingStrips network;

  TransActSequence sequence() const { return {types, items, times_ms}; }
};

// A trained ranker that answers. Immutable; thread-safe.
class TransActRanker {
 public:
  // The model has been checked.
  explicit TransActRanker(TransActRankerModel model);

  const TransActRankerModel& model() const { return model_; }

  // The logit that each head gives each candidate: [heads][candidates].
  void Score(const TransActQuery& query, TransActScratch* scratch, std::span<float> logits) const;
  // How much of the last layer's attention each of the query's actions got from one candidate; as
  // many as the model looks at, at most. In float32, whatever the model's precision. Allocates.
  std::vector<float> Attention(const TransActQuery& query, std::size_t candidate) const;

 private:
  void FillSequence(const TransActHistory& history, TransActScratch* scratch) const;
  void FillItemVector(std::string_view id, std::span<const float> codes, float* vector) const;
  // Of the item of a row of the query.
  std::span<const float> ItemCodesOf(const TransActQuery& query, std::size_t candidate) const {
    return query.rows.subspan(candidate * model_.row_size() + item_code_begin_, item_codes_);
  }

  const TransActRankerModel model_;
  const std::size_t item_code_begin_, item_codes_;  // in a row
  const TransActEncoder encoder_;
  StringMap<std::size_t> rows_;  // of items
  StringMap<std::int32_t> types_;
  const PackedRankingNetwork network_;
};

// Writes what becomes of the columns of a request and candidate into its column of the network's
// input, whose rows are `stride` apart.
void FillColumns(const TransActRankerModel& model, std::span<const float> request_columns,
                 std::span<const float> candidate_columns, std::size_t stride, float* input);
// The rest of the input [inputs, columns]: vectors [candidates, padded][item_dimension] and outputs
// [candidates, padded][output_width], aligned; and zeros where nothing stands.
void FillVectors(const TransActRankerModel& model, const float* vectors, const float* outputs,
                 std::size_t candidates, std::size_t columns, float* input);

}  // namespace fourfold
