#include "model/transact/transact_tokens.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "math/column_kernels.h"

namespace fourfold {

void TransActTokens::LayOut(const TransActSequence& sequence, std::span<const std::uint8_t> hidden,
                            bool merges_equal) {
  const std::size_t actions = sequence.types.size();
  FOURFOLD_CHECK(actions > 0 && hidden.size() == actions);
  const std::size_t dimension = sequence.items.size() / actions;
  row_of_token.clear();
  log_counts.clear();
  token_of_row.resize(actions);
  const auto add = [&](std::size_t row) {
    token_of_row[row] = row_of_token.size();
    row_of_token.push_back(row);
  };
  const auto are_equal = [&](std::size_t a, std::size_t b) {
    const float* const item = sequence.items.data() + a * dimension;
    return sequence.types[a] == sequence.types[b] &&
           std::equal(item, item + dimension, sequence.items.data() + b * dimension);
  };
  for (std::size_t row = 0; row < actions; ++row) {
    if (hidden[row]) continue;
    const auto same = [&](std::size_t earlier) { return merges_equal && are_equal(row, earlier); };
    const auto found = std::find_if(row_of_token.begin(), row_of_token.end(), same);
    token_of_row[row] = static_cast<std::size_t>(found - row_of_token.begin());
    if (found == row_of_token.end()) {
      row_of_token.push_back(row);
      log_counts.push_back(0);
    }
    log_counts[token_of_row[row]] += 1;
  }
  keys = row_of_token.size();
  has_merged = std::any_of(log_counts.begin(), log_counts.end(), [](float n) { return n > 1; });
  for (float& count : log_counts) count = std::log2(count);
  for (std::size_t row = 0; row < actions; ++row) {
    if (!hidden[row]) continue;
    // Padding is one long run of the same.
    const bool repeats = row_of_token.size() > keys && are_equal(row, row_of_token.back());
    if (repeats) {
      token_of_row[row] = row_of_token.size() - 1;
    } else {
      add(row);
    }
  }
  tokens = row_of_token.size();
  columns = PaddedColumns(tokens);
  row_of_token.resize(columns, row_of_token.front());
}

void TransActTokens::FillUser(const TransActSequence& sequence, const TransActShape& shape,
                              std::span<const float> action_table, float* user) const {
  for (std::size_t token = 0; token < columns; ++token) {
    const std::size_t row = row_of_token[token];
    const auto type = static_cast<std::size_t>(sequence.types[row]);
    for (std::size_t d = 0; d < shape.action_dimension; ++d) {
      user[d * columns + token] = action_table[type * shape.action_dimension + d];
    }
    for (std::size_t d = 0; d < shape.item_dimension; ++d) {
      user[(shape.action_dimension + d) * columns + token] =
          sequence.items[row * shape.item_dimension + d];
    }
  }
}

}  // namespace fourfold
