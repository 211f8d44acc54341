#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "fourfold/engine.h"
#include "server/http_bodies.h"
#include "server/problem.h"
#include "server/retainer.h"
#include "server/server_metrics.h"
#include "server/trainer.h"

// The routes and what each does, without a socket in sight.
namespace fourfold {

// The parts of an HTTP request that matter here. Views into the connection's memory.
struct ApiRequest {
  std::string_view method;  // "GET"
  std::string_view target;
  std::string_view body;
  // Header fields; empty when absent.
  std::string_view request_id;        // X-Request-Id
  std::string_view api_key;           // X-API-Key
  std::string_view authorization;     // Authorization
  std::string_view idempotency_key;   // Idempotency-Key: the event id of PUT, PATCH, DELETE
  std::string_view content_encoding;  // Content-Encoding
};

struct ApiAnswer {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
  std::string request_id;  // X-Request-Id
  std::string allow;       // Allow, with 405
};

// Where a route runs, so that no slate waits for a disk or for a servable being loaded.
enum class Lane { kHere, kIngest, kControl };

class Api {
 public:
  struct Route;
  // A request that found its way: which route, and the values in its path and query.
  struct Call {
    const Route* route = nullptr;
    std::vector<std::string> values;
    QueryParameters query;
    std::string request_id;  // the client's where it is fit to be echoed, else one of ours
    bool request_id_is_ours = false;
    std::optional<ApiAnswer> refusal;  // set: this is the answer
  };
  struct Route {
    std::string_view method;
    std::string_view pattern;  // encoded path with {names}
    std::vector<std::string_view> query_keys;
    Lane lane;
    ApiAnswer (Api::*handler)(const Call&, const ApiRequest&);
    bool open = false;  // answers without the API key
  };

  // Both must outlive it. An empty key: everybody may ask.
  Api(Engine* engine, ServerMetrics* metrics, std::string api_key);

  static std::span<const Route> Routes();

  static constexpr std::string_view kHowToAuthorize =
      "send the API key as X-API-Key or as Authorization: Bearer";

  // Whether Admit will refuse the request for want of the key; its body is not looked at.
  bool IsUnauthorized(const ApiRequest& request) const;

  // Thread-safe. Admit is quick; Answer may wait for what its route's lane says.
  Call Admit(const ApiRequest& request) const;
  ApiAnswer Answer(const Call& call, const ApiRequest& request);

  // /health/ready says no from now on; a training that runs, or a removal of old history, is called
  // off.
  void SetStopping() {
    stopping_.store(true, std::memory_order_relaxed);
    trainer_.Cancel();
    retainer_.Cancel();
  }
  // Once stopping: returns when the training, or the removal of old history, has ended.
  void AwaitTraining() {
    trainer_.Stop();
    retainer_.Stop();
  }

  // A request id that no other request has.
  std::string NewRequestId() const;

  static ApiAnswer Refuse(const ProblemKind& kind, std::string_view detail,
                          std::string_view request_id, const FieldErrors& errors = {});

 private:
  bool MayEnter(const ApiRequest& request) const;

  ApiAnswer PostEvents(const Call& call, const ApiRequest& request);
  ApiAnswer Recommend(const Call& call, const ApiRequest& request);
  ApiAnswer SimilarItems(const Call& call, const ApiRequest& request);
  ApiAnswer GetItem(const Call& call, const ApiRequest& request);
  ApiAnswer PutItem(const Call& call, const ApiRequest& request);
  ApiAnswer PatchItem(const Call& call, const ApiRequest& request);
  ApiAnswer DeleteItem(const Call& call, const ApiRequest& request);
  ApiAnswer GetUser(const Call& call, const ApiRequest& request);
  ApiAnswer PutUser(const Call& call, const ApiRequest& request);
  ApiAnswer PatchUser(const Call& call, const ApiRequest& request);
  ApiAnswer DeleteUser(const Call& call, const ApiRequest& request);
  ApiAnswer GetUserActions(const Call& call, const ApiRequest& request);
  ApiAnswer Rank(const Call& call, const ApiRequest& request);
  ApiAnswer ReadFeatures(const Call& call, const ApiRequest& request);
  ApiAnswer GetValueModel(const Call& call, const ApiRequest& request);
  ApiAnswer PutValueModel(const Call& call, const ApiRequest& request);
  ApiAnswer GetServables(const Call& call, const ApiRequest& request);
  ApiAnswer TrainServable(const Call& call, const ApiRequest& request);
  ApiAnswer ActivateServable(const Call& call, const ApiRequest& request);
  ApiAnswer RollbackServable(const Call& call, const ApiRequest& request);
  ApiAnswer HealthLive(const Call& call, const ApiRequest& request);
  ApiAnswer HealthReady(const Call& call, const ApiRequest& request);
  ApiAnswer Metrics(const Call& call, const ApiRequest& request);
  ApiAnswer OpenApi(const Call& call, const ApiRequest& request);

  enum class Fields { kReplace, kMerge };
  ApiAnswer ReadEntity(EventKind kind, const Call& call);
  ApiAnswer WriteEntity(EventKind kind, Fields mode, const Call& call, const ApiRequest& request);
  ApiAnswer IngestOne(Event event, const Call& call, const ApiRequest& request);

  Engine* const engine_;
  ServerMetrics* const metrics_;
  const std::string api_key_;
  const std::string request_id_prefix_;
  mutable std::atomic<std::uint64_t> requests_{0};
  std::atomic<bool> stopping_{false};
  // PUT reads the fields that it replaces: two of one entity go one after the other.
  std::array<Mutex, 64> entity_mutexes_;
  Trainer trainer_;
  Retainer retainer_;
};

}  // namespace fourfold
