#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/http_bodies.h"

// The parts that bodies are made of, read without trust.
namespace fourfold {

// Calls `each` for every member of the object that the body is. The element views are valid during
// the call only.
void ForEachMember(
    std::string_view body, FieldErrors* errors,
    absl::FunctionRef<void(std::string_view key, simdjson::dom::element value)> each);

// A timestamp as an event's; null leaves it as it is.
void ReadTimestamp(std::string_view key, simdjson::dom::element value, std::int64_t* time_ms,
                   FieldErrors* errors);

// An object of names and values. Values: null, boolean, number, string, list of strings or list of
// numbers. Sorted by name.
void ReadFields(std::string_view key, simdjson::dom::element value, std::vector<Field>* fields,
                FieldErrors* errors);

}  // namespace fourfold
