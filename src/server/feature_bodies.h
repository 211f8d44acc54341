#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fourfold/features.h"
#include "server/http_bodies.h"

namespace fourfold {

// Reads the body of POST /v1/features:read: {"user", "session", "surface", "fields", "items":
// ["id", ...], "as_of", "known_at"}, every key optional. Unknown and repeated keys, wrong types and
// values past their limits are errors.
FieldErrors DecodeFeatureReadBody(std::string_view body, FeatureReadRequest* request);

// Reads the body of PUT /v1/value-model: {"weights": {"head": number, ...}}.
FieldErrors DecodeValueModelBody(std::string_view body,
                                 std::vector<std::pair<std::string, double>>* weights);

// Reads the body of POST /v1/rank: {"user", "session", "surface", "fields", "items": ["id" or
// {"item": "id", "fields": {...}}, ...], "explain"}; all but items optional.
FieldErrors DecodeRankBody(std::string_view body, RankRequest* request);

}  // namespace fourfold
