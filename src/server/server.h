#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fourfold/engine.h"

// The HTTP/1.1 face of an engine: decode, admit, call the engine, encode. docs/api.md has the
// routes; the server describes itself under /openapi.json.
namespace fourfold {

struct ServerOptions {
  std::string address = "127.0.0.1";  // numeric IPv4 or IPv6
  std::uint16_t port = 8080;          // 0: any free one, see Server::port()
  // When set, every route but /health/* wants it as X-API-Key or Authorization: Bearer.
  std::string api_key{};

  int threads = 2;                          // read requests and compute slates
  int ingest_threads = 16;                  // wait for the disk, so that no slate has to
  int connections_max = 512;                // past it: 503 and close
  std::size_t header_bytes_max = 16 << 10;  // past it: 431 and close
  std::size_t body_bytes_max = 8 << 20;     // past it: 413 and close
  // Of all requests being read or answered together; past it: 503 for what is over 64 KiB.
  std::size_t bodies_bytes_max = 64 << 20;
  int request_seconds_max = 10;  // from the first byte of a request to its last; past it: 408
  int idle_seconds_max = 75;     // between two requests of a connection; past it: closed
  int drain_seconds_max = 10;    // for open requests once stopping
};

// Thread-safe. The engine must outlive it.
class Server {
 public:
  // Listens and answers from here on. Errors: InvalidArgument (a bad option, named),
  // FailedPrecondition (the address is taken or not ours).
  static absl::StatusOr<std::unique_ptr<Server>> Start(Engine& engine,
                                                       const ServerOptions& options);
  ~Server();  // as Stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"

  // Accepts no more, lets every request that has begun finish (at most drain_seconds_max), closes
  // the connections and returns. A training that runs is called off and publishes nothing; the step
  // that it is at is waited for. Every event acknowledged before is durable in any case.
  void Stop();

  // Blocks until SIGINT or SIGTERM, then stops as above. A second signal ends the process at once.
  absl::Status RunUntilSignal();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fourfold
