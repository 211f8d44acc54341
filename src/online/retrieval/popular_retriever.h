#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// What most people act on: the servable's popularity table from the top.
class PopularRetriever final : public Retriever {
 public:
  explicit PopularRetriever(RetrieverSpec spec);
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;

 private:
  const RetrieverSpec spec_;
};

}  // namespace fourfold
