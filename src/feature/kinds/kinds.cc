#include "feature/kinds/kinds.h"

namespace fourfold {

std::span<const NamedKind> FeatureKinds() {
  static constexpr NamedKind kKinds[] = {
      {"affinity", MakeAffinity},
      {"age", MakeAge},
      {"attribute", MakeAttribute},
      {"count", MakeCount},
      {"covisit", MakeCovisit},
      {"distinct", MakeDistinct},
      {"input_field", MakeInputField},
      {"input_rank", MakeInputRank},
      {"last", MakeLast},
      {"rate", MakeRate},
      {"recency", MakeRecency},
      {"request", MakeRequest},
      {"sequence", MakeSequence},
      {"shown_position", MakeShownPosition},
      {"similarity", MakeSimilarity},
      {"slate_offset", MakeSlateOffset},
      {"slate_rank", MakeSlateRank},
      {"slate_zscore", MakeSlateZScore},
      {"sum", MakeSum},
  };
  return kKinds;
}

}  // namespace fourfold
