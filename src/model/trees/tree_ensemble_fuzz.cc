#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/trees/tree_ensemble.h"

// Any bytes are a model or an error; a model can be asked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fourfold;
  const auto trees = TreeEnsemble::Parse({reinterpret_cast<const char*>(data), size});
  if (!trees.ok()) return 0;
  std::vector<float> rows(3 * trees->features(), 1.5F);
  std::vector<float> scores(3);
  trees->Predict(rows, scores);
  rows.resize(trees->features());
  std::vector<double> contributions(trees->features() + 1);
  trees->Contributions(rows, contributions);
  return 0;
}
