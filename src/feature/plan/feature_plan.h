#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_declaration.h"
#include "feature/plan/feature_kind.h"

namespace fourfold {

// A recipe's features, compiled: what must be kept of the events, and how each value comes of it.
// One plan drives the replay that makes training rows, the request, and reads as of any moment.
// Immutable and thread-safe.
class FeaturePlan {
 public:
  struct Output {
    std::string name;
    bool per_candidate = false;
    std::unique_ptr<const FeatureKind> kind;
    // The sequence whose declaration brought it along (FeatureKind::ItemCode); else empty.
    std::string sequence = "";
  };

  static constexpr std::size_t kFeaturesMax = 500;

  // InvalidArgument tells the first thing wrong; *problems, where given, gets all of them. Where a
  // schema is given, that of another plan, this one's extends it, so that a state of it serves
  // both.
  static absl::StatusOr<std::shared_ptr<const FeaturePlan>> Compile(
      const std::vector<FeatureDeclaration>& declarations,
      std::vector<DeclarationProblem>* problems = nullptr, StateSchema onto = {});

  const std::vector<FeatureDeclaration>& declarations() const { return declarations_; }
  const std::vector<Output>& columns() const { return columns_; }      // numbers
  const std::vector<Output>& sequences() const { return sequences_; }  // the rest
  // What must be kept. A state of a schema that extends it can be read, too.
  const StateSchema& schema() const { return schema_; }
  // What of that these features read: all, unless it was compiled onto the schema of another.
  const StateUse& use() const { return use_; }
  // Whether requests must bring LearnedItems (FeatureKind::learned says which).
  bool reads_learned() const { return reads_learned_; }
  // How far back from now the actions lie that a value may come of: the longest window, or
  // FeatureOrigin::kUnboundedReach. 0 without features of actions.
  std::int64_t reach_ms() const { return reach_ms_; }

 private:
  FeaturePlan() = default;

  std::vector<FeatureDeclaration> declarations_;
  std::vector<Output> columns_;
  std::vector<Output> sequences_;
  StateSchema schema_;
  StateUse use_;
  bool reads_learned_ = false;
  std::int64_t reach_ms_ = 0;
};

}  // namespace fourfold
