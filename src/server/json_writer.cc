#include "server/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <variant>
#include <vector>

namespace fourfold {
namespace {

bool IsPlain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

template <typename Number>
void AppendNumber(Number value, std::string* out) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out->append(digits.data(), end);
}

}  // namespace

void JsonWriter::Separate() {
  if (comma_next_) out_->push_back(',');
  comma_next_ = true;
}

void JsonWriter::Open(char bracket) {
  Separate();
  out_->push_back(bracket);
  comma_next_ = false;
}

void JsonWriter::Close(char bracket) {
  out_->push_back(bracket);
  comma_next_ = true;
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  AppendQuoted(key);
  out_->push_back(':');
  comma_next_ = false;
}

void JsonWriter::AppendQuoted(std::string_view text) {
  std::size_t plain = 0;
  while (plain < text.size() && IsPlain(text[plain])) ++plain;
  if (plain == text.size()) {
    out_->push_back('"');
    out_->append(text);
    out_->push_back('"');
    return;
  }
  out_->append(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void JsonWriter::String(std::string_view text) {
  Separate();
  AppendQuoted(text);
}

void JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  AppendNumber(value, out_);
}

void JsonWriter::Integer(std::int64_t value) {
  Separate();
  AppendNumber(value, out_);
}

void JsonWriter::Unsigned(std::uint64_t value) {
  Separate();
  AppendNumber(value, out_);
}

void JsonWriter::Bool(bool value) {
  Separate();
  out_->append(value ? "true" : "false");
}

void JsonWriter::Null() {
  Separate();
  out_->append("null");
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  out_->append(json);
}

void JsonWriter::Value(const FieldValue& value) {
  struct Visitor {
    JsonWriter* writer;
    void operator()(std::monostate) const { writer->Null(); }
    void operator()(bool truth) const { writer->Bool(truth); }
    void operator()(double number) const { writer->Number(number); }
    void operator()(const std::string& text) const { writer->String(text); }
    void operator()(const std::vector<std::string>& list) const {
      writer->BeginArray();
      for (const std::string& text : list) writer->String(text);
      writer->EndArray();
    }
    void operator()(const std::vector<double>& list) const {
      writer->BeginArray();
      for (const double number : list) writer->Number(number);
      writer->EndArray();
    }
  };
  std::visit(Visitor{this}, value);
}

}  // namespace fourfold
