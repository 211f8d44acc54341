#include "model/transact/transact_tokens.h"

#include <algorithm>

#include "base/check.h"
#include "math/column_kernels.h"

namespace fourfold {

void TransActTokens::LayOut(const TransActSequence& sequence,
                            std::span<const std::uint8_t> hidden) {
  const std::size_t actions = sequence.types.size();
  FOURFOLD_CHECK(actions > 0 && hidden.size() == actions);
  const std::size_t dimension = sequence.items.size() / actions;
  row_of_token.clear();
  token_of_row.resize(actions);
  const auto add = [&](std::size_t row) {
    token_of_row[row] = row_of_token.size();
    row_of_token.push_back(row);
  };
  for (std::size_t row = 0; row < actions; ++row) {
    if (!hidden[row]) add(row);
  }
  keys = row_of_token.size();
  const auto item = [&](std::size_t row) {
    return sequence.items.subspan(row * dimension, dimension);
  };
  for (std::size_t row = 0; row < actions; ++row) {
    if (!hidden[row]) continue;
    // Padding is one long run of the same.
    const bool repeats =
        row_of_token.size() > keys && sequence.types[row] == sequence.types[row_of_token.back()] &&
        std::equal(item(row).begin(), item(row).end(), item(row_of_token.back()).begin());
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
