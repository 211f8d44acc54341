#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fourfold/engine.h"
#include "server/trainer.h"

// The bodies of good answers. src/server/openapi.json describes them; a test holds both together.
namespace fourfold {

// `explain`: with the fields that only an explained answer carries.
std::string RecommendJson(const RecommendResponse& response, bool explain);
std::string SimilarJson(const RecommendResponse& response, std::string_view request_id);

// Counts, the last position and a result for each event in order.
std::string IngestJson(const std::vector<IngestResult>& results, std::string_view request_id);

// `kind` is "item" or "user".
std::string EntityJson(std::string_view kind, std::string_view id, const EntityView& entity,
                       std::string_view request_id);
std::string ActionsJson(std::string_view user, const std::vector<Event>& actions,
                        std::string_view request_id);
std::string ValueModelJson(const ValueModelView& model, std::string_view request_id);
std::string RankJson(const RankResponse& response, bool explain, std::string_view request_id);
// An empty request id is left out.
std::string FeaturesJson(const FeatureReadResponse& response, std::string_view request_id);
std::string SkewJson(const SkewReport& report);
std::string ErasedJson(std::string_view user, std::uint64_t events, std::string_view request_id);

std::string ServablesJson(const std::vector<ServableInfo>& servables, const TrainingView& training,
                          std::string_view request_id);
std::string TrainingJson(const TrainingView& training, std::string_view request_id);
std::string ActiveServableJson(std::string_view version, std::string_view request_id);
std::string ReadyJson(const EngineStatus& status, std::string_view request_id);
std::string LiveJson(std::string_view request_id);

}  // namespace fourfold
