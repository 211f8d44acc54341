#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "feature/state/action_entry.h"

// Actions as bytes, one after the other, each told by how it differs from the one before: a fifth
// of the memory that they take where they can be read (OwnedState). Only for the process that wrote
// them: items and texts are an interner's numbers.
namespace fourfold {

// What is left to say of an action that is like the one before it.
struct PackedContext {
  std::int64_t event_time_ms = 0;
  Position position = 0;
  std::uint64_t user = 0;
  std::uint64_t session = 0;
  TextIndex item = 0;
  TextIndex type_name = 0;
};

// Appends actions, in any order of time, each with as many values as all others.
class ActionPacker {
 public:
  void Append(const ActionEntry& entry, std::span<const double> values, std::string* bytes);

 private:
  PackedContext last_;
};

// Reads what one packer wrote, from its beginning, in pieces that end where an action does.
class ActionUnpacker {
 public:
  explicit ActionUnpacker(std::size_t value_count) : values_(value_count) {}

  using Visitor = absl::FunctionRef<void(const ActionEntry& entry, std::span<const double> values)>;
  void Read(std::string_view bytes, Visitor visit);

 private:
  PackedContext last_;
  std::vector<double> values_;
};

}  // namespace fourfold
