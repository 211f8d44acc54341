#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "offline/evaluation/blend_tuning.h"

namespace fourfold {

// The validation queries laid out for trying many weights of one method fast: per query its
// relevant candidates and whoever may stand before them, with what each retriever adds to each at
// weight 1. Immutable; thread-safe. Memory: 8 bytes a candidate and retriever.
class BlendMatrix {
 public:
  // `tie_order` covers every item; it need not outlive the constructor.
  BlendMatrix(const TuningQueries& queries, const BlendSpec& method,
              std::span<const std::string> retrievers, std::span<const std::uint32_t> tie_order,
              int threads);

  // nDCG@10 over all queries of the blend with these weights (none negative), by retriever. The
  // orders are those of BlendNdcgAt10; the same for any number of threads.
  double MeanNdcgAt10(std::span<const double> weights) const;

 private:
  // Candidates in tie order; relevant ones are listed by their place.
  struct Query {
    std::vector<double> contributions;  // [retrievers x candidates]: 0 where it is not in the list
    std::vector<std::uint32_t> relevant;
    std::size_t candidates = 0;
    std::size_t relevant_count = 0;  // those that no retriever found included
  };

  Query LayOut(const TuningQuery& query, const BlendSpec& method,
               std::span<const std::uint32_t> tie_order) const;
  double Ndcg(const Query& query, std::span<const double> weights,
              std::vector<double>* blended) const;

  std::vector<std::size_t> by_name_;  // retrievers in the order in which contributions are added
  std::vector<Query> queries_;
  std::uint64_t all_queries_ = 0;
  int threads_ = 0;
};

}  // namespace fourfold
