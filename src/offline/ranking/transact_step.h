#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/transact/transact_backprop.h"
#include "model/transact/transact_ranker_model.h"
#include "offline/ranking/sparse_rows.h"
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
  std::vector<float>& item_gradients() { return items_.gradients(); }
  std::vector<float>& side_gradients() { return side_->gradients(); }
  std::vector<float>& category_gradients() { return category_rows_->gradients(); }

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
    std::vector<float> codes;  // [actions, item codes]
    TransActTape tape;
  };

  void ChooseLeftOut(bool is_training, std::uint64_t step);
  // The item's row of the table; none where it has no learned vector, or is left out and has a
  // code.
  std::optional<std::size_t> OwnRow(std::uint32_t item, std::size_t codes) const;
  // As of TransActRanker, but for what is left out.
  void FillItemVector(std::uint32_t item, std::span<const float> codes, float* vector) const;
  void AddItemGradient(std::uint32_t item, std::span<const float> codes, const float* gradient);
  // Of the request's rows, which begin with `row`; `by_input` as RankingNetwork::Backward gives it.
  void AddCategoryGradients(const TransActRows::View& view, const float* by_input, std::size_t row);
  void FillSequence(const TransActRows::View& view, Held* held) const;
  std::span<const float> ItemCodesOf(const TransActRows::View& view, std::size_t candidate) const {
    const std::size_t columns = model_.candidate_columns.size();
    return view.candidate_columns.subspan(candidate * columns + item_code_begin_, item_codes_);
  }

  TransActRankerModel& model_;
  const TransActRows& rows_;
  const TransActSpec& spec_;
  // In the model's items, learned or frozen; -1: it is not among them.
  std::vector<std::int32_t> row_of_item_;
  std::vector<float> drawn_;  // [items of the rows, item_dimension]; none where some are frozen
  const std::size_t item_code_begin_, item_codes_;  // among a candidate's columns
  std::vector<std::uint8_t> is_left_out_;           // by row of the item table, in this step
  struct Category {
    std::size_t place = 0, input = 0;  // of the column, and of the network's first row of it
  };
  std::vector<Category> categories_;

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
  std::vector<Learned> learned_;
  SparseRows items_;
  std::optional<SparseRows> side_, category_rows_;
};

}  // namespace fourfold
