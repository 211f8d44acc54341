#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/api.h"
#include "server/server.h"
#include "server/server_metrics.h"

namespace fourfold {

class Connection;

// What the connections of one server share.
struct ConnectionContext {
  const ServerOptions& options;
  Api& api;
  ServerMetrics& metrics;
  boost::asio::thread_pool& ingest;
  boost::asio::thread_pool& control;
  std::function<void(Connection*)> closed;   // called once by each, from any thread
  std::atomic<std::size_t> bodies_bytes{0};  // of large bodies being read or answered
};

// One client: reads a request, answers it, reads the next. One request is under way at a time and
// answers leave in the order of the requests, so pipelining is safe. Everything runs on the
// one thread of the socket's executor; a connection keeps itself alive while it waits for
// something.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  // The context must outlive it.
  Connection(Socket socket, ConnectionContext* context);
  ~Connection();

  void Start();
  void StartRefused();  // answers 503 and closes: there are too many connections
  // Ends once the request that has begun is answered; at once when none has. Thread-safe.
  void Drain();
  void Abort();  // ends at once; thread-safe

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class State { kIdle, kReading, kAnswering, kWriting, kLingering, kClosed };

  void NextRequest();
  void ReadSome();
  void OnRead(ErrorCode error, std::size_t bytes);
  void Parse();
  bool AdmitHeader();  // false: it has been refused
  bool ReserveBody();
  void ReleaseBody();  // once it is answered, or the connection closes
  void WriteContinue();
  void RefuseParse(ErrorCode error);
  void OnRequest();
  void Write(ApiAnswer answer, bool keep_alive);
  void OnWritten(ErrorCode error);
  void CloseWith(const ProblemKind& kind, std::string_view detail);
  void Linger();
  void ReadLingering();
  void Close();
  void SetDeadline(std::chrono::seconds from_now);
  void WaitForDeadline();
  void OnDeadline();

  Socket socket_;
  boost::asio::steady_timer timer_;
  ConnectionContext* const context_;
  State state_ = State::kIdle;
  bool draining_ = false;
  bool timed_out_ = false;  // the read under way was ended by the deadline
  bool waiting_for_deadline_ = false;
  bool header_admitted_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Response> response_;
  Api::Call call_;
  ApiRequest request_;
  std::size_t reserved_bytes_ = 0;
  std::size_t lingered_bytes_ = 0;
  TimePoint request_complete_{};
  TimePoint deadline_ = TimePoint::max();
};

}  // namespace fourfold
