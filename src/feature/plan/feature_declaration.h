#pragma once

#include <string>
#include <vector>

#include "fourfold/event.h"

namespace fourfold {

// One feature as a recipe declares it. Which parameters there are is the kind's matter
// (feature/kinds/); docs/features.md lists them.
struct FeatureDeclaration {
  std::string name;
  std::string kind;
  std::vector<Field> parameters;
  friend bool operator==(const FeatureDeclaration&, const FeatureDeclaration&) = default;
};

// What is wrong with a declaration; `parameter` is empty where it is none of them.
struct DeclarationProblem {
  std::size_t feature = 0;  // index of the declaration
  std::string parameter;
  std::string message;
};

}  // namespace fourfold
