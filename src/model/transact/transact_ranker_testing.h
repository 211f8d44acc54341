#pragma once

#include <cstdint>
#include <random>

#include "model/transact/transact_ranker_model.h"
#include "model/transact/transact_testing.h"

// What tests of rankers around TransAct share.
namespace fourfold {

// A ranker whose second and third columns of a candidate are codes of its item.
inline TransActRankerModel RandomRankerModel(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> draw(-0.6F, 0.6F);
  TransActRankerModel model;
  model.request_columns = {"hour"};
  model.candidate_columns = {"price", "kind 1", "kind 2", "age"};
  using Column = TransActRankerModel::Column;
  model.columns = {Column::kNumber, Column::kNumber, Column::kItemCode, Column::kItemCode,
                   Column::kNumber};
  model.heads = {"click", "hide"};
  model.action_types = {"click"};
  TransActShape shape;
  shape.actions = 12;
  shape.action_types = 3;
  shape.action_dimension = shape.item_dimension = shape.feed_forward = 8;
  shape.latest = 3;
  model.encoder = RandomTransAct(shape, seed);
  model.items = {"a", "b", "c", "d"};
  model.item_table = RandomCandidates(shape, model.items.size(), seed + 1);
  model.side.dimension = shape.item_dimension;
  model.side.vectors = RandomCandidates(shape, /*rows=*/5, seed + 2);
  model.encoding = NumberEncoding::Fit({{0, 6, 12, 23}, {1, 2, 3, 4}, {5, 50, 500}});
  RankingNetworkShape network;
  network.inputs = model.inputs();
  network.hidden = {16};
  network.heads = model.heads.size();
  model.network = RankingNetworkParameters::Zeros(network);
  for (auto& [name, values] : TensorsOf(&model.network)) {
    for (float& value : *values) value = draw(random) / 4;
  }
  return model;
}

}  // namespace fourfold
