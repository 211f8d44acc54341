#include "feature/kinds/field_codes.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "feature/plan/feature_request.h"

namespace fourfold {
namespace {

float CodeOf(std::string_view text, std::uint64_t seed) {
  return static_cast<float>(StableHash(text, seed) >> (64 - kFieldCodeBits));
}

// Nothing is allocated: a request asks this of each item that it looks at.
class Codes {
 public:
  Codes(std::string_view field, std::span<float> codes)
      : seed_(StableHash(field)), codes_(codes), end_(codes.begin()) {}
  ~Codes() { std::fill(end_, codes_.end(), kNoFeature); }
  Codes(const Codes&) = delete;
  Codes& operator=(const Codes&) = delete;

  void operator()(std::monostate) {}
  void operator()(bool value) { Add(value ? "true" : "false"); }
  void operator()(double value) {
    char text[32];
    Add({text, std::to_chars(std::begin(text), std::end(text), value).ptr});
  }
  void operator()(const std::string& value) { Add(value); }
  void operator()(const std::vector<std::string>& values) {
    for (const std::string& value : values) Add(value);
  }
  void operator()(const std::vector<double>& values) {
    for (const double value : values) (*this)(value);
  }

 private:
  void Add(std::string_view text) {
    const float code = CodeOf(text, seed_);
    const auto place = std::lower_bound(codes_.begin(), end_, code);
    if (place == codes_.end() || (place != end_ && *place == code)) return;
    if (end_ != codes_.end()) ++end_;
    std::move_backward(place, end_ - 1, end_);
    *place = code;
  }

  const std::uint64_t seed_;
  const std::span<float> codes_;
  std::span<float>::iterator end_;  // of those found so far
};

}  // namespace

void FillFieldCodes(std::string_view field, const FieldValue& value, std::span<float> codes) {
  Codes found(field, codes);
  std::visit([&](const auto& held) { found(held); }, value);
}

float TextCodeOf(std::string_view field, std::string_view text) {
  return CodeOf(text, StableHash(field));
}

float FieldCodeOf(std::string_view field, const FieldValue* value) {
  float code = kNoFeature;
  if (value != nullptr) FillFieldCodes(field, *value, {&code, 1});
  return code;
}

}  // namespace fourfold
