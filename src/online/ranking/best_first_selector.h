#pragma once

#include "online/pipeline/stage.h"

namespace fourfold {

// Whether row `a` goes before row `b`: higher score, then higher score before the last scorer, then
// higher popularity, then smaller hash.
bool GoesBefore(const CandidateTable& candidates, Row a, Row b);

// The best kept candidates by score and the tie rule.
class BestFirstSelector final : public Selector {
 public:
  BestFirstSelector();
  void Select(const Query& query, const CandidateTable& candidates,
              std::vector<Row>* slate) const override;
};

}  // namespace fourfold
