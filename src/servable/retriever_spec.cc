#include "servable/servable.h"

namespace fourfold {

bool HasPopularityTable(const RetrieverSpec& spec) {
  return spec.kind == RetrieverSpec::Kind::kPopular ||
         (spec.kind == RetrieverSpec::Kind::kRepeats &&
          (spec.window_ms > 0 || spec.half_life_ms > 0));
}

bool HasItemToItemMap(const RetrieverSpec& spec) {
  return spec.kind == RetrieverSpec::Kind::kItemCf ||
         spec.kind == RetrieverSpec::Kind::kCovisitation ||
         spec.kind == RetrieverSpec::Kind::kEase || (HasEmbeddings(spec) && !HasVectorGraph(spec));
}

bool HasEmbeddings(const RetrieverSpec& spec) { return spec.kind == RetrieverSpec::Kind::kEges; }

bool HasVectorGraph(const RetrieverSpec& spec) {
  return HasEmbeddings(spec) && spec.search != RetrieverSpec::Search::kMap;
}

bool FindsSimilarItems(const RetrieverSpec& spec) {
  return HasItemToItemMap(spec) || HasEmbeddings(spec);
}

}  // namespace fourfold
