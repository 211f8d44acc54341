#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// The little HTTP that whoever drives a server needs (load programs, simulated users): prebuilt
// requests, keep-alive connections to this machine alone, and answers taken apart without a copy.
namespace fourfold {

struct Endpoint {
  std::uint16_t port = 0;
  std::string host;  // as it goes into Host
};

// "http://127.0.0.1:8080". Errors: InvalidArgument for any address but this machine's loopback: a
// load program must not be turned on somebody else's server.
absl::StatusOr<Endpoint> ParseLoopbackUrl(std::string_view url);

// The file descriptor of a connection, with TCP_NODELAY.
absl::StatusOr<int> Connect(const Endpoint& endpoint);

std::string EncodePost(const Endpoint& endpoint, std::string_view path, std::string_view body,
                       std::string_view api_key);
std::string EncodeGet(const Endpoint& endpoint, std::string_view path, std::string_view api_key);

// An answer at the front of `bytes`. size 0: it is not complete yet.
struct Answer {
  int status = 0;
  std::size_t size = 0;  // header and body
  std::string_view body;
};
// InvalidArgument when the bytes are no answer of ours (they state a Content-Length).
absl::StatusOr<Answer> TakeAnswer(std::string_view bytes);

// One request at a time over one connection, opened with the first. Not thread-safe.
class HttpClient {
 public:
  explicit HttpClient(Endpoint endpoint, std::string api_key = "")
      : endpoint_(std::move(endpoint)), api_key_(std::move(api_key)) {}
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The body of a 200. Any other status is an error.
  absl::StatusOr<std::string> Post(std::string_view path, std::string_view body);
  absl::StatusOr<std::string> Get(std::string_view path);

 private:
  absl::StatusOr<std::string> Exchange(std::string_view request);

  Endpoint endpoint_;
  std::string api_key_;
  int socket_ = -1;
  std::string received_;
};

}  // namespace fourfold
