#include "server/server_metrics.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <utility>

namespace fourfold {
namespace {

// Clients name surfaces, so that somebody could name a million of them.
constexpr std::size_t kSurfacesMax = 32;

const prometheus::Histogram::BucketBoundaries& DurationBuckets() {
  static const prometheus::Histogram::BucketBoundaries buckets = {
      0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5};
  return buckets;
}

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricFamily Family(std::string name, std::string help, prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

// A family of the state read at this very moment.
class GaugeFamily {
 public:
  GaugeFamily(std::string name, std::string help)
      : family_(Family(std::move(name), std::move(help), prometheus::MetricType::Gauge)) {}
  GaugeFamily& Add(double value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  prometheus::MetricFamily Take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double pages_in_all = 0, pages_resident = 0;
  statm >> pages_in_all >> pages_resident;
  return pages_resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void AppendEngineFamilies(const EngineStatus& status, std::vector<prometheus::MetricFamily>* out) {
  const auto add = [out](const char* name, const char* help, double value) {
    out->push_back(GaugeFamily(name, help).Add(value).Take());
  };
  add("fourfold_log_events", "Events in the log.", static_cast<double>(status.events));
  add("fourfold_catalogue_items", "Items in the catalogue.", static_cast<double>(status.items));
  add("fourfold_disk_bytes", "Bytes of the engine's directory.",
      static_cast<double>(status.disk_bytes));
  add("fourfold_memory_bytes", "Bytes the engine counts as its own in memory.",
      static_cast<double>(status.memory_bytes));
  add("fourfold_warnings", "What an operator should look at; fourfold status has the words.",
      static_cast<double>(status.warnings.size()));
  add("fourfold_clock_seconds", "The engine's clock, since the Unix epoch.",
      static_cast<double>(status.now_ms) * 1e-3);
  if (status.events > 0) {
    add("fourfold_last_event_seconds", "Event time of the newest event, since the Unix epoch.",
        static_cast<double>(status.last_event_time_ms) * 1e-3);
  }
  if (status.horizon_ms != kSinceForEverMs) {
    add("fourfold_horizon_seconds", "No action or slate before it is kept, since the Unix epoch.",
        static_cast<double>(status.horizon_ms) * 1e-3);
  }
  if (const auto& state = status.feature_state; state.has_value()) {
    add("fourfold_feature_state_bytes", "Memory that the state of the ranker's features takes.",
        static_cast<double>(state->bytes));
    add("fourfold_feature_cache_entities", "Entities in memory where not all of the state is.",
        static_cast<double>(state->cached_entities));
    const auto count = [out](const char* name, const char* help, std::uint64_t value) {
      auto family = Family(name, help, prometheus::MetricType::Counter);
      family.metric.emplace_back().counter.value = static_cast<double>(value);
      out->push_back(std::move(family));
    };
    count("fourfold_feature_cache_reads_total", "Entities that features read from that cache.",
          state->reads);
    count("fourfold_feature_cache_misses_total", "Of them, how many the histories had to tell.",
          state->misses);
  }
  add("process_resident_memory_bytes", "Resident memory of the process.", ResidentBytes());
  add("process_cpu_seconds_total", "Processor time spent by the process.", CpuSeconds());
}

void AppendServableFamilies(const std::vector<ServableInfo>& servables,
                            std::vector<prometheus::MetricFamily>* out) {
  GaugeFamily info("fourfold_servable_info", "1 for each servable, by version and state.");
  GaugeFamily metrics("fourfold_servable_metric", "What evaluation said of the active servable.");
  GaugeFamily as_of("fourfold_servable_as_of_seconds",
                    "End of the data that the active servable was learned from.");
  for (const ServableInfo& servable : servables) {
    info.Add(
        1, {{"version", servable.version}, {"state", servable.state}, {"recipe", servable.recipe}});
    if (servable.state != "active") continue;
    as_of.Add(static_cast<double>(servable.as_of_ms) * 1e-3, {{"version", servable.version}});
    for (const auto& [name, value] : servable.metrics) {
      metrics.Add(value, {{"version", servable.version}, {"metric", name}});
    }
  }
  for (GaugeFamily* family : {&info, &metrics, &as_of}) out->push_back(family->Take());
}

// A recipe declares at most FeaturePlan::kFeaturesMax features, which bounds the label.
void AppendFeatureFamilies(const std::vector<FeatureHealth>& features,
                           std::vector<prometheus::MetricFamily>* out) {
  if (features.empty()) return;
  using prometheus::MetricType;
  auto values = Family("fourfold_feature_values_total",
                       "Values of the ranker's features, of every eighth request scored.",
                       MetricType::Counter);
  auto nulls = Family("fourfold_feature_nulls_total", "Of them, how many were no value.",
                      MetricType::Counter);
  auto defaults = Family("fourfold_feature_defaults_total",
                         "Of them, how many said what is said of somebody without events.",
                         MetricType::Counter);
  auto staleness =
      Family("fourfold_feature_staleness_seconds",
             "From the newest event that a value comes of to its request.", MetricType::Histogram);
  for (const FeatureHealth& feature : features) {
    prometheus::ClientMetric metric;
    metric.label = {{"feature", feature.name}};
    for (const auto& [family, count] :
         {std::pair(&values, feature.values), std::pair(&nulls, feature.nulls),
          std::pair(&defaults, feature.defaults)}) {
      metric.counter.value = static_cast<double>(count);
      family->metric.push_back(metric);
    }
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < FeatureHealth::kStalenessBuckets; ++i) {
      count += feature.staleness[i];
      const bool is_last = i == FeatureHealth::kStalenessBoundsSeconds.size();
      const double bound = is_last ? std::numeric_limits<double>::infinity()
                                   : FeatureHealth::kStalenessBoundsSeconds[i];
      metric.histogram.bucket.push_back({count, bound});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = feature.staleness_seconds;
    staleness.metric.push_back(std::move(metric));
  }
  for (auto* family : {&values, &nulls, &defaults, &staleness}) out->push_back(std::move(*family));
}

}  // namespace

ServerMetrics::ServerMetrics()
    : durations_(&prometheus::BuildHistogram()
                      .Name("fourfold_http_request_duration_seconds")
                      .Help("From the last byte of a request to the last byte of its answer.")
                      .Register(registry_)),
      slates_(&prometheus::BuildCounter()
                   .Name("fourfold_requests_total")
                   .Help("Slates served, by surface.")
                   .Register(registry_)),
      visible_(&prometheus::BuildHistogram()
                    .Name("fourfold_event_visible_seconds")
                    .Help("From the arrival of events to where every answer takes them in.")
                    .Register(registry_)
                    .Add({}, DurationBuckets())),
      connections_(&prometheus::BuildGauge()
                        .Name("fourfold_http_connections")
                        .Help("Open connections.")
                        .Register(registry_)
                        .Add({})),
      connections_refused_(&prometheus::BuildCounter()
                                .Name("fourfold_http_connections_refused_total")
                                .Help("Connections refused because there were too many.")
                                .Register(registry_)
                                .Add({})) {
  auto& events = prometheus::BuildCounter()
                     .Name("fourfold_events_total")
                     .Help("Events that came over HTTP, by what became of them.")
                     .Register(registry_);
  events_[static_cast<int>(IngestOutcome::kAccepted)] = &events.Add({{"result", "accepted"}});
  events_[static_cast<int>(IngestOutcome::kDuplicate)] = &events.Add({{"result", "duplicate"}});
  events_[static_cast<int>(IngestOutcome::kRejected)] = &events.Add({{"result", "rejected"}});
}

void ServerMetrics::RequestAnswered(std::string_view route, std::string_view method, int status,
                                    double duration_seconds) {
  prometheus::Histogram* histogram = nullptr;
  {
    const MutexLock lock(&mutex_);
    prometheus::Histogram*& known = by_route_[{route, method, status}];
    if (known == nullptr) {
      known = &durations_->Add({{"route", std::string(route)},
                                {"method", std::string(method)},
                                {"code", std::to_string(status)}},
                               DurationBuckets());
    }
    histogram = known;
  }
  histogram->Observe(duration_seconds);
}

void ServerMetrics::SlateServed(std::string_view surface, bool degraded) {
  prometheus::Counter* counter = nullptr;
  {
    const MutexLock lock(&mutex_);
    if (by_surface_.size() >= kSurfacesMax && !by_surface_.contains(surface)) surface = "other";
    prometheus::Counter*& known = by_surface_[surface][degraded ? 1 : 0];
    if (known == nullptr) {
      known = &slates_->Add(
          {{"surface", std::string(surface)}, {"degraded", degraded ? "true" : "false"}});
    }
    counter = known;
  }
  counter->Increment();
}

void ServerMetrics::EventsTaken(IngestOutcome outcome, std::size_t count) {
  if (count > 0) events_[static_cast<int>(outcome)]->Increment(static_cast<double>(count));
}

std::string ServerMetrics::Expose(const EngineStatus& status,
                                  const std::vector<ServableInfo>& servables) const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  AppendEngineFamilies(status, &families);
  AppendServableFamilies(servables, &families);
  AppendFeatureFamilies(status.features, &families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fourfold
