#include "recommend_load.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <deque>
#include <memory>
#include <string_view>

#include "base/status_macros.h"
#include "base/strings.h"
#include "machine_floor.h"

namespace fourfold::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr std::chrono::seconds kLastAnswers{5};  // how long to wait for them at the end

double Milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

struct Connection {
  std::size_t stream = 0;
  int socket = -1;
  bool busy = false;
  Time due{};
  std::string_view unsent;
  std::string received;
};

struct Stream {
  const LoadStream* plan = nullptr;
  Clock::duration interval{};
  std::uint64_t sent = 0, total = 0;
  Time first_due{};
  std::deque<Time> waiting;  // due, but no connection is free
  std::vector<Connection*> free;
  std::vector<double> latencies_ms, late_ms;
  StreamResult result;

  Time NextDue() const { return first_due + interval * static_cast<Clock::rep>(sent); }
};

class Driver {
 public:
  explicit Driver(const LoadOptions& options) : options_(options), epoll_(epoll_create1(0)) {}
  ~Driver() {
    for (const auto& connection : connections_) close(connection->socket);
    close(epoll_);
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  absl::Status Open(const std::vector<LoadStream>& plans) {
    for (const LoadStream& plan : plans) {
      if (plan.rate_per_second <= 0) continue;
      Stream& stream = streams_.emplace_back();
      stream.plan = &plan;
      stream.result.name = plan.name;
      stream.interval = std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(1 / plan.rate_per_second));
      stream.total = static_cast<std::uint64_t>(
          std::llround(plan.rate_per_second * (options_.warm_up_seconds + options_.seconds)));
      for (int i = 0; i < plan.connections; ++i) {
        FOURFOLD_RETURN_IF_ERROR(AddConnection(streams_.size() - 1));
      }
    }
    return absl::OkStatus();
  }

  std::vector<StreamResult> Run() {
    const Time began = Clock::now() + std::chrono::milliseconds(10);
    counted_from_ = began + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(options_.warm_up_seconds));
    // Streams are due in turn, not at the same instants.
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      streams_[i].first_due = began + streams_[i].interval * static_cast<Clock::rep>(i) /
                                          static_cast<Clock::rep>(streams_.size());
    }
    Time give_up = Time::max();
    while (Clock::now() < give_up) {
      const Time next = SendWhatIsDue();
      if (next == Time::max()) {
        if (AllAnswered()) break;
        if (give_up == Time::max()) give_up = Clock::now() + kLastAnswers;
      }
      WaitForAnswers(std::min(next, give_up));
    }
    std::vector<StreamResult> results;
    for (Stream& stream : streams_) results.push_back(Summarise(&stream));
    return results;
  }

 private:
  absl::Status AddConnection(std::size_t stream) {
    auto connection = std::make_unique<Connection>();
    connection->stream = stream;
    FOURFOLD_ASSIGN_OR_RETURN(connection->socket, Connect(options_.endpoint));
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->socket, &event);
    streams_[stream].free.push_back(connection.get());
    connections_.push_back(std::move(connection));
    return absl::OkStatus();
  }

  // Returns when the next request is due; max when all have been sent.
  Time SendWhatIsDue() {
    Time next = Time::max();
    for (Stream& stream : streams_) {
      const Time now = Clock::now();
      while (stream.sent < stream.total && stream.NextDue() <= now) {
        stream.waiting.push_back(stream.NextDue());
        ++stream.sent;
      }
      while (!stream.waiting.empty() && !stream.free.empty()) SendOne(&stream);
      if (stream.sent < stream.total) next = std::min(next, stream.NextDue());
    }
    return next;
  }

  void SendOne(Stream* stream) {
    Connection* connection = stream->free.back();
    stream->free.pop_back();
    connection->busy = true;
    connection->due = stream->waiting.front();
    stream->waiting.pop_front();
    const auto& requests = stream->plan->requests;
    connection->unsent = requests[next_request_++ % requests.size()];
    if (connection->due >= counted_from_) {
      stream->late_ms.push_back(Milliseconds(Clock::now() - connection->due));
    }
    // A request is far smaller than a send buffer that holds no other.
    const ssize_t sent = send(connection->socket, connection->unsent.data(),
                              connection->unsent.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(connection->unsent.size())) Break(connection);
  }

  void WaitForAnswers(Time until) {
    const auto left = std::max(until - Clock::now(), Clock::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timespec timeout{};
    timeout.tv_sec = seconds.count();
    timeout.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
    std::array<epoll_event, 64> events;
    const int count =
        epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      ReadAnswer(static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    }
  }

  void ReadAnswer(Connection* connection) {
    for (;;) {
      const ssize_t read = recv(connection->socket, bytes_.data(), bytes_.size(), 0);
      if (read < 0 && errno == EAGAIN) return;
      if (read <= 0) return Break(connection);
      connection->received.append(bytes_.data(), static_cast<std::size_t>(read));
      const absl::StatusOr<Answer> answer = TakeAnswer(connection->received);
      if (!answer.ok()) return Break(connection);
      if (answer->size == 0) continue;
      connection->received.clear();
      return Finish(connection, answer->status);
    }
  }

  void Finish(Connection* connection, int status) {
    if (!connection->busy) return;
    Stream& stream = streams_[connection->stream];
    if (status != 200) {
      ++stream.result.errors;
      if (stream.result.first_error_status == 0) stream.result.first_error_status = status;
    } else if (connection->due >= counted_from_) {
      last_answer_ = Clock::now();
      stream.latencies_ms.push_back(Milliseconds(last_answer_ - connection->due));
    }
    connection->busy = false;
    stream.free.push_back(connection);
  }

  // The connection ended: its request failed, and another connection takes its place.
  void Break(Connection* connection) {
    Stream& stream = streams_[connection->stream];
    if (connection->busy) ++stream.result.errors;
    std::erase(stream.free, connection);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, connection->socket, nullptr);
    connection->busy = false;
    if (!AddConnection(connection->stream).ok()) ++stream.result.errors;
  }

  bool AllAnswered() const {
    const auto busy = [](const auto& connection) { return connection->busy; };
    return std::none_of(connections_.begin(), connections_.end(), busy);
  }

  StreamResult Summarise(Stream* stream) const {
    for (const auto& connection : connections_) {
      if (connection->busy && &streams_[connection->stream] == stream) ++stream->result.errors;
    }
    stream->result.errors += stream->waiting.size();
    std::vector<double>& sorted = stream->latencies_ms;
    std::sort(sorted.begin(), sorted.end());
    std::sort(stream->late_ms.begin(), stream->late_ms.end());
    StreamResult result = stream->result;
    result.answered = sorted.size();
    result.rate_per_second = static_cast<double>(sorted.size()) /
                             std::chrono::duration<double>(last_answer_ - counted_from_).count();
    result.p50_ms = PercentileOf(sorted, 0.5);
    result.p95_ms = PercentileOf(sorted, 0.95);
    result.p99_ms = PercentileOf(sorted, 0.99);
    result.p999_ms = PercentileOf(sorted, 0.999);
    result.max_ms = sorted.empty() ? 0 : sorted.back();
    result.sent_late_p99_ms = PercentileOf(stream->late_ms, 0.99);
    return result;
  }

  const LoadOptions& options_;
  const int epoll_;
  std::vector<Stream> streams_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::array<char, 256 << 10> bytes_;
  std::size_t next_request_ = 0;
  Time counted_from_{};
  Time last_answer_{};
};

}  // namespace

absl::StatusOr<std::vector<StreamResult>> DriveLoad(const LoadOptions& options,
                                                    const std::vector<LoadStream>& streams) {
  const auto driver = std::make_unique<Driver>(options);
  FOURFOLD_RETURN_IF_ERROR(driver->Open(streams));
  return driver->Run();
}

}  // namespace fourfold::bench
