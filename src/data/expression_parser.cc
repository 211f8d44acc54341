#include "data/expression_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"

namespace fourfold::expression {
namespace {

constexpr int kNestingMax = 64;
constexpr std::size_t kNodesMax = 256;
constexpr std::int64_t kPatternMemoryBytes = 1 << 20;

enum class TokenKind : std::uint8_t { kEnd, kName, kQuotedName, kString, kNumber, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of names, symbols and (unescaped) strings
  double number = 0;
  std::size_t column = 1;

  bool Is(std::string_view symbol_or_keyword) const {
    return (kind == TokenKind::kSymbol || kind == TokenKind::kName) && text == symbol_or_keyword;
  }
};

template <typename... Args>
absl::Status ErrorAt(std::size_t column, const Args&... args) {
  return InvalidArgument("column ", column, ": ", args...);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c) || c == '.'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  absl::StatusOr<Token> Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    Token token;
    token.column = at_ + 1;
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (IsNameStart(c)) return Name(std::move(token));
    if (IsDigit(c) || c == '-') return Number(std::move(token));
    if (c == '"' || c == '\'') return String(std::move(token));
    if (c == '`') return QuotedName(std::move(token));
    return Symbol(std::move(token));
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  absl::StatusOr<Token> Name(Token token) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && IsNamePart(text_[at_])) ++at_;
    token.kind = TokenKind::kName;
    token.text = text_.substr(begin, at_ - begin);
    return token;
  }

  absl::StatusOr<Token> Number(Token token) {
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), token.number);
    const std::size_t size = static_cast<std::size_t>(end - begin);
    const bool runs_on = at_ + size < text_.size() && IsNamePart(text_[at_ + size]);
    if (error != std::errc() || runs_on || !std::isfinite(token.number)) {
      return ErrorAt(token.column, "expected a number like 4 or -0.5e3");
    }
    at_ += size;
    token.kind = TokenKind::kNumber;
    return token;
  }

  absl::StatusOr<Token> String(Token token) {
    const char quote = text_[at_++];
    token.kind = TokenKind::kString;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ == text_.size()) break;
        const std::optional<char> escaped = Unescape(text_[at_++]);
        if (!escaped) {
          return ErrorAt(at_ - 1,
                         "expected one of \\\\ \\\" \\' \\n \\t \\r after the backslash "
                         "(a backslash itself is \\\\)");
        }
        c = *escaped;
      }
      token.text.push_back(c);
    }
    if (at_ == text_.size()) {
      return ErrorAt(at_ + 1, "expected the ", std::string(1, quote),
                     " that ends the string of column ", token.column);
    }
    ++at_;
    return token;
  }

  static std::optional<char> Unescape(char c) {
    switch (c) {
      case '\\':
      case '"':
      case '\'':
        return c;
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      default:
        return std::nullopt;
    }
  }

  absl::StatusOr<Token> QuotedName(Token token) {
    const std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos || end == at_ + 1) {
      return ErrorAt(token.column, "expected a name between back-ticks, like `unit price`");
    }
    token.kind = TokenKind::kQuotedName;
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return token;
  }

  absl::StatusOr<Token> Symbol(Token token) {
    token.kind = TokenKind::kSymbol;
    for (const std::string_view symbol :
         {"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","}) {
      if (!text_.substr(at_).starts_with(symbol)) continue;
      token.text = symbol;
      at_ += symbol.size();
      return token;
    }
    if (text_[at_] == '=') return ErrorAt(token.column, "expected == to compare");
    return ErrorAt(token.column,
                   "expected a name, a value or an operator (names with other "
                   "characters stand in back-ticks)");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr std::pair<std::string_view, Op> kComparisons[] = {
    {"==", Op::kEqual},     {"!=", Op::kNotEqual}, {"<", Op::kLess},
    {"<=", Op::kLessEqual}, {">", Op::kGreater},   {">=", Op::kGreaterEqual},
};
constexpr std::pair<std::string_view, Op> kFunctions[] = {
    {"starts_with", Op::kStartsWith}, {"ends_with", Op::kEndsWith}, {"contains", Op::kContains},
    {"matches", Op::kMatches},        {"exists", Op::kExists},
};
constexpr std::string_view kKeywords[] = {"and", "or", "not", "in", "true", "false", "null"};

template <typename Table>
std::optional<Op> Find(const Table& table, std::string_view name) {
  for (const auto& [known, op] : table) {
    if (known == name) return op;
  }
  return std::nullopt;
}

// Recursive descent, one function per rule of the grammar, one token ahead.
class Parser {
 public:
  Parser(std::string_view text, Program* program) : lexer_(text), program_(program) {}

  absl::Status Parse() {
    FOURFOLD_RETURN_IF_ERROR(Advance());
    FOURFOLD_ASSIGN_OR_RETURN(program_->root, Or());
    if (token_.kind != TokenKind::kEnd) return Expected("and, or, or the end");
    return absl::OkStatus();
  }

 private:
  using NodeOr = absl::StatusOr<std::uint32_t>;

  // Counts one level of nesting while it lives.
  class Level {
   public:
    explicit Level(int* depth) : depth_(depth) { ++*depth_; }
    ~Level() { --*depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int* depth_;
  };

  absl::Status Advance() {
    FOURFOLD_ASSIGN_OR_RETURN(token_, lexer_.Next());
    return absl::OkStatus();
  }

  absl::Status Expected(std::string_view what) const {
    if (token_.kind == TokenKind::kEnd) {
      return ErrorAt(token_.column, "expected ", what, ", but the expression ends");
    }
    return ErrorAt(token_.column, "expected ", what);
  }

  absl::Status Take(std::string_view symbol) {
    if (!token_.Is(symbol)) return Expected(symbol);
    return Advance();
  }

  NodeOr Add(Node node) {
    if (program_->nodes.size() == kNodesMax) {
      return ErrorAt(token_.column, "the expression has more than ", kNodesMax, " parts");
    }
    program_->nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(program_->nodes.size() - 1);
  }

  NodeOr AddBinary(Op op, std::uint32_t left, std::uint32_t right) {
    Node node;
    node.op = op;
    node.left = left;
    node.right = right;
    return Add(std::move(node));
  }

  NodeOr Or() {
    FOURFOLD_ASSIGN_OR_RETURN(std::uint32_t left, And());
    while (token_.Is("or")) {
      FOURFOLD_RETURN_IF_ERROR(Advance());
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint32_t right, And());
      FOURFOLD_ASSIGN_OR_RETURN(left, AddBinary(Op::kOr, left, right));
    }
    return left;
  }

  NodeOr And() {
    FOURFOLD_ASSIGN_OR_RETURN(std::uint32_t left, Not());
    while (token_.Is("and")) {
      FOURFOLD_RETURN_IF_ERROR(Advance());
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint32_t right, Not());
      FOURFOLD_ASSIGN_OR_RETURN(left, AddBinary(Op::kAnd, left, right));
    }
    return left;
  }

  NodeOr Not() {
    const Level level(&depth_);
    if (depth_ > kNestingMax) {
      return ErrorAt(token_.column, "nested deeper than ", kNestingMax, " levels");
    }
    if (!token_.Is("not")) return Primary();
    FOURFOLD_RETURN_IF_ERROR(Advance());
    FOURFOLD_ASSIGN_OR_RETURN(const std::uint32_t inner, Not());
    return AddBinary(Op::kNot, inner, 0);
  }

  NodeOr Primary() {
    if (token_.Is("(")) {
      FOURFOLD_RETURN_IF_ERROR(Advance());
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint32_t inner, Or());
      FOURFOLD_RETURN_IF_ERROR(Take(")"));
      return inner;
    }
    const Token first = token_;
    Node node;
    if (first.kind == TokenKind::kName && !IsKeyword(first.text)) {
      FOURFOLD_RETURN_IF_ERROR(Advance());
      if (token_.Is("(")) return Function(first);
      node.operands.push_back(FieldOperand(first.text));
    } else {
      FOURFOLD_ASSIGN_OR_RETURN(Operand operand, TakeOperand("a condition"));
      node.operands.push_back(std::move(operand));
    }
    return Comparison(first, std::move(node));
  }

  NodeOr Comparison(const Token& first, Node node) {
    if (token_.Is("in")) return In(std::move(node));
    if (token_.Is("not")) {
      FOURFOLD_RETURN_IF_ERROR(Advance());
      if (!token_.Is("in")) return Expected("in");
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint32_t in, In(std::move(node)));
      return AddBinary(Op::kNot, in, 0);
    }
    if (token_.kind == TokenKind::kSymbol) {
      if (const std::optional<Op> op = Find(kComparisons, token_.text)) {
        FOURFOLD_RETURN_IF_ERROR(Advance());
        node.op = *op;
        FOURFOLD_ASSIGN_OR_RETURN(Operand right, TakeOperand("a name or a value"));
        node.operands.push_back(std::move(right));
        return Add(std::move(node));
      }
    }
    const Operand& operand = node.operands.front();
    const bool is_condition = operand.field >= 0 || std::holds_alternative<bool>(operand.literal);
    if (!is_condition) {
      return ErrorAt(token_.column, "expected a comparison after the value of column ",
                     first.column);
    }
    node.op = Op::kIsTrue;
    return Add(std::move(node));
  }

  NodeOr In(Node node) {
    FOURFOLD_RETURN_IF_ERROR(Advance());
    FOURFOLD_RETURN_IF_ERROR(Take("["));
    node.op = Op::kIn;
    while (true) {
      if (node.operands.size() > limits::kListElementsMax) {
        return ErrorAt(token_.column, "the list has more than ", limits::kListElementsMax,
                       " elements");
      }
      FOURFOLD_ASSIGN_OR_RETURN(Operand element, TakeOperand("a name or a value"));
      node.operands.push_back(std::move(element));
      if (token_.Is("]")) break;
      if (!token_.Is(",")) return Expected(", or ]");
      FOURFOLD_RETURN_IF_ERROR(Advance());
    }
    FOURFOLD_RETURN_IF_ERROR(Advance());
    return Add(std::move(node));
  }

  // Stands at the "(" after the function's name.
  NodeOr Function(const Token& name) {
    const std::optional<Op> op = Find(kFunctions, name.text);
    if (!op) {
      return ErrorAt(name.column,
                     "expected one of starts_with, ends_with, contains, matches, exists before (");
    }
    FOURFOLD_RETURN_IF_ERROR(Advance());
    const bool is_name = token_.kind == TokenKind::kQuotedName ||
                         (token_.kind == TokenKind::kName && !IsKeyword(token_.text));
    if (!is_name) return Expected("the name of a field");
    Node node;
    node.op = *op;
    node.operands.push_back(FieldOperand(token_.text));
    FOURFOLD_RETURN_IF_ERROR(Advance());
    if (*op != Op::kExists) {
      FOURFOLD_RETURN_IF_ERROR(Take(","));
      if (token_.kind != TokenKind::kString) return Expected("a string");
      node.text = token_.text;
      if (*op == Op::kMatches) FOURFOLD_RETURN_IF_ERROR(CompilePattern(&node));
      FOURFOLD_RETURN_IF_ERROR(Advance());
    }
    FOURFOLD_RETURN_IF_ERROR(Take(")"));
    return Add(std::move(node));
  }

  absl::Status CompilePattern(Node* node) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kPatternMemoryBytes);
    node->pattern = std::make_unique<RE2>(node->text, options);
    if (node->pattern->ok()) return absl::OkStatus();
    return ErrorAt(token_.column, "expected a regular expression of RE2: ", node->pattern->error());
  }

  absl::StatusOr<Operand> TakeOperand(std::string_view expected) {
    Operand operand;
    switch (token_.kind) {
      case TokenKind::kString:
        operand.literal = std::move(token_.text);
        break;
      case TokenKind::kNumber:
        operand.literal = token_.number;
        break;
      case TokenKind::kQuotedName:
        operand = FieldOperand(token_.text);
        break;
      case TokenKind::kName:
        if (token_.text == "true" || token_.text == "false") {
          operand.literal = token_.text == "true";
        } else if (token_.text != "null") {
          if (IsKeyword(token_.text)) return Expected(expected);
          operand = FieldOperand(token_.text);
        }
        break;
      default:
        return Expected(expected);
    }
    FOURFOLD_RETURN_IF_ERROR(Advance());
    return operand;
  }

  Operand FieldOperand(const std::string& name) {
    std::vector<std::string>& names = program_->field_names;
    const auto known = std::find(names.begin(), names.end(), name);
    Operand operand;
    operand.field = static_cast<int>(known - names.begin());
    if (known == names.end()) names.push_back(name);
    return operand;
  }

  static bool IsKeyword(std::string_view name) {
    return std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords);
  }

  Lexer lexer_;
  Program* program_;
  Token token_;
  int depth_ = 0;
};

}  // namespace

absl::Status ParseInto(std::string_view text, Program* program) {
  if (text.size() > limits::kExpressionBytesMax) {
    return InvalidArgument("the expression has ", text.size(), " bytes, more than ",
                           limits::kExpressionBytesMax);
  }
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return InvalidArgument("the expression is not valid UTF-8");
  }
  program->text = text;
  return Parser(program->text, program).Parse();
}

}  // namespace fourfold::expression
