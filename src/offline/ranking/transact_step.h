#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/transact/transact_backprop.h"
#include "model/transact/transact_ranker_model.h"
#include "offline/ranking/adam.h"
#include "offline/ranking/transact_rows.h"

namespace fourfold {

// Training of a ranker step by step: a batch of requests forwards, its loss backwards, and Adam.
// Private to the training of TransAct. Not thread-safe.
class TransActStep {
 public:
  using Request = TransActRows::Request;

  // The model, whose items are among those of the rows, is changed; both must outlive this.
  TransActStep(TransActRankerModel* model, const TransActRows& rows, const TransActSpec& spec);

  // Computes the Logits of the requests' rows, one after the other. With dropout and the mask of a
  // time before the request when training; both are functions of the seed and the step.
  void Forward(std::span<const Request> requests, bool is_training, std::uint64_t step);
  std::span<const float> Logits(std::size_t head) const {
    return {tape_.logits() + head * tape_.columns(), count_};
  }
  // After Forward of the same requests when training: the sum of their losses. Adds gradients.
  double Backward(std::span<const Request> requests);
  // Takes the step by the gradients divided by `count`, and clears them. With a larger norm than
  // kNormMax they are shortened to it.
  void Apply(double learning_rate, std::uint64_t step, double count);

  static constexpr double kNormMax = 5;

  // Everything that changes with Apply but the model: for checkpoints. By name, in one order.
  std::vector<std::pair<std::string, std::vector<float>*>> Moments();

  // Of tests: the gradients that Backward added. Items by their row in the model's table.
  TransActParameters& encoder_gradients() { return encoder_gradients_; }
  RankingNetworkParameters& network_gradients() { return network_gradients_; }
  std::vector<float>& item_gradients() { return item_gradients_; }

 private:
  struct Learned {  // a tensor
    std::vector<float>* values = nullptr;
    std::vector<float>* gradients = nullptr;
    bool decays = false;
    std::vector<float> first, second;  // moments
  };
  struct Held {  // of one request, from Forward to Backward
    std::vector<std::int32_t> types;
    std::vector<float> items;
    std::vector<std::int64_t> times_ms;
    std::vector<std::uint32_t> ids;
    TransActTape tape;
  };

  const float* VectorOf(std::uint32_t item) const;
  void FillSequence(const TransActRows::View& view, Held* held) const;
  void AddItemGradient(std::uint32_t item, const float* gradient);

  TransActRankerModel& model_;
  const TransActRows& rows_;
  const TransActSpec& spec_;
  std::vector<std::int32_t> row_of_item_;  // -1: drawn
  std::vector<float> drawn_;               // [items of the rows, item_dimension]
  std::vector<float> nothing_;

  TransActBackprop backprop_;
  RankingNetwork network_;
  RankingNetworkTape tape_;
  std::size_t count_ = 0;  // rows of the last Forward
  std::vector<Held> held_;
  AlignedFloats vectors_, outputs_, logit_gradients_, vector_gradients_, output_gradients_;
  std::vector<float> logits_, action_gradients_;
  std::vector<std::uint8_t> hidden_;

  TransActParameters encoder_gradients_;
  RankingNetworkParameters network_gradients_;
  std::vector<float> item_gradients_;
  std::vector<std::uint32_t> touched_;  // rows of the item table
  std::vector<std::uint8_t> is_touched_;
  std::vector<Learned> learned_;
  std::vector<float> item_first_, item_second_;
};

}  // namespace fourfold
