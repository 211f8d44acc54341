#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "math/bfloat16.h"
#include "offline/ranking/train_trees.h"

namespace fourfold {

// A TransAct ranker and how it is trained; plain values of the recipe's `ranker:` section.
struct TransActSpec {
  std::string sequence;       // which of the features is the user's actions; empty: the first one
  int actions = 100;          // the newest ones
  int action_dimension = 32;  // dimensions and feed_forward are multiples of 8
  int item_dimension = 32;
  // The retriever whose embeddings stand in place of learned item vectors; empty: none.
  std::string embedding_retriever;
  int layers = 2;
  int attention_heads = 1;
  int feed_forward = 32;
  int latest = 10;
  bool max_pool = true;
  Precision precision = Precision::kFloat32;           // of the answers
  Precision training_precision = Precision::kFloat32;  // of the products of a step
  int cross_layers = 2;
  std::vector<int> hidden = {128, 64};  // multiples of 8
  int item_actions_min =
      20;  // an item met less often in training has a drawn vector, not a learned
  // Where the sequence has item_fields: rows of the table that their codes share, and the share of
  // the items whose own vector a step of training leaves out, so that their fields must tell.
  int side_rows = 16'384;
  double item_dropout = 0.1;
  // Of the table that the codes of categories share.
  int category_rows = 16'384;
  int category_dimension = 8;
  // Each step hides the actions of a time before the request that it draws, up to so much.
  std::int64_t window_ms = 0;

  // kListwise: a softmax over each request's candidates (one of them is chosen). kLogistic: the
  // probability of the label, which lies from 0 to 1, of each candidate on its own.
  enum class Objective : std::uint8_t { kListwise, kLogistic } objective = Objective::kLogistic;
  TreesSpec::Metric metric = TreesSpec::Metric::kLogLoss;  // decides which epoch is the best
  double learning_rate = 1e-3;  // at its highest: it rises to it, then falls as a cosine
  int warm_up_steps = 200;
  int batch_rows = 512;           // candidates of a step; whole requests
  int epochs = 10;                // at most
  int early_stopping_epochs = 2;  // without a better metric; 0: all epochs
  double dropout = 0.1;
  double weight_decay = 0;  // of matrices, apart from the gradient (AdamW)
  int seed = 1;
  bool warm_start = false;  // from the ranker that serves, where there is one of this kind

  // Of rows with heads, [heads]: what the probability of each weighs in the score that orders. For
  // the metrics of the order; nothing of it is learned.
  std::vector<double> head_values;
  // Of rows with heads, [heads x heads]: what a row weighs for the first where the second came of
  // it (LabelWeight); empty: 1 everywhere.
  std::vector<double> label_weights;
  // By a feature of the request: what its rows weigh is the weight of the last of the rising `from`
  // that the value reaches, and 1 below the first or without a value. Several are multiplied.
  struct UserWeight {
    std::string feature;
    std::vector<double> from, weights;
    friend bool operator==(const UserWeight&, const UserWeight&) = default;
  };
  std::vector<UserWeight> user_weights;
  friend bool operator==(const TransActSpec&, const TransActSpec&) = default;
};

}  // namespace fourfold
