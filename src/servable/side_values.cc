#include "servable/side_values.h"

#include <nlohmann/json.hpp>

namespace fourfold {
namespace {

std::string ShortestText(double number) { return nlohmann::json(number).dump(); }

struct ToTexts {
  std::vector<std::string> operator()(std::monostate) const { return {}; }
  std::vector<std::string> operator()(bool value) const { return {value ? "true" : "false"}; }
  std::vector<std::string> operator()(double value) const { return {ShortestText(value)}; }
  std::vector<std::string> operator()(const std::string& value) const { return {value}; }
  std::vector<std::string> operator()(const std::vector<std::string>& values) const {
    return values;
  }
  std::vector<std::string> operator()(const std::vector<double>& values) const {
    std::vector<std::string> texts;
    texts.reserve(values.size());
    for (const double value : values) texts.push_back(ShortestText(value));
    return texts;
  }
};

}  // namespace

std::vector<std::string> SideValuesOf(const FieldValue& value) {
  return std::visit(ToTexts(), value);
}

}  // namespace fourfold
