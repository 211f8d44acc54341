#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/http_bodies.h"

// Errors as RFC 9457 problem details.
namespace fourfold {

// What went wrong, in the words of the API. Each has one HTTP status, one title and one `type`,
// urn:fourfold:problem:<name>; docs/api.md lists them.
struct ProblemKind {
  int status = 500;
  std::string_view name;
  std::string_view title;
};

inline constexpr ProblemKind kInvalidRequest = {400, "invalid-request", "The request is not valid"};
inline constexpr ProblemKind kEventsRejected = {400, "events-rejected", "Every event was rejected"};
inline constexpr ProblemKind kUnauthorized = {401, "unauthorized", "An API key is wanted"};
inline constexpr ProblemKind kNotFound = {404, "not-found", "There is no such thing here"};
inline constexpr ProblemKind kUnknownTenant = {404, "unknown-tenant", "There is no such tenant"};
inline constexpr ProblemKind kMethodNotAllowed = {405, "method-not-allowed",
                                                  "The method does not apply here"};
inline constexpr ProblemKind kRequestTimeout = {408, "request-timeout",
                                                "The request did not arrive in time"};
inline constexpr ProblemKind kConflict = {409, "conflict", "The state does not allow it"};
inline constexpr ProblemKind kGone = {410, "gone", "It was erased or deleted"};
inline constexpr ProblemKind kBodyTooLarge = {413, "body-too-large", "The body is too large"};
inline constexpr ProblemKind kUnsupportedEncoding = {415, "unsupported-encoding",
                                                     "The body's encoding is not supported"};
inline constexpr ProblemKind kHeaderTooLarge = {431, "header-too-large", "The header is too large"};
inline constexpr ProblemKind kInternalError = {500, "internal", "The server failed"};
inline constexpr ProblemKind kNotImplemented = {501, "not-implemented", "This is not supported"};
inline constexpr ProblemKind kUnavailable = {503, "unavailable", "The server cannot answer now"};
inline constexpr ProblemKind kTimeout = {504, "timeout", "The answer took too long"};

// The problem that a failed call of the engine is for its client.
ProblemKind KindOf(const absl::Status& status);

// The application/problem+json body. `errors` stands in it only when there are any.
std::string ProblemJson(const ProblemKind& kind, std::string_view detail,
                        std::string_view request_id, const FieldErrors& errors = {});

}  // namespace fourfold
