#pragma once

#include <cstdint>

#include "offline/ranking/row_replay.h"
#include "offline/ranking/train_trees.h"
#include "offline/ranking/transact_spec.h"

namespace fourfold {

// A trained ranker as a recipe asks for it: its rows, its model, and how the log is cut in time to
// judge it. The rest, after the shares for training and validation, is the test.
struct RankerSpec {
  RowOptions rows;
  enum class Kind : std::uint8_t { kTrees, kTransAct } kind = Kind::kTrees;
  TreesSpec trees;
  TransActSpec transact;
  // How many of the blend's best candidates it puts in order for a slate; 0: none.
  int candidates = 500;
  // Of the requests that it scores, the share kept with their features
  // (online/ranking/served_log.h).
  double log_features = 0.01;
  // The most memory that the state of its features takes beside serving, and another one while
  // rows are made (feature/state/capped_state.h).
  int state_megabytes = 1024;
  // Rows kRetrieved: retrieval first learns from so many of the moments; the rows are those after
  // them, in so many parts of equal size. Each part's candidates are of retrieval fitted on what
  // came before that part.
  double retrieval_share = 0.5;
  int retrieval_fits = 4;
  double training_share = 0.7;
  double validation_share = 0.1;
};

}  // namespace fourfold
