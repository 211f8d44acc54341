#include "server/server.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "server/api.h"
#include "server/connection.h"
#include "server/server_metrics.h"

namespace fourfold {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr int kControlThreads = 2;
// Connections past connections_max that are told so; past these too they are just closed.
constexpr std::size_t kRefusedMax = 64;
constexpr std::chrono::milliseconds kAcceptPause{50};

absl::Status CheckOptions(const ServerOptions& options) {
  const auto check = [](std::string_view name, std::int64_t value, std::int64_t min,
                        std::int64_t max) {
    if (value >= min && value <= max) return absl::OkStatus();
    return InvalidArgument(name, " must be from ", min, " to ", max, ", not ", value);
  };
  const auto bytes = [](std::size_t value) { return static_cast<std::int64_t>(value); };
  const absl::Status checks[] = {
      check("threads", options.threads, 1, 256),
      check("ingest_threads", options.ingest_threads, 1, 256),
      check("connections_max", options.connections_max, 1, 1 << 20),
      check("header_bytes_max", bytes(options.header_bytes_max), 1 << 10, 1 << 20),
      check("body_bytes_max", bytes(options.body_bytes_max), 1 << 10, 1 << 30),
      check("bodies_bytes_max", bytes(options.bodies_bytes_max), bytes(options.body_bytes_max),
            std::int64_t{1} << 40),
      check("request_seconds_max", options.request_seconds_max, 1, 3600),
      check("idle_seconds_max", options.idle_seconds_max, 1, 3600),
      check("drain_seconds_max", options.drain_seconds_max, 1, 3600),
  };
  for (const absl::Status& status : checks) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

class Server::Impl {
 public:
  Impl(Engine& engine, const ServerOptions& options)
      : options_(options),
        api_(&engine, &metrics_, options.api_key),
        ingest_(static_cast<std::size_t>(options.ingest_threads)),
        control_(kControlThreads),
        context_{options_, api_,     metrics_,
                 ingest_,  control_, [this](Connection* connection) { Forget(connection); }},
        loops_(static_cast<std::size_t>(options.threads)),
        acceptor_(loops_.front().io),
        accept_pause_(acceptor_.get_executor()),
        drain_timer_(acceptor_.get_executor()) {}

  ~Impl() { Stop(); }

  absl::Status Start() {
    ErrorCode error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) return InvalidArgument("address: ", options_.address, " is no IP address");
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return FailedPrecondition("cannot listen on ", options_.address, " port ", options_.port,
                                ": ", error.message());
    }
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (Loop& loop : loops_) {
      threads_.emplace_back([&loop] { loop.io.run(); });
    }
    return absl::OkStatus();
  }

  std::uint16_t port() const { return port_; }
  const std::string& address() const { return options_.address; }

  void Stop() {
    std::call_once(stopped_, [this] {
      api_.SetStopping();
      asio::post(acceptor_.get_executor(), [this] {
        BeginDrain();
        // Not earlier: a loop that has ended serves no connection that is accepted after it.
        for (Loop& loop : loops_) loop.work.reset();
      });
      // Returns when the last connection is gone: each waits for its request, and each request for
      // its lane.
      for (std::thread& thread : threads_) thread.join();
      ingest_.join();
      control_.join();
      api_.AwaitTraining();
    });
  }

 private:
  // One thread that waits for its own connections and answers them: no request is handed from
  // thread to thread on its way, which costs more than most requests take.
  struct Loop {
    asio::io_context io{/*concurrency_hint=*/1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  };

  void Accept() {
    Loop& loop = loops_[next_loop_++ % loops_.size()];
    acceptor_.async_accept(loop.io, [this](ErrorCode error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        Welcome(std::move(socket));
        return Accept();
      }
      // Out of file descriptors or the like: what is open goes on, and some of it will end.
      accept_pause_.expires_after(kAcceptPause);
      accept_pause_.async_wait([this](ErrorCode) {
        if (acceptor_.is_open()) Accept();
      });
    });
  }

  void Welcome(tcp::socket socket) {
    std::size_t open = 0;
    {
      const MutexLock lock(&mutex_);
      open = connections_.size();
    }
    if (open >= options_.connections_max + kRefusedMax) return;
    auto connection = std::make_shared<Connection>(std::move(socket), &context_);
    {
      const MutexLock lock(&mutex_);
      connections_[connection.get()] = connection;
    }
    if (open >= static_cast<std::size_t>(options_.connections_max)) {
      connection->StartRefused();
    } else {
      connection->Start();
    }
  }

  void Forget(Connection* connection) {
    bool last = false;
    {
      const MutexLock lock(&mutex_);
      connections_.erase(connection);
      last = connections_.empty() && draining_;
    }
    if (last) {
      asio::post(acceptor_.get_executor(), [this] { drain_timer_.cancel(); });
    }
  }

  std::vector<std::shared_ptr<Connection>> OpenConnections() {
    std::vector<std::shared_ptr<Connection>> open;
    const MutexLock lock(&mutex_);
    for (const auto& [connection, weak] : connections_) {
      if (std::shared_ptr<Connection> shared = weak.lock()) open.push_back(std::move(shared));
    }
    return open;
  }

  void BeginDrain() {
    ErrorCode ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
    {
      const MutexLock lock(&mutex_);
      draining_ = true;
      if (connections_.empty()) return;
    }
    drain_timer_.expires_after(std::chrono::seconds(options_.drain_seconds_max));
    drain_timer_.async_wait([this](ErrorCode error) {
      if (error) return;
      for (const auto& connection : OpenConnections()) connection->Abort();
    });
    for (const auto& connection : OpenConnections()) connection->Drain();
  }

  const ServerOptions options_;
  ServerMetrics metrics_;
  Api api_;
  asio::thread_pool ingest_;
  asio::thread_pool control_;
  ConnectionContext context_;

  Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<Connection*, std::weak_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);

  std::deque<Loop> loops_;
  std::size_t next_loop_ = 0;  // used on the acceptor's thread alone
  tcp::acceptor acceptor_;
  asio::steady_timer accept_pause_;
  asio::steady_timer drain_timer_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  std::once_flag stopped_;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Engine& engine,
                                                      const ServerOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  auto impl = std::make_unique<Impl>(engine, options);
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

std::uint16_t Server::port() const { return impl_->port(); }

std::string Server::url() const {
  const bool six = impl_->address().find(':') != std::string::npos;
  return StrCat("http://", six ? "[" : "", impl_->address(), six ? "]" : "", ":", port());
}

void Server::Stop() { impl_->Stop(); }

absl::Status Server::RunUntilSignal() {
  asio::io_context signals_io;
  asio::signal_set signals(signals_io);
  for (const int number : {SIGINT, SIGTERM}) {
    ErrorCode error;
    signals.add(number, error);
    if (error) return Internal("cannot wait for signals: ", error.message());
  }
  signals.async_wait([&](ErrorCode, int) {
    // From here on a second signal does what signals do.
    ErrorCode ignored;
    signals.clear(ignored);
  });
  signals_io.run();
  Stop();
  return absl::OkStatus();
}

}  // namespace fourfold
