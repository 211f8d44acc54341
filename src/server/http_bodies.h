#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fourfold/event.h"
#include "fourfold/recommend.h"

// What a client may send, read without trust: bodies, query strings, paths. Pure functions; every
// one takes any bytes at all and is fuzzed.
namespace fourfold {

// One thing that is wrong with a request. The field is a key of the body ("include_items[3]"), a
// query parameter, or empty for the request as a whole.
struct FieldError {
  std::string field;
  std::string detail;
  friend bool operator==(const FieldError&, const FieldError&) = default;
};
using FieldErrors = std::vector<FieldError>;

// The keys that POST /v1/recommend knows, in the order of RecommendRequest.
const std::vector<std::string_view>& RecommendKeys();

// Reads a JSON object into the request; keys that are absent or null leave it as it is. Unknown and
// repeated keys, wrong types and values past their limits (data/limits.h) are errors, all of them
// listed. Returns no errors when the request is good.
FieldErrors DecodeRecommendBody(std::string_view body, RecommendRequest* request);

// What PUT and PATCH say of an item or a user.
struct EntityBody {
  std::vector<Field> fields;  // sorted by name
  std::int64_t event_time_ms = kNoTimeMs;
};

// Reads {"fields": {"name": value, ...}, "timestamp": ...}. Values: null, boolean, number, string,
// list of strings or list of numbers. The timestamp is as an event's and may be absent.
FieldErrors DecodeEntityBody(std::string_view body, EntityBody* entity);

// Reads {"activate": true or false}; absent or null leaves it as it is, and so does an empty body.
FieldErrors DecodeTrainBody(std::string_view body, bool* activate);

// "%2F" to "/". Nullopt for a broken escape, for text that is no UTF-8 and for a NUL.
std::optional<std::string> DecodePercent(std::string_view text, bool plus_is_space);

// The path (still encoded) and the query of a request's target, which is either a path or, as
// proxies send it, a whole URL. Nullopt when it is neither.
struct Target {
  std::string_view path;
  std::string_view query;
};
std::optional<Target> SplitTarget(std::string_view target);

// "limit=5&filter=a%3D1" to pairs, decoded, in order.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;
FieldErrors DecodeQuery(std::string_view query, QueryParameters* parameters);

// A whole number from 1 to `max`.
std::optional<int> ParseLimit(std::string_view text, int max);

// Matches an encoded path with a pattern such as "/v1/items/{id}/similar" or
// "/v1/servables/{version}:activate"; {name} takes one segment, or what is left of it, that is not
// empty. The decoded values go to `values` in order.
enum class PathMatch { kNo, kYes, kBadEncoding };
PathMatch MatchPath(std::string_view pattern, std::string_view path,
                    std::vector<std::string>* values);

}  // namespace fourfold
