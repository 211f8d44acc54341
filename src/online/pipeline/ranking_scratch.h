#pragma once

#include <cstdint>
#include <vector>

#include "feature/plan/feature_request.h"
#include "online/pipeline/candidate_table.h"
#include "online/ranking/live_ranker.h"

namespace fourfold {

// Memory that scorers reuse from request to request.
struct RankingScratch {
  // The rows that a trained ranker scored, as it was asked for them: rows[c] is the candidate c of
  // the request. Empty: no ranker has scored this request.
  std::vector<Row> rows;
  FeatureRequest request;
  LiveRankerScratch ranker;

  std::vector<float> scores;
  std::vector<std::uint32_t> places;  // by row
};

}  // namespace fourfold
