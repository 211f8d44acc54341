#include "data/expression.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "absl/types/span.h"
#include "base/strings.h"
#include "data/expression_parser.h"
#include "data/expression_program.h"

namespace fourfold {
namespace {

using expression::Node;
using expression::Op;
using expression::Operand;

// The value of an operand; null where the field is absent or holds null.
class Values {
 public:
  Values(const expression::Program& program, const Expression::FieldLookup* lookup,
         absl::Span<const FieldValue* const> values)
      : program_(program), lookup_(lookup), values_(values) {}

  const FieldValue* Of(const Operand& operand) const {
    const FieldValue* value = &operand.literal;
    if (operand.field >= 0) {
      const auto index = static_cast<std::size_t>(operand.field);
      value = lookup_ != nullptr ? (*lookup_)(program_.field_names[index]) : values_[index];
    }
    if (value != nullptr && std::holds_alternative<std::monostate>(*value)) return nullptr;
    return value;
  }

 private:
  const expression::Program& program_;
  const Expression::FieldLookup* lookup_;
  absl::Span<const FieldValue* const> values_;
};

// One element of a value: what is left of FieldValue once lists are taken apart.
using Scalar = std::variant<bool, double, std::string_view>;

// Whether `test` holds for any element of a list, or for the value itself.
template <typename Test>
bool AnyElement(const FieldValue& value, const Test& test) {
  struct Visitor {
    const Test& test;
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool scalar) const { return test(Scalar(scalar)); }
    bool operator()(double scalar) const { return test(Scalar(scalar)); }
    bool operator()(const std::string& scalar) const {
      return test(Scalar(std::string_view(scalar)));
    }
    bool operator()(const std::vector<std::string>& list) const {
      return std::any_of(list.begin(), list.end(), [this](const std::string& element) {
        return test(Scalar(std::string_view(element)));
      });
    }
    bool operator()(const std::vector<double>& list) const {
      return std::any_of(list.begin(), list.end(),
                         [this](double element) { return test(Scalar(element)); });
    }
  };
  return std::visit(Visitor{test}, value);
}

bool IsList(const FieldValue& value) {
  return std::holds_alternative<std::vector<std::string>>(value) ||
         std::holds_alternative<std::vector<double>>(value);
}

std::optional<double> ToNumber(const Scalar& scalar) {
  if (const auto* number = std::get_if<double>(&scalar)) return *number;
  const auto* text = std::get_if<std::string_view>(&scalar);
  if (text == nullptr) return std::nullopt;
  double number = 0;
  const char* const end = text->data() + text->size();
  const auto [parsed_to, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || parsed_to != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

// Negative, zero or positive; nothing where the two do not compare.
std::optional<int> Compare(const Scalar& left, const Scalar& right) {
  const auto* left_text = std::get_if<std::string_view>(&left);
  const auto* right_text = std::get_if<std::string_view>(&right);
  if (left_text != nullptr && right_text != nullptr) return left_text->compare(*right_text);
  const auto left_number = ToNumber(left);
  const auto right_number = ToNumber(right);
  if (!left_number || !right_number) return std::nullopt;
  if (*left_number < *right_number) return -1;
  if (*left_number > *right_number) return 1;
  if (*left_number == *right_number) return 0;
  return std::nullopt;
}

bool ScalarsEqual(const Scalar& left, const Scalar& right) {
  const auto* left_bool = std::get_if<bool>(&left);
  const auto* right_bool = std::get_if<bool>(&right);
  if (left_bool != nullptr && right_bool != nullptr) return *left_bool == *right_bool;
  return Compare(left, right) == 0;
}

bool Equal(const FieldValue* left, const FieldValue* right) {
  if (left == nullptr || right == nullptr) return left == right;
  return AnyElement(*left, [right](const Scalar& left_element) {
    return AnyElement(*right, [&left_element](const Scalar& right_element) {
      return ScalarsEqual(left_element, right_element);
    });
  });
}

bool Ordered(Op op, const FieldValue* left, const FieldValue* right) {
  if (left == nullptr || right == nullptr || IsList(*left) || IsList(*right)) return false;
  return AnyElement(*left, [op, right](const Scalar& left_element) {
    return AnyElement(*right, [op, &left_element](const Scalar& right_element) {
      const std::optional<int> order = Compare(left_element, right_element);
      if (!order) return false;
      switch (op) {
        case Op::kLess:
          return *order < 0;
        case Op::kLessEqual:
          return *order <= 0;
        case Op::kGreater:
          return *order > 0;
        default:
          return *order >= 0;
      }
    });
  });
}

bool TextHolds(const Node& node, std::string_view text) {
  switch (node.op) {
    case Op::kStartsWith:
      return text.starts_with(node.text);
    case Op::kEndsWith:
      return text.ends_with(node.text);
    case Op::kContains:
      return text.find(node.text) != std::string_view::npos;
    default:
      return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *node.pattern);
  }
}

bool EvaluateNode(const expression::Program& program, std::uint32_t index, const Values& values) {
  const Node& node = program.nodes[index];
  switch (node.op) {
    case Op::kAnd:
      return EvaluateNode(program, node.left, values) && EvaluateNode(program, node.right, values);
    case Op::kOr:
      return EvaluateNode(program, node.left, values) || EvaluateNode(program, node.right, values);
    case Op::kNot:
      return !EvaluateNode(program, node.left, values);
    case Op::kIsTrue: {
      const FieldValue* value = values.Of(node.operands[0]);
      const bool* truth = value == nullptr ? nullptr : std::get_if<bool>(value);
      return truth != nullptr && *truth;
    }
    case Op::kExists:
      return values.Of(node.operands[0]) != nullptr;
    case Op::kEqual:
      return Equal(values.Of(node.operands[0]), values.Of(node.operands[1]));
    case Op::kNotEqual:
      return !Equal(values.Of(node.operands[0]), values.Of(node.operands[1]));
    case Op::kLess:
    case Op::kLessEqual:
    case Op::kGreater:
    case Op::kGreaterEqual:
      return Ordered(node.op, values.Of(node.operands[0]), values.Of(node.operands[1]));
    case Op::kIn: {
      const FieldValue* value = values.Of(node.operands[0]);
      return std::any_of(node.operands.begin() + 1, node.operands.end(),
                         [&](const Operand& element) { return Equal(value, values.Of(element)); });
    }
    case Op::kStartsWith:
    case Op::kEndsWith:
    case Op::kContains:
    case Op::kMatches: {
      const FieldValue* value = values.Of(node.operands[0]);
      return value != nullptr && AnyElement(*value, [&node](const Scalar& element) {
               const auto* text = std::get_if<std::string_view>(&element);
               return text != nullptr && TextHolds(node, *text);
             });
    }
  }
  return false;
}

}  // namespace

struct Expression::Program : expression::Program {};

Expression::Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

absl::StatusOr<Expression> Expression::Parse(std::string_view text) {
  auto program = std::make_shared<Program>();
  if (absl::Status status = expression::ParseInto(text, program.get()); !status.ok()) return status;
  return Expression(std::move(program));
}

bool Expression::Evaluate(const FieldLookup& lookup) const {
  return EvaluateNode(*program_, program_->root, Values(*program_, &lookup, {}));
}

bool Expression::EvaluateValues(absl::Span<const FieldValue* const> values) const {
  return EvaluateNode(*program_, program_->root, Values(*program_, nullptr, values));
}

const std::vector<std::string>& Expression::field_names() const { return program_->field_names; }
const std::string& Expression::text() const { return program_->text; }

}  // namespace fourfold
