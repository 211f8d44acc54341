#pragma once

#include <span>

#include "servable/servable.h"

// The one formula by which the lists of several retrievers become one score: online blends with
// it, offline tunes its weights with it.
namespace fourfold {

// What a retriever of this weight adds to the blended score of a candidate of its list.
//
// `rank` is the candidate's place in that list, 1 first; `largest_score` is the score of rank 1.
//   kReciprocalRank:    weight * (1 / (rank_constant + rank))
//   kNormalisedScores:  weight * (score / largest_score)
// The brackets matter: the heads of two lists of equal weight are then exactly equal.
// A score below zero counts as zero, and a list whose largest score is not above zero adds nothing
// under kNormalisedScores. So contributions are never negative and never grow down the list.
//
// The blended score is the sum over the retrievers with a weight above zero, added in the order of
// their names (the order of BlendSpec::weights): floating-point sums depend on the order.
double BlendContribution(const BlendSpec& spec, double weight, int rank, double score,
                         double largest_score);

// The same for a whole list, best first: contributions[i] belongs to scores[i], which has rank
// i + 1. The two spans have the same length.
void BlendContributions(const BlendSpec& spec, double weight, std::span<const double> scores,
                        std::span<double> contributions);

}  // namespace fourfold
