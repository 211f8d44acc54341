#include "server/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "base/strings.h"

namespace fourfold {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kReadBytes = 8 << 10;
constexpr std::size_t kBodyReadBytes = 64 << 10;
// Bodies up to here need no share of bodies_bytes_max: connections_max bounds them.
constexpr std::size_t kSmallBodyBytes = 64 << 10;
// After an answer that ends the connection what the client still sends is read and thrown away for
// a moment: closing on unread bytes would reset the connection and lose the answer with it.
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytesMax = 16 << 20;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

ApiRequest RequestOf(const http::request<http::string_body>& message) {
  ApiRequest request;
  request.method = View(message.method_string());
  request.target = View(message.target());
  request.body = message.body();
  request.request_id = View(message["X-Request-Id"]);
  request.api_key = View(message["X-API-Key"]);
  request.authorization = View(message[http::field::authorization]);
  request.idempotency_key = View(message["Idempotency-Key"]);
  request.content_encoding = View(message[http::field::content_encoding]);
  return request;
}

}  // namespace

Connection::Connection(Socket socket, ConnectionContext* context)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      context_(context),
      buffer_(context->options.header_bytes_max + kBodyReadBytes + kReadBytes) {
  context_->metrics.ConnectionOpened();
}

Connection::~Connection() {
  context_->metrics.ConnectionClosed();
  context_->closed(this);
}

void Connection::Start() {
  ErrorCode ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->NextRequest(); });
}

void Connection::StartRefused() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->context_->metrics.ConnectionRefused();
    self->CloseWith(kUnavailable, "there are too many connections");
  });
}

void Connection::Drain() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->draining_ = true;
    // What has arrived but was not read yet is a request that has begun.
    ErrorCode error;
    if (self->state_ == State::kIdle && self->socket_.available(error) == 0) self->Close();
  });
}

void Connection::Abort() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

void Connection::NextRequest() {
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(context_->options.header_bytes_max));
  parser_->body_limit(context_->options.body_bytes_max);
  header_admitted_ = false;
  state_ = State::kIdle;
  if (buffer_.size() > 0) return Parse();
  if (draining_) return Linger();
  SetDeadline(std::chrono::seconds(context_->options.idle_seconds_max));
  ReadSome();
}

void Connection::ReadSome() {
  const std::size_t bytes = header_admitted_ ? kBodyReadBytes : kReadBytes;
  if (buffer_.size() + bytes > buffer_.max_size()) {
    return CloseWith(kInvalidRequest, "the header of a chunk is too long");
  }
  socket_.async_read_some(buffer_.prepare(bytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t read) {
                            self->OnRead(error, read);
                          });
}

void Connection::OnRead(ErrorCode error, std::size_t bytes) {
  if (state_ == State::kClosed) return;
  if (error) {
    const bool request_begun = state_ == State::kReading;
    if (timed_out_ && request_begun) return CloseWith(kRequestTimeout, "send requests faster");
    return Close();
  }
  timed_out_ = false;
  buffer_.commit(bytes);
  Parse();
}

void Connection::Parse() {
  if (state_ == State::kIdle) {
    state_ = State::kReading;
    SetDeadline(std::chrono::seconds(context_->options.request_seconds_max));
  }
  while (!parser_->is_done()) {
    ErrorCode error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error && error != http::error::need_more) return RefuseParse(error);
    if (parser_->is_header_done() && !header_admitted_) {
      header_admitted_ = true;
      if (!AdmitHeader()) return;
    }
    if (header_admitted_ && !ReserveBody()) {
      return CloseWith(kUnavailable, "too much is being sent at once; try again");
    }
    if (error == http::error::need_more || buffer_.size() == 0) break;
  }
  if (parser_->is_done()) return OnRequest();
  ReadSome();
}

bool Connection::AdmitHeader() {
  const auto& message = parser_->get();
  if (message.version() != 10 && message.version() != 11) {
    CloseWith(kInvalidRequest, "HTTP/1.1 is wanted");
    return false;
  }
  // RFC 9112, 3.2: a request without exactly one Host is answered with 400.
  if (message.version() == 11 && message.count(http::field::host) != 1) {
    CloseWith(kInvalidRequest, "one Host field is wanted");
    return false;
  }
  // Who may not ask need not be listened to.
  if (!parser_->is_done() && context_->api.IsUnauthorized(RequestOf(message))) {
    CloseWith(kUnauthorized, Api::kHowToAuthorize);
    return false;
  }
  const bool expects = beast::iequals(message[http::field::expect], "100-continue");
  if (expects && !parser_->is_done()) WriteContinue();
  return true;
}

// Takes from the budget what a large body needs: all of it where its length is stated, else what
// has come so far.
bool Connection::ReserveBody() {
  const auto length = parser_->content_length();
  const std::size_t bytes =
      length ? static_cast<std::size_t>(*length) : parser_->get().body().size();
  if (bytes <= kSmallBodyBytes || bytes <= reserved_bytes_) return true;
  const std::size_t more = bytes - reserved_bytes_;
  if (context_->bodies_bytes.fetch_add(more) + more > context_->options.bodies_bytes_max) {
    context_->bodies_bytes.fetch_sub(more);
    return false;
  }
  reserved_bytes_ = bytes;
  return true;
}

void Connection::ReleaseBody() {
  if (reserved_bytes_ > 0) context_->bodies_bytes.fetch_sub(std::exchange(reserved_bytes_, 0));
}

void Connection::WriteContinue() {
  // Small enough for any send buffer; a client that does not get it sends its body all the same.
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  ErrorCode ignored;
  asio::write(socket_, asio::buffer(kContinue.data(), kContinue.size()), ignored);
}

void Connection::RefuseParse(ErrorCode error) {
  if (error == http::error::body_limit) {
    return CloseWith(kBodyTooLarge, StrCat("a body may have at most ",
                                           context_->options.body_bytes_max, " bytes"));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return CloseWith(kHeaderTooLarge, StrCat("a header may have at most ",
                                             context_->options.header_bytes_max, " bytes"));
  }
  CloseWith(kInvalidRequest, StrCat("this is not HTTP/1.1: ", error.message()));
}

void Connection::OnRequest() {
  state_ = State::kAnswering;
  deadline_ = TimePoint::max();
  request_complete_ = std::chrono::steady_clock::now();
  request_ = RequestOf(parser_->get());
  call_ = context_->api.Admit(request_);
  const Lane lane = call_.refusal ? Lane::kHere : call_.route->lane;
  if (lane == Lane::kHere) {
    return Write(context_->api.Answer(call_, request_), parser_->get().keep_alive());
  }
  // The guard keeps the server's threads waiting for the answer while it is made elsewhere.
  auto work = asio::make_work_guard(socket_.get_executor());
  auto answer_there = [self = shared_from_this(), work = std::move(work)]() mutable {
    ApiAnswer answer = self->context_->api.Answer(self->call_, self->request_);
    asio::post(work.get_executor(), [self, answer = std::move(answer)]() mutable {
      self->Write(std::move(answer), self->parser_->get().keep_alive());
    });
  };
  asio::post(lane == Lane::kIngest ? context_->ingest : context_->control, std::move(answer_there));
}

void Connection::Write(ApiAnswer answer, bool keep_alive) {
  if (state_ == State::kClosed) return;
  // Before the answer leaves: whoever reads it may send the next large body at once.
  if (reserved_bytes_ > 0 && parser_) parser_->get().body() = {};
  ReleaseBody();
  state_ = State::kWriting;
  SetDeadline(std::chrono::seconds(context_->options.request_seconds_max));
  Response& response = response_.emplace();
  response.version(parser_ && parser_->get().version() == 10 ? 10 : 11);
  response.result(static_cast<unsigned>(answer.status));
  const auto ascii = [](std::string_view text) {
    return beast::string_view(text.data(), text.size());
  };
  response.set(http::field::content_type, ascii(answer.content_type));
  response.set("X-Request-Id", answer.request_id);
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (answer.status == kUnauthorized.status) response.set(http::field::www_authenticate, "Bearer");
  if (answer.status == kUnavailable.status) response.set(http::field::retry_after, "1");
  response.keep_alive(keep_alive && !draining_);
  response.content_length(answer.body.size());
  if (request_.method != "HEAD") response.body() = std::move(answer.body);
  http::async_write(socket_, response, [self = shared_from_this()](ErrorCode error, std::size_t) {
    self->OnWritten(error);
  });
}

void Connection::OnWritten(ErrorCode error) {
  if (state_ == State::kClosed) return;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - request_complete_;
  const Api::Route* route = call_.route;
  context_->metrics.RequestAnswered(route ? route->pattern : "none",
                                    route ? route->method : "other",
                                    static_cast<int>(response_->result_int()), taken.count());
  if (error) return Close();
  if (!response_->keep_alive()) return Linger();
  NextRequest();
}

void Connection::CloseWith(const ProblemKind& kind, std::string_view detail) {
  request_complete_ = std::chrono::steady_clock::now();
  call_ = {};
  request_ = {};
  Write(Api::Refuse(kind, detail, context_->api.NewRequestId()), /*keep_alive=*/false);
}

void Connection::Linger() {
  state_ = State::kLingering;
  ErrorCode error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return Close();
  SetDeadline(kLinger);
  ReadLingering();
}

void Connection::ReadLingering() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(kBodyReadBytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                            self->lingered_bytes_ += bytes;
                            if (error || self->lingered_bytes_ > kLingerBytesMax) {
                              return self->Close();
                            }
                            self->ReadLingering();
                          });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ReleaseBody();
  timer_.cancel();
  ErrorCode ignored;
  socket_.close(ignored);
}

void Connection::SetDeadline(std::chrono::seconds from_now) {
  deadline_ = std::chrono::steady_clock::now() + from_now;
  // A wait that ends before the deadline looks again then: most requests need not touch the timer.
  if (!waiting_for_deadline_ || timer_.expiry() > deadline_) WaitForDeadline();
}

void Connection::WaitForDeadline() {
  waiting_for_deadline_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->OnDeadline();
  });
}

void Connection::OnDeadline() {
  waiting_for_deadline_ = false;
  if (state_ == State::kClosed || deadline_ == TimePoint::max()) return;
  if (std::chrono::steady_clock::now() < deadline_) return WaitForDeadline();
  if (state_ != State::kIdle && state_ != State::kReading) return Close();
  timed_out_ = true;
  ErrorCode ignored;
  socket_.cancel(ignored);
}

}  // namespace fourfold
