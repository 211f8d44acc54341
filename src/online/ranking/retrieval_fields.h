#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "online/pipeline/candidate_table.h"

namespace fourfold {

// How a candidate was found, told to a trained ranker as fields of the candidate, which features of
// kind input_field read: "blend.score" and "blend.rank", and of each retriever "<name>.score" and
// "<name>.rank" (1 first; no such field where it did not find the candidate). Training rows that
// are retrieved, requests and logged slates carry the same. Immutable; thread-safe.
class RetrievalFields {
 public:
  // Only what the plan's features read is told. `retrievers`: in the order of the pipeline.
  RetrievalFields(const FeaturePlan& plan, const std::vector<std::string>& retrievers);

  // Puts the candidates of these rows, in this order, into `told`, which is used again. The scores
  // in the table are the blend's and `rows` in their order.
  void Tell(const CandidateTable& table, const Catalogue::ReadLock& catalogue,
            std::span<const Row> rows, std::vector<std::uint32_t>* places,
            std::vector<FeatureCandidate>* told) const;

 private:
  static constexpr std::size_t kBlend = 0xffffffff;
  struct Wanted {
    std::string name;
    std::size_t retriever = kBlend;  // its place in the pipeline
    bool is_rank = false;
  };
  std::vector<Wanted> wanted_;
};

// The best kept rows that some retriever found by score and tie rule, at most `count`, best first.
void BestRows(const CandidateTable& table, std::size_t count, std::vector<Row>* rows);

}  // namespace fourfold
