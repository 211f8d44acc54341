#pragma once

#include "fourfold/recommend.h"
#include "online/pipeline/pipeline.h"

namespace fourfold {

// The items of a finished request and, where `request` asks for it, why they stand there, what
// was dropped, what history was used, and what became of why_not_item. The catalogue is still
// locked.
// `ranker`: that of the pipeline, or null.
void Present(const RecommendRequest& request, const Pipeline& pipeline, const LiveRanker* ranker,
             const RequestState& state, RecommendResponse* response);

}  // namespace fourfold
