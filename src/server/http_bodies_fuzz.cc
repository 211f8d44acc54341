#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "data/event_json.h"
#include "server/feature_bodies.h"
#include "server/http_bodies.h"

// Anything that a client may send as a body, a target or a path. The first byte picks the reader,
// so that the corpus serves them all.
namespace {

void ReadBodies(std::string_view bytes) {
  fourfold::RecommendRequest request;
  if (fourfold::DecodeRecommendBody(bytes, &request).empty()) {
    FOURFOLD_CHECK(request.limit >= 1 && request.limit <= 500);
  }
  fourfold::FeatureReadRequest features;
  (void)fourfold::DecodeFeatureReadBody(bytes, &features);
  fourfold::RankRequest rank;
  (void)fourfold::DecodeRankBody(bytes, &rank);
  std::vector<std::pair<std::string, double>> weights;
  (void)fourfold::DecodeValueModelBody(bytes, &weights);
  bool activate = false;
  (void)fourfold::DecodeTrainBody(bytes, &activate);
  fourfold::EntityBody entity;
  if (fourfold::DecodeEntityBody(bytes, &entity).empty()) {
    for (std::size_t i = 1; i < entity.fields.size(); ++i) {
      FOURFOLD_CHECK(entity.fields[i - 1].name < entity.fields[i].name);
    }
  }
}

void ReadEvents(std::string_view bytes) {
  const auto events = fourfold::ParseEventsJson(bytes);
  if (!events.ok()) return;
  for (const auto& event : *events) {
    if (!event.ok()) continue;
    const auto again = fourfold::ParseEventJson(fourfold::EventToJson(*event));
    FOURFOLD_CHECK(again.ok() && *again == *event);
  }
}

void ReadTarget(std::string_view bytes) {
  const auto target = fourfold::SplitTarget(bytes);
  if (!target) return;
  fourfold::QueryParameters parameters;
  fourfold::DecodeQuery(target->query, &parameters);
  std::vector<std::string> values;
  for (const char* pattern : {"/v1/recommend", "/v1/items/{id}", "/v1/users/{id}/actions",
                              "/v1/servables/{version}:activate"}) {
    if (fourfold::MatchPath(pattern, target->path, &values) != fourfold::PathMatch::kYes) continue;
    for (const std::string& value : values) FOURFOLD_CHECK(!value.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      ReadBodies(bytes);
      break;
    case 1:
      ReadEvents(bytes);
      break;
    default:
      ReadTarget(bytes);
  }
  return 0;
}
