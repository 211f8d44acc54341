#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fourfold/event.h"

// What an expression is compiled to: a tree in one vector, fields by number. Private to
// expression.cc and expression_parser.cc.
namespace fourfold::expression {

enum class Op : std::uint8_t {
  kAnd,     // left, right
  kOr,      // left, right
  kNot,     // left
  kIsTrue,  // operands[0]
  kExists,  // operands[0]
  kEqual,   // operands[0], operands[1]; so the five below
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,          // operands[0] among the others
  kStartsWith,  // operands[0], text; so the two below
  kEndsWith,
  kContains,
  kMatches,  // operands[0], pattern
};

struct Operand {
  int field = -1;  // index into Program::field_names, or -1: the literal
  FieldValue literal;
};

struct Node {
  Op op = Op::kIsTrue;
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::vector<Operand> operands;
  std::string text;
  std::unique_ptr<RE2> pattern;
};

struct Program {
  std::string text;
  std::vector<std::string> field_names;
  std::vector<Node> nodes;
  std::uint32_t root = 0;
};

}  // namespace fourfold::expression
