#pragma once

#include <cstdint>
#include <vector>

#include "feature/catalogue.h"
#include "index/vector_graph.h"
#include "online/pipeline/item_marks.h"

namespace fourfold {

// Memory that retrievers reuse from request to request. Each leaves `sums` as it found it.
struct RetrievalScratch {
  // A score being added up for one item of the vocabulary, and which action gave the most of it.
  struct Sum {
    double score = 0;
    float most = 0;
    std::uint32_t trigger = 0xffffffffu;  // nothing added yet
  };
  std::vector<Sum> sums;               // by vocabulary index
  std::vector<std::uint32_t> touched;  // vocabulary indexes with something added

  ItemMarks acted_on;  // items of the history met so far

  struct Scored {
    double score = 0;
    std::uint32_t tie_rank = 0;  // smaller is better among equal scores
    std::uint32_t item = 0;
    std::uint32_t trigger = 0xffffffffu;
  };
  std::vector<Scored> best;

  VectorSearchScratch vector_search;
  std::vector<Neighbour> nearest;
  std::vector<float> query_vector;

  struct Occurrence {
    ItemIndex item = 0;
    std::uint32_t action = 0;  // an index into the history
  };
  std::vector<Occurrence> occurrences;
};

}  // namespace fourfold
