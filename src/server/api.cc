#include "server/api.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/digest.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;

// Echoed as a header field, so nothing may stand in it that ends one.
bool IsEchoable(std::string_view request_id) {
  return !request_id.empty() && request_id.size() <= kRequestIdBytesMax &&
         std::all_of(request_id.begin(), request_id.end(),
                     [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string RandomPrefix() {
  std::random_device device;
  return DigestToHex(DigestOf(StrCat(device(), ".", device(), ".", device()))).substr(0, 16);
}

// Takes as long for a wrong key as for the right one: digests of one size are compared.
bool SameKey(std::string_view given, std::string_view wanted) {
  const Digest a = DigestOf(given), b = DigestOf(wanted);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view BearerToken(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() < kBearer.size()) return "";
  const bool bearer = std::equal(kBearer.begin(), kBearer.end(), authorization.begin(),
                                 [](char a, char b) { return a == (b | 0x20); });
  return bearer ? authorization.substr(kBearer.size()) : "";
}

// "/v1/tenants/default/items/x" is "/v1/items/x". Sets the tenant when the path names one.
std::string WithoutTenant(std::string_view path, std::optional<std::string_view>* tenant) {
  constexpr std::string_view kTenants = "/v1/tenants/";
  if (path.substr(0, kTenants.size()) != kTenants) return std::string(path);
  path.remove_prefix(kTenants.size());
  const std::size_t end = std::min(path.find('/'), path.size());
  *tenant = path.substr(0, end);
  return StrCat("/v1", path.substr(end));
}

}  // namespace

Api::Api(Engine* engine, ServerMetrics* metrics, std::string api_key)
    : engine_(engine),
      metrics_(metrics),
      api_key_(std::move(api_key)),
      request_id_prefix_(RandomPrefix()),
      trainer_(engine),
      retainer_(engine) {}

std::span<const Api::Route> Api::Routes() {
  static const std::vector<Route> routes = {
      {"POST", "/v1/recommend", {}, Lane::kHere, &Api::Recommend},
      {"POST", "/v1/events", {}, Lane::kIngest, &Api::PostEvents},
      {"GET", "/v1/items/{id}/similar", {"limit", "filter"}, Lane::kHere, &Api::SimilarItems},
      {"GET", "/v1/items/{id}", {}, Lane::kHere, &Api::GetItem},
      {"PUT", "/v1/items/{id}", {}, Lane::kIngest, &Api::PutItem},
      {"PATCH", "/v1/items/{id}", {}, Lane::kIngest, &Api::PatchItem},
      {"DELETE", "/v1/items/{id}", {}, Lane::kIngest, &Api::DeleteItem},
      {"GET", "/v1/users/{id}/actions", {"limit"}, Lane::kHere, &Api::GetUserActions},
      {"GET", "/v1/users/{id}", {}, Lane::kHere, &Api::GetUser},
      {"PUT", "/v1/users/{id}", {}, Lane::kIngest, &Api::PutUser},
      {"PATCH", "/v1/users/{id}", {}, Lane::kIngest, &Api::PatchUser},
      {"DELETE", "/v1/users/{id}", {}, Lane::kControl, &Api::DeleteUser},
      {"POST", "/v1/rank", {}, Lane::kHere, &Api::Rank},
      {"POST", "/v1/features:read", {}, Lane::kControl, &Api::ReadFeatures},
      {"GET", "/v1/value-model", {}, Lane::kControl, &Api::GetValueModel},
      {"PUT", "/v1/value-model", {}, Lane::kControl, &Api::PutValueModel},
      {"GET", "/v1/servables", {}, Lane::kControl, &Api::GetServables},
      {"POST", "/v1/servables", {}, Lane::kControl, &Api::TrainServable},
      {"POST", "/v1/servables:rollback", {}, Lane::kControl, &Api::RollbackServable},
      {"POST", "/v1/servables/{version}:activate", {}, Lane::kControl, &Api::ActivateServable},
      {"GET", "/health/live", {}, Lane::kHere, &Api::HealthLive, /*open=*/true},
      {"GET", "/health/ready", {}, Lane::kHere, &Api::HealthReady, /*open=*/true},
      {"GET", "/metrics", {}, Lane::kControl, &Api::Metrics},
      {"GET", "/openapi.json", {}, Lane::kHere, &Api::OpenApi},
  };
  return routes;
}

std::string Api::NewRequestId() const {
  return StrCat(request_id_prefix_, "-", requests_.fetch_add(1, std::memory_order_relaxed));
}

bool Api::MayEnter(const ApiRequest& request) const {
  if (api_key_.empty()) return true;
  const std::string_view token = BearerToken(request.authorization);
  return SameKey(request.api_key, api_key_) || SameKey(token, api_key_);
}

ApiAnswer Api::Refuse(const ProblemKind& kind, std::string_view detail, std::string_view request_id,
                      const FieldErrors& errors) {
  ApiAnswer answer;
  answer.status = kind.status;
  answer.content_type = "application/problem+json";
  answer.body = ProblemJson(kind, detail, request_id, errors);
  answer.request_id = std::string(request_id);
  return answer;
}

Api::Call Api::Admit(const ApiRequest& request) const {
  Call call;
  call.request_id_is_ours = !IsEchoable(request.request_id);
  call.request_id = call.request_id_is_ours ? NewRequestId() : std::string(request.request_id);
  const auto refuse = [&](const ProblemKind& kind, std::string_view detail,
                          const FieldErrors& errors = {}) {
    call.refusal = Refuse(kind, detail, call.request_id, errors);
    return std::move(call);
  };

  const std::optional<Target> target = SplitTarget(request.target);
  if (!target) return refuse(kInvalidRequest, "the request's target is not a path");
  std::optional<std::string_view> tenant;
  const std::string path = WithoutTenant(target->path, &tenant);

  // HEAD is GET without the body, which the connection leaves out.
  const std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  PathMatch match = PathMatch::kNo;
  for (const Route& route : Routes()) {
    const PathMatch here = MatchPath(route.pattern, path, &call.values);
    if (here == PathMatch::kNo) continue;
    if (route.method == method) {
      call.route = &route;
      match = here;
      break;
    }
    StrAppend(&allowed, allowed.empty() ? "" : ", ", route.method);
    if (route.method == "GET") allowed += ", HEAD";
  }

  const bool open = call.route != nullptr && call.route->open;
  if (!open && !MayEnter(request)) {
    return refuse(kUnauthorized, kHowToAuthorize);
  }
  if (tenant && *tenant != "default") {
    return refuse(kUnknownTenant, "this server holds the tenant \"default\" alone");
  }
  if (call.route == nullptr) {
    if (allowed.empty()) return refuse(kNotFound, "no route has this path; see /openapi.json");
    Call refused = refuse(kMethodNotAllowed, StrCat("this path takes ", allowed));
    refused.refusal->allow = std::move(allowed);
    return refused;
  }
  if (match == PathMatch::kBadEncoding) {
    return refuse(kInvalidRequest, "the path is not percent-encoded UTF-8");
  }
  if (!request.content_encoding.empty() && request.content_encoding != "identity") {
    return refuse(kUnsupportedEncoding, "send the body as it is, without Content-Encoding");
  }
  FieldErrors errors = DecodeQuery(target->query, &call.query);
  for (const auto& [key, value] : call.query) {
    const auto& keys = call.route->query_keys;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      errors.push_back({key, "is not a parameter of this route"});
    }
  }
  if (!errors.empty()) return refuse(kInvalidRequest, "the query is not valid", errors);
  return call;
}

bool Api::IsUnauthorized(const ApiRequest& request) const {
  if (MayEnter(request)) return false;
  const Call call = Admit(request);
  return call.refusal.has_value() && call.refusal->status == kUnauthorized.status;
}

ApiAnswer Api::Answer(const Call& call, const ApiRequest& request) {
  if (call.refusal) return *call.refusal;
  ApiAnswer answer = (this->*call.route->handler)(call, request);
  if (answer.request_id.empty()) answer.request_id = call.request_id;
  return answer;
}

}  // namespace fourfold
