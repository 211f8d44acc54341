#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/transact/transact_sequence.h"

namespace fourfold {

// The rows of a sequence as columns of matrices: what attention looks at stands first, and of equal
// rows that it must not look at, as padding is, there is one, since all their outputs are equal. So
// are those of equal rows that it looks at (nothing says where in the sequence a row stands): where
// they are merged, one stands for all, and its logits are to be raised by log_counts.
struct TransActTokens {
  std::size_t tokens = 0;   // visible rows, then hidden ones
  std::size_t columns = 0;  // tokens, padded with copies of the first one
  std::size_t keys = 0;     // tokens that attention looks at: the first ones
  std::vector<std::size_t> token_of_row;
  std::vector<std::size_t> row_of_token;  // [columns]
  std::vector<float> log_counts;          // [keys]: log2 of how many rows a key stands for
  bool has_merged = false;                // else they are 0

  // The sequence (CheckSequence) and its HiddenRows. Does not allocate once it has seen as many.
  void LayOut(const TransActSequence& sequence, std::span<const std::uint8_t> hidden,
              bool merges_equal);
  // The user's part of each token, [user_width, columns]; `action_table` as in TransActParameters.
  void FillUser(const TransActSequence& sequence, const TransActShape& shape,
                std::span<const float> action_table, float* user) const;
};

}  // namespace fourfold
