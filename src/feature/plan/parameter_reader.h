#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_declaration.h"

namespace fourfold {

// Reads a declaration parameter by parameter, so that each stands in one place with its type and
// default. Every reader leaves a default where the parameter is absent or wrong, and notes what is
// wrong. Not thread-safe.
class ParameterReader {
 public:
  // A null declaration collects: nothing is wrong, and known() lists what a kind takes.
  explicit ParameterReader(const FeatureDeclaration* declaration) : declaration_(declaration) {}

  std::string Text(std::string_view name, std::string fallback = "");
  std::string RequiredText(std::string_view name);
  std::vector<std::string> Texts(std::string_view name);
  double Number(std::string_view name, double fallback, double minimum, double maximum);
  bool Flag(std::string_view name, bool fallback);
  std::int64_t Duration(std::string_view name);  // 0 where absent
  // One of these; the first where absent.
  std::string Choice(std::string_view name, const std::vector<std::string>& choices);

  void Problem(std::string_view parameter, std::string message);
  // Notes the parameters that nobody read.
  void Finish();

  struct Known {
    std::string name;
    std::string type;
  };
  const std::vector<Known>& known() const { return known_; }
  std::vector<std::pair<std::string, std::string>>& problems() { return problems_; }

 private:
  const FieldValue* Find(std::string_view name, std::string_view type);

  const FeatureDeclaration* declaration_;
  std::vector<Known> known_;
  std::vector<std::pair<std::string, std::string>> problems_;  // parameter, message
};

}  // namespace fourfold
