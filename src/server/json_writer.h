#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fourfold/event.h"

namespace fourfold {

// Appends compact JSON to a string, left to right. The caller opens and closes what it opened; the
// commas come by themselves. Text that is no UTF-8 has its bad bytes replaced by U+FFFD; numbers
// that JSON cannot say (NaN, infinities) become null; numbers read back as the same bits.
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  void Key(std::string_view key);

  void String(std::string_view text);
  void Number(double value);
  void Integer(std::int64_t value);
  void Unsigned(std::uint64_t value);
  void Bool(bool value);
  void Null();
  void Value(const FieldValue& value);
  void Raw(std::string_view json);  // a whole value, written elsewhere

 private:
  void Separate();
  void Open(char bracket);
  void Close(char bracket);
  void AppendQuoted(std::string_view text);

  std::string* out_;
  bool comma_next_ = false;
};

}  // namespace fourfold
