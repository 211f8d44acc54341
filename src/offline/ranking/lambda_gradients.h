#pragma once

#include <cstdint>
#include <span>

namespace fourfold {

// LambdaMART's derivatives (Burges, 2010) of each margin, where the first `cutoff` places of a list
// are what counts. In each request every pair of candidates with different labels, one of them
// among the first so many by margin (equal ones as they stand), weighs log(1 + e^(lower - higher))
// by what a swap of the two would change in nDCG: gains 2^label - 1, discounts by place over the
// whole list, against the best possible order's first `cutoff`. Derivatives are sums over these
// pairs, times the request's weight; a request whose labels are all the same has none.
//
// request_ends as in TrainingMatrix, with a weight each. Second derivatives are at least 1e-16.
// cutoff is at least 1. Time: requests x cutoff x candidates.
void LambdaGradients(std::span<const float> margins, std::span<const float> labels,
                     std::span<const std::uint32_t> request_ends,
                     std::span<const float> request_weights, int cutoff, std::span<float> gradients,
                     std::span<float> second_derivatives);

}  // namespace fourfold
