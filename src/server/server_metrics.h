#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "fourfold/engine.h"

namespace fourfold {

// What GET /metrics shows, named as the Prometheus guide wants it: prefix fourfold_, base units.
// Labels take few values: a route is a pattern of the API, never a path. Thread-safe.
class ServerMetrics {
 public:
  ServerMetrics();

  // `route` and `method` must live for ever: they stand in the table of routes.
  void RequestAnswered(std::string_view route, std::string_view method, int status,
                       double duration_seconds);
  void SlateServed(std::string_view surface, bool degraded);
  void EventsTaken(IngestOutcome outcome, std::size_t count);
  // How long after it arrived an event was in what every next answer is computed from.
  void EventsVisible(double after_seconds) { visible_->Observe(after_seconds); }
  void ConnectionOpened() { connections_->Increment(); }
  void ConnectionClosed() { connections_->Decrement(); }
  void ConnectionRefused() { connections_refused_->Increment(); }

  // The text exposition format, with the engine's state as it is now.
  std::string Expose(const EngineStatus& status, const std::vector<ServableInfo>& servables) const;

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Histogram>* durations_;
  prometheus::Family<prometheus::Counter>* slates_;
  prometheus::Counter* events_[3];  // by IngestOutcome
  prometheus::Histogram* visible_;
  prometheus::Gauge* connections_;
  prometheus::Counter* connections_refused_;

  Mutex mutex_;
  std::map<std::tuple<std::string_view, std::string_view, int>, prometheus::Histogram*> by_route_
      ABSL_GUARDED_BY(mutex_);
  StringMap<std::array<prometheus::Counter*, 2>> by_surface_ ABSL_GUARDED_BY(mutex_);  // degraded?
};

}  // namespace fourfold
