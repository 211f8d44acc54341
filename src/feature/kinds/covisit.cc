#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "feature/kinds/kinds.h"
#include "feature/kinds/recent_items.h"

// covisit: the candidate against what the user acted on last, by a retriever's item-to-item map: of
// the recent items that have it as a neighbour the sum or the largest of weight * score, or the sum
// of the weights alone. 0 where none has it; no value without an action.
namespace fourfold {
namespace {

class CovisitFeature final : public FeatureKind {
 public:
  enum class Of : std::uint8_t { kSum, kMax, kCount };

  CovisitFeature(RecentItems recent, std::string retriever, Of of)
      : recent_(recent), retriever_(std::move(retriever)), of_(of) {}
  FeatureOrigin origin() const override { return recent_.origin(); }
  std::optional<LearnedRead> learned() const override {
    return LearnedRead{LearnedRead::What::kNeighbours, retriever_};
  }
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), kNoFeature);
    const ItemNeighbours* map = context.learned().FindNeighbours(retriever_);
    if (map == nullptr) return;
    const std::vector<RecentItems::Item> recent = recent_.Read(context);
    if (recent.empty()) return;
    absl::flat_hash_map<std::uint32_t, Sum> sums;
    sums.reserve(out.size());
    for (std::size_t c = 0; c < out.size(); ++c) {
      if (context.LearnedNumber(c) != LearnedItems::kUnknown) sums[context.LearnedNumber(c)] = {};
    }
    for (const RecentItems::Item& item : recent) {
      if (item.number == LearnedItems::kUnknown) continue;
      const std::span<const std::uint32_t> neighbours = map->NeighboursOf(item.number);
      const std::span<const float> scores = map->ScoresOf(item.number);
      for (std::size_t n = 0; n < neighbours.size(); ++n) {
        const auto found = sums.find(neighbours[n]);
        if (found != sums.end()) Add(item.weight, double{scores[n]}, &found->second);
      }
    }
    for (std::size_t c = 0; c < out.size(); ++c) {
      const auto found = sums.find(context.LearnedNumber(c));
      out[c] = found == sums.end() ? 0 : FloatOf(found->second.value);
    }
  }

 private:
  struct Sum {
    double value = 0;
    bool is_met = false;
  };

  void Add(double weight, double score, Sum* sum) const {
    const double share = of_ == Of::kCount ? weight : weight * score;
    if (of_ != Of::kMax) {
      sum->value += share;
    } else if (!sum->is_met || share > sum->value) {
      sum->value = share;
    }
    sum->is_met = true;
  }

  RecentItems recent_;
  std::string retriever_;
  Of of_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeCovisit(ParameterReader* parameters, PlanBuilder* plan) {
  const RecentItems recent(parameters, plan);
  std::string retriever = parameters->RequiredText("retriever");
  const std::string of = parameters->Choice("of", {"sum", "max", "count"});
  using Of = CovisitFeature::Of;
  return std::make_unique<CovisitFeature>(recent, std::move(retriever),
                                          of == "sum"   ? Of::kSum
                                          : of == "max" ? Of::kMax
                                                        : Of::kCount);
}

}  // namespace fourfold
