#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "feature/kinds/kinds.h"
#include "feature/kinds/recent_items.h"

// similarity: the embedding of the candidate against the weighted mean of those of what the user
// acted on last, by a retriever's embeddings: their cosine, or their inner product. Items without
// an embedding do not count; no value where the candidate or all of the others have none.
namespace fourfold {
namespace {

// In the order of the elements, so that the last bit is the same everywhere.
template <typename A, typename B>
double InnerProduct(const A& a, const B& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

class SimilarityFeature final : public FeatureKind {
 public:
  SimilarityFeature(RecentItems recent, std::string retriever, bool is_cosine)
      : recent_(recent), retriever_(std::move(retriever)), is_cosine_(is_cosine) {}
  FeatureOrigin origin() const override { return recent_.origin(); }
  std::optional<LearnedRead> learned() const override {
    return LearnedRead{LearnedRead::What::kVectors, retriever_};
  }
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), kNoFeature);
    const ItemVectors* vectors = context.learned().FindVectors(retriever_);
    if (vectors == nullptr) return;
    const std::vector<double> mean = MeanOf(recent_.Read(context), *vectors);
    if (mean.empty()) return;
    const double mean_length = std::sqrt(InnerProduct(mean, mean));
    for (std::size_t c = 0; c < out.size(); ++c) {
      const std::uint32_t number = context.LearnedNumber(c);
      if (number == LearnedItems::kUnknown) continue;
      const std::span<const float> vector = vectors->VectorOf(number);
      if (vector.empty()) continue;
      double product = InnerProduct(vector, mean);
      if (is_cosine_) product /= std::sqrt(InnerProduct(vector, vector)) * mean_length;
      out[c] = FloatOf(product);
    }
  }

 private:
  // Empty where no item has a vector, or none that weighs anything.
  static std::vector<double> MeanOf(const std::vector<RecentItems::Item>& recent,
                                    const ItemVectors& vectors) {
    std::vector<double> mean;
    double weights = 0;
    for (const RecentItems::Item& item : recent) {
      if (item.number == LearnedItems::kUnknown || item.weight == 0) continue;
      const std::span<const float> vector = vectors.VectorOf(item.number);
      if (vector.empty()) continue;
      mean.resize(vector.size());
      for (std::size_t i = 0; i < vector.size(); ++i) {
        mean[i] += item.weight * static_cast<double>(vector[i]);
      }
      weights += item.weight;
    }
    for (double& value : mean) value /= weights;
    return mean;
  }

  RecentItems recent_;
  std::string retriever_;
  bool is_cosine_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeSimilarity(ParameterReader* parameters, PlanBuilder* plan) {
  const RecentItems recent(parameters, plan);
  std::string retriever = parameters->RequiredText("retriever");
  return std::make_unique<SimilarityFeature>(
      recent, std::move(retriever), parameters->Choice("of", {"cosine", "dot"}) == "cosine");
}

}  // namespace fourfold
