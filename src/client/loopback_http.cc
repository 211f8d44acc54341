#include "client/loopback_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

std::string_view ErrorText() { return std::strerror(errno); }

std::string KeyField(std::string_view api_key) {
  return api_key.empty() ? std::string() : StrCat("X-API-Key: ", api_key, "\r\n");
}

}  // namespace

absl::StatusOr<Endpoint> ParseLoopbackUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.substr(0, kScheme.size()) != kScheme) {
    return InvalidArgument(url, ": http://127.0.0.1:PORT is wanted");
  }
  std::string_view host = url.substr(kScheme.size());
  if (!host.empty() && host.back() == '/') host.remove_suffix(1);
  const std::size_t colon = host.find(':');
  const std::string_view name = host.substr(0, colon);
  if (name != "127.0.0.1" && name != "localhost") {
    return InvalidArgument(url, ": load goes to this machine (127.0.0.1) alone");
  }
  Endpoint endpoint;
  endpoint.host = std::string(host);
  endpoint.port = 80;
  if (colon != std::string_view::npos) {
    const char* end = host.data() + host.size();
    const auto [stop, error] = std::from_chars(host.data() + colon + 1, end, endpoint.port);
    if (error != std::errc() || stop != end) return InvalidArgument(url, ": bad port");
  }
  return endpoint;
}

absl::StatusOr<int> Connect(const Endpoint& endpoint) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return Internal("socket: ", ErrorText());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const absl::Status status = FailedPrecondition(endpoint.host, ": ", ErrorText());
    close(socket);
    return status;
  }
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

std::string EncodePost(const Endpoint& endpoint, std::string_view path, std::string_view body,
                       std::string_view api_key) {
  return StrCat("POST ", path, " HTTP/1.1\r\nHost: ", endpoint.host, "\r\n", KeyField(api_key),
                "Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n",
                body);
}

std::string EncodeGet(const Endpoint& endpoint, std::string_view path, std::string_view api_key) {
  return StrCat("GET ", path, " HTTP/1.1\r\nHost: ", endpoint.host, "\r\n", KeyField(api_key),
                "\r\n");
}

absl::StatusOr<Answer> TakeAnswer(std::string_view bytes) {
  const std::size_t header_end = bytes.find("\r\n\r\n");
  if (header_end == std::string_view::npos) return Answer{};
  const std::string_view header = bytes.substr(0, header_end + 2);
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  constexpr std::size_t kStatusAt = 9;  // after "HTTP/1.1 "
  const std::size_t length_at = header.find(kLength);
  if (length_at == std::string_view::npos || header.size() < kStatusAt + 3) {
    return InvalidArgument("an answer without Content-Length");
  }
  Answer answer;
  std::size_t length = 0;
  const char* end = header.data() + header.size();
  std::from_chars(header.data() + length_at + kLength.size(), end, length);
  std::from_chars(header.data() + kStatusAt, header.data() + kStatusAt + 3, answer.status);
  if (bytes.size() < header_end + 4 + length) return Answer{};
  answer.size = header_end + 4 + length;
  answer.body = bytes.substr(header_end + 4, length);
  return answer;
}

HttpClient::~HttpClient() {
  if (socket_ >= 0) close(socket_);
}

absl::StatusOr<std::string> HttpClient::Post(std::string_view path, std::string_view body) {
  return Exchange(EncodePost(endpoint_, path, body, api_key_));
}

absl::StatusOr<std::string> HttpClient::Get(std::string_view path) {
  return Exchange(EncodeGet(endpoint_, path, api_key_));
}

absl::StatusOr<std::string> HttpClient::Exchange(std::string_view request) {
  if (socket_ < 0) {
    FOURFOLD_ASSIGN_OR_RETURN(socket_, Connect(endpoint_));
  }
  while (!request.empty()) {
    const ssize_t sent = send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0) return Internal("send: ", ErrorText());
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  received_.clear();
  for (;;) {
    FOURFOLD_ASSIGN_OR_RETURN(const Answer answer, TakeAnswer(received_));
    if (answer.size > 0) {
      if (answer.status == 200) return std::string(answer.body);
      return Internal("HTTP ", answer.status, ": ", answer.body);
    }
    std::array<char, 64 << 10> bytes;
    const ssize_t read = recv(socket_, bytes.data(), bytes.size(), 0);
    if (read <= 0) return Internal("the server closed the connection");
    received_.append(bytes.data(), static_cast<std::size_t>(read));
  }
}

}  // namespace fourfold
