#include "servable/manifest_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "servable/json_fields.h"

namespace fourfold {
namespace {

using Json = nlohmann::json;

constexpr char kFormat[] = "fourfold-servable";

constexpr std::pair<RetrieverSpec::Kind, const char*> kKinds[] = {
    {RetrieverSpec::Kind::kPopular, "popular"},
    {RetrieverSpec::Kind::kItemCf, "item_cf"},
    {RetrieverSpec::Kind::kCovisitation, "covisitation"},
    {RetrieverSpec::Kind::kRepeats, "repeats"},
    {RetrieverSpec::Kind::kEase, "ease"},
    {RetrieverSpec::Kind::kEges, "eges"}};

constexpr std::pair<RetrieverSpec::Search, const char*> kSearches[] = {
    {RetrieverSpec::Search::kMap, "map"},
    {RetrieverSpec::Search::kMean, "mean"},
    {RetrieverSpec::Search::kActions, "actions"}};

constexpr std::pair<BlendSpec::Method, const char*> kMethods[] = {
    {BlendSpec::Method::kReciprocalRank, "reciprocal_rank"},
    {BlendSpec::Method::kNormalisedScores, "normalised_scores"}};

template <typename Archive, typename Spec>
void VisitEmbedding(Archive& archive, Spec& spec) {
  archive.Field("session_window_ms", spec.session_window_ms);
  archive.Field("session_gap_ms", spec.session_gap_ms);
  archive.Field("least_dwell_ms", spec.least_dwell_ms);
  archive.Field("user_actions_max", spec.user_actions_max);
  archive.Field("walk_length", spec.walk_length);
  archive.Field("walks_per_item", spec.walks_per_item);
  archive.Field("context_steps", spec.context_steps);
  archive.Field("negatives", spec.negatives);
  archive.Field("dimension", spec.dimension);
  archive.Field("learning_rate", spec.learning_rate);
  archive.Field("side_fields", spec.side_fields);
  archive.Field("learned_weights", spec.learned_weights);
  archive.Field("seed", spec.seed);
  archive.Field("threads", spec.threads);
  archive.Enum("search", spec.search, kSearches);
  archive.Field("graph_links", spec.graph_links);
  archive.Field("build_width", spec.build_width);
  archive.Field("search_width", spec.search_width);
  archive.Field("least_recall", spec.least_recall);
}

template <typename Archive, typename Spec>
void VisitRetriever(Archive& archive, Spec& spec) {
  archive.Field("name", spec.name);
  archive.Enum("kind", spec.kind, kKinds);
  archive.Field("action_types", spec.action_types);
  archive.Field("candidates", spec.candidates);
  archive.Field("window_ms", spec.window_ms);
  archive.Field("half_life_ms", spec.half_life_ms);
  archive.Field("distinct_users", spec.distinct_users);
  archive.Field("shrink", spec.shrink);
  archive.Field("pair_half_life_ms", spec.pair_half_life_ms);
  archive.Field("user_item_half_life_ms", spec.user_item_half_life_ms);
  archive.Field("window_steps", spec.window_steps);
  archive.Field("backward_weight", spec.backward_weight);
  archive.Field("popularity_exponent", spec.popularity_exponent);
  archive.Field("history_popularity_exponent", spec.history_popularity_exponent);
  archive.Field("within_tie_group", spec.within_tie_group);
  archive.Field("time_half_life_ms", spec.time_half_life_ms);
  archive.Field("regularization", spec.regularization);
  archive.Field("neighbours", spec.neighbours);
  archive.Field("history_actions", spec.history_actions);
  archive.Field("history_decay", spec.history_decay);
  archive.Field("history_half_life_ms", spec.history_half_life_ms);
  if (HasEmbeddings(spec)) VisitEmbedding(archive, spec);
}

template <typename Archive, typename Spec>
void VisitBlend(Archive& archive, Spec& spec) {
  archive.Enum("method", spec.method, kMethods);
  archive.Field("rank_constant", spec.rank_constant);
  archive.Field("weights", spec.weights);
}

// All but what needs a visitor of its own (retrievers, blend) and what seals it.
template <typename Archive, typename Manifest>
void VisitManifest(Archive& archive, Manifest& manifest) {
  archive.Field("format_version", manifest.format_version);
  archive.Field("engine_version", manifest.engine_version);
  archive.Field("recipe_name", manifest.recipe_name);
  archive.Field("as_of_ms", manifest.as_of_ms);
  archive.Field("position_end", manifest.position_end);
  archive.Field("actions", manifest.actions);
  archive.Field("has_ranker", manifest.has_ranker);
  archive.Field("has_ranker_weights", manifest.has_ranker_weights);
  archive.Field("metrics", manifest.metrics);
  archive.Field("files", manifest.files);
}

bool AllFinite(const Json& json) {
  if (json.is_number_float()) return std::isfinite(json.get<double>());
  if (!json.is_structured()) return true;
  for (const Json& element : json) {
    if (!AllFinite(element)) return false;
  }
  return true;
}

std::string DigestOfJson(const Json& json) { return DigestToHex(DigestOf(json.dump())); }

// What the version is computed from.
absl::StatusOr<Json> ContentsOf(const ServableManifest& manifest) {
  JsonWriter writer;
  VisitManifest(writer, manifest);
  Json json = writer.Take();
  json["format"] = kFormat;
  json["retrievers"] = Json::array();
  for (const RetrieverSpec& spec : manifest.retrievers) {
    JsonWriter retriever;
    VisitRetriever(retriever, spec);
    json["retrievers"].push_back(retriever.Take());
  }
  JsonWriter blend;
  VisitBlend(blend, manifest.blend);
  json["blend"] = blend.Take();
  if (!AllFinite(json)) return InvalidArgument("manifest.json: a number is not finite");
  try {
    static_cast<void>(json.dump());
  } catch (const Json::exception&) {
    return InvalidArgument("manifest.json: a string is not UTF-8");
  }
  return json;
}

absl::Status CheckFormat(const Json& json) {
  const auto format = json.find("format");
  if (format == json.end() || *format != kFormat) {
    return FailedPrecondition("manifest.json: not a servable of this engine: format is not \"",
                              kFormat, "\"");
  }
  const auto version = json.find("format_version");
  if (version == json.end() || !version->is_number_integer()) {
    return DataLoss("manifest.json: no format_version");
  }
  if (*version != kServableFormatVersion) {
    return FailedPrecondition("manifest.json: format version ", version->dump(),
                              "; this engine reads ", kServableFormatVersion);
  }
  return absl::OkStatus();
}

absl::StatusOr<ServableManifest> ReadFields(const Json& json) {
  ServableManifest manifest;
  JsonReader reader(json, "manifest.json");
  VisitManifest(reader, manifest);
  reader.Field("version", manifest.version);
  reader.Field("created_at_ms", manifest.created_at_ms);
  reader.Field("known_at_ms", manifest.known_at_ms);
  if (const Json* retrievers = reader.Find("retrievers")) {
    if (!retrievers->is_array()) return DataLoss("manifest.json.retrievers: not a list");
    for (const Json& element : *retrievers) {
      JsonReader retriever(element,
                           StrCat("manifest.json.retrievers[", manifest.retrievers.size(), "]"));
      VisitRetriever(retriever, manifest.retrievers.emplace_back());
      FOURFOLD_RETURN_IF_ERROR(retriever.status());
    }
  }
  if (const Json* element = reader.Find("blend")) {
    JsonReader blend(*element, "manifest.json.blend");
    VisitBlend(blend, manifest.blend);
    FOURFOLD_RETURN_IF_ERROR(blend.status());
  }
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  return manifest;
}

}  // namespace

absl::StatusOr<std::string> VersionOf(const ServableManifest& manifest) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json contents, ContentsOf(manifest));
  return DigestOfJson(contents);
}

absl::StatusOr<std::string> ManifestToJson(const ServableManifest& manifest) {
  FOURFOLD_ASSIGN_OR_RETURN(Json json, ContentsOf(manifest));
  json["version"] = DigestOfJson(json);
  // The version does not cover these two, which follow the clock; the checksum covers everything.
  json["created_at_ms"] = manifest.created_at_ms;
  json["known_at_ms"] = manifest.known_at_ms;
  json["checksum"] = DigestOfJson(json);
  return json.dump(2) + "\n";
}

absl::StatusOr<ServableManifest> ManifestFromJson(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return DataLoss("manifest.json: not a JSON object: cut off or corrupted");
  FOURFOLD_RETURN_IF_ERROR(CheckFormat(json));
  FOURFOLD_ASSIGN_OR_RETURN(ServableManifest manifest, ReadFields(json));
  const auto expected = ManifestToJson(manifest);
  if (!expected.ok() || *expected != text) {
    return DataLoss("manifest.json: its version or checksum does not fit what it says");
  }
  return manifest;
}

}  // namespace fourfold
