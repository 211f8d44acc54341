#include "servable/servable.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "servable/files.h"
#include "servable/golden_json.h"
#include "servable/learned_items.h"
#include "servable/manifest_json.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;

constexpr char kManifestFile[] = "manifest.json";
constexpr char kRecipeFile[] = "recipe.yaml";
constexpr char kVocabularyFile[] = "vocabulary.safetensors";
constexpr char kPopularityFile[] = "popularity.safetensors";
constexpr char kGoldenFile[] = "golden.json";
constexpr char kRankerFile[] = "ranker.json";
constexpr char kRankerWeightsFile[] = "ranker.safetensors";

std::string ItemToItemFile(std::string_view retriever) {
  return StrCat("item_to_item.", retriever, ".safetensors");
}

std::string EmbeddingsFile(std::string_view retriever) {
  return StrCat("embeddings.", retriever, ".safetensors");
}

std::string VectorGraphFile(std::string_view retriever) {
  return StrCat("vector_graph.", retriever, ".safetensors");
}

// Names become parts of file and tensor names.
bool IsRetrieverName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

absl::Status CheckRetrievers(const ServableManifest& manifest) {
  std::set<std::string> names;
  for (const RetrieverSpec& spec : manifest.retrievers) {
    if (!IsRetrieverName(spec.name)) {
      return DataLoss("manifest.json: \"", spec.name, "\" cannot name a retriever");
    }
    if (!names.insert(spec.name).second) {
      return DataLoss("manifest.json: two retrievers are named \"", spec.name, "\"");
    }
  }
  for (const auto& [name, weight] : manifest.blend.weights) {
    if (!names.contains(name)) {
      return DataLoss("manifest.json: the blend names no retriever of its own: \"", name, "\"");
    }
  }
  return absl::OkStatus();
}

// Every file but the manifest that a servable with these retrievers has.
std::vector<std::string> FilesOf(const ServableManifest& manifest) {
  std::vector<std::string> files = {kRecipeFile, kVocabularyFile, kPopularityFile, kGoldenFile};
  if (manifest.has_ranker) files.emplace_back(kRankerFile);
  if (manifest.has_ranker_weights) files.emplace_back(kRankerWeightsFile);
  for (const RetrieverSpec& spec : manifest.retrievers) {
    if (HasItemToItemMap(spec)) files.push_back(ItemToItemFile(spec.name));
    if (HasEmbeddings(spec)) files.push_back(EmbeddingsFile(spec.name));
    if (HasVectorGraph(spec)) files.push_back(VectorGraphFile(spec.name));
  }
  return files;
}

absl::Status WriteVocabulary(const std::vector<std::string>& vocabulary, const std::string& path) {
  std::vector<std::int64_t> offsets = {0};
  std::string bytes;
  for (const std::string& item : vocabulary) {
    bytes += item;
    offsets.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  return WriteSafetensors(
      path, {MakeTensor<std::int64_t>("offsets", Dtype::kI64, offsets),
             MakeTensor<std::uint8_t>(
                 "bytes", Dtype::kU8,
                 {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})});
}

absl::Status ReadVocabulary(const std::string& path, std::vector<std::string>* vocabulary) {
  FOURFOLD_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView offsets_tensor, file.Find("offsets", Dtype::kI64));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView bytes_tensor, file.Find("bytes", Dtype::kU8));
  const auto offsets = offsets_tensor.As<std::int64_t>();
  const std::string_view bytes = bytes_tensor.bytes;
  if (offsets.empty() || offsets.front() != 0 ||
      offsets.back() != static_cast<std::int64_t>(bytes.size())) {
    return DataLoss("offsets do not span the bytes");
  }
  vocabulary->reserve(offsets.size() - 1);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] <= offsets[i] || offsets[i + 1] > offsets.back()) {
      return DataLoss("item ", i, " has no id");
    }
    vocabulary->emplace_back(bytes.substr(static_cast<std::size_t>(offsets[i]),
                                          static_cast<std::size_t>(offsets[i + 1] - offsets[i])));
  }
  return absl::OkStatus();
}

std::string ScoresTensor(std::string_view retriever) { return StrCat(retriever, ".scores"); }
std::string OrderTensor(std::string_view retriever) { return StrCat(retriever, ".by_score"); }

absl::Status WritePopularity(const Servable& servable, const std::string& path) {
  std::vector<TensorView> tensors = {
      MakeTensor<float>("popularity", Dtype::kF32, servable.popularity)};
  for (const auto& [name, table] : servable.popularity_tables) {
    tensors.push_back(MakeTensor<float>(ScoresTensor(name), Dtype::kF32, table.scores));
    tensors.push_back(MakeTensor<std::uint32_t>(OrderTensor(name), Dtype::kU32, table.by_score));
  }
  return WriteSafetensors(path, tensors);
}

absl::StatusOr<std::vector<float>> ReadScores(const SafetensorsFile& file, const std::string& name,
                                              std::size_t items) {
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView tensor, file.Find(name, Dtype::kF32));
  const auto scores = tensor.As<float>();
  if (scores.size() != items) return DataLoss("tensor \"", name, "\" is not one number an item");
  for (const float score : scores) {
    if (!std::isfinite(score) || score < 0) {
      return DataLoss("tensor \"", name, "\" holds a number that is no score");
    }
  }
  return std::vector<float>(scores.begin(), scores.end());
}

absl::Status ReadPopularity(const std::string& path, Servable* servable) {
  const std::size_t items = servable->vocabulary.size();
  FOURFOLD_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  FOURFOLD_ASSIGN_OR_RETURN(servable->popularity, ReadScores(file, "popularity", items));
  IndexVocabulary(servable);
  for (const RetrieverSpec& spec : servable->manifest.retrievers) {
    if (!HasPopularityTable(spec)) continue;
    FOURFOLD_ASSIGN_OR_RETURN(std::vector<float> scores,
                              ReadScores(file, ScoresTensor(spec.name), items));
    PopularityTable table = MakePopularityTable(std::move(scores), servable->tie_rank);
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView order,
                              file.Find(OrderTensor(spec.name), Dtype::kU32));
    const auto stored = order.As<std::uint32_t>();
    if (!std::equal(stored.begin(), stored.end(), table.by_score.begin(), table.by_score.end())) {
      return DataLoss("tensor \"", order.name, "\" is not the order of the scores");
    }
    servable->popularity_tables.emplace(spec.name, std::move(table));
  }
  return absl::OkStatus();
}

absl::Status ReadItemToItem(const std::string& directory, Servable* servable) {
  for (const RetrieverSpec& spec : servable->manifest.retrievers) {
    if (!HasItemToItemMap(spec)) continue;
    const std::string path = fs::path(directory) / ItemToItemFile(spec.name);
    FOURFOLD_ASSIGN_OR_RETURN(ItemToItemMap map, ItemToItemMap::Open(path));
    if (map.items() != servable->vocabulary.size()) {
      return DataLoss(path, ": not one row an item of the vocabulary");
    }
    servable->item_to_item.emplace(spec.name, std::move(map));
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const ItemEmbeddings& embeddings, const RetrieverSpec& spec) {
  std::vector<std::string> fields;
  for (std::size_t i = 0; i < embeddings.fields(); ++i) fields.push_back(embeddings.FieldName(i));
  if (fields == spec.side_fields) return absl::OkStatus();
  return DataLoss("its fields are not those of the retriever");
}

absl::Status ReadEmbeddings(const std::string& directory, Servable* servable) {
  for (const RetrieverSpec& spec : servable->manifest.retrievers) {
    if (!HasEmbeddings(spec)) continue;
    const std::string path = fs::path(directory) / EmbeddingsFile(spec.name);
    FOURFOLD_ASSIGN_OR_RETURN(ItemEmbeddings embeddings, ItemEmbeddings::Open(path));
    if (embeddings.items() != servable->vocabulary.size()) {
      return DataLoss(path, ": not one row an item of the vocabulary");
    }
    FOURFOLD_RETURN_IF_ERROR(Annotate(CheckFields(embeddings, spec), path));
    servable->embeddings.emplace(spec.name, std::move(embeddings));
  }
  return absl::OkStatus();
}

absl::Status ReadVectorGraphs(const std::string& directory, Servable* servable) {
  for (const RetrieverSpec& spec : servable->manifest.retrievers) {
    if (!HasVectorGraph(spec)) continue;
    const std::string path = fs::path(directory) / VectorGraphFile(spec.name);
    const ItemEmbeddings& embeddings = servable->embeddings.at(spec.name);
    FOURFOLD_ASSIGN_OR_RETURN(
        VectorGraph graph, VectorGraph::Open(path, embeddings.vectors(), embeddings.dimension()));
    servable->vector_graphs.emplace(spec.name, std::move(graph));
  }
  return absl::OkStatus();
}

absl::Status VerifyDigests(const ServableManifest& manifest, const std::string& directory) {
  const std::vector<std::string> expected = FilesOf(manifest);
  std::set<std::string> named;
  for (const auto& [name, digest] : manifest.files) named.insert(name);
  if (named != std::set<std::string>(expected.begin(), expected.end())) {
    return DataLoss("manifest.json: its files are not those of its retrievers");
  }
  for (const auto& [name, digest] : manifest.files) {
    const auto actual = DigestFile(fs::path(directory) / name);
    if (!actual.ok()) return DataLoss(name, ": ", MessageOf(actual.status()));
    if (DigestToHex(*actual) != digest) {
      return DataLoss(name, ": its contents do not have the digest of the manifest");
    }
  }
  return absl::OkStatus();
}

// Messages that name a file by its place are good as they are; the others get its name in front.
absl::Status NameFile(const absl::Status& status, std::string_view name) {
  if (status.ok() || MessageOf(status).find(name) != std::string_view::npos) return status;
  return Annotate(status, name);
}

absl::StatusOr<std::shared_ptr<const Servable>> LoadFiles(ServableManifest manifest,
                                                          const std::string& directory) {
  FOURFOLD_RETURN_IF_ERROR(CheckRetrievers(manifest));
  FOURFOLD_RETURN_IF_ERROR(VerifyDigests(manifest, directory));
  auto servable = std::make_shared<Servable>();
  servable->manifest = std::move(manifest);
  const fs::path place(directory);
  FOURFOLD_ASSIGN_OR_RETURN(servable->recipe_yaml, ReadFile(place / kRecipeFile));
  FOURFOLD_RETURN_IF_ERROR(
      NameFile(ReadVocabulary(place / kVocabularyFile, &servable->vocabulary), kVocabularyFile));
  FOURFOLD_RETURN_IF_ERROR(
      NameFile(ReadPopularity(place / kPopularityFile, servable.get()), kPopularityFile));
  if (servable->vocabulary_index.size() != servable->vocabulary.size()) {
    return DataLoss(kVocabularyFile, ": an item stands twice");
  }
  FOURFOLD_RETURN_IF_ERROR(ReadItemToItem(directory, servable.get()));
  FOURFOLD_RETURN_IF_ERROR(ReadEmbeddings(directory, servable.get()));
  FOURFOLD_RETURN_IF_ERROR(ReadVectorGraphs(directory, servable.get()));
  FOURFOLD_ASSIGN_OR_RETURN(const std::string golden, ReadFile(place / kGoldenFile));
  FOURFOLD_ASSIGN_OR_RETURN(servable->golden, GoldenFromJson(golden));
  if (servable->manifest.has_ranker) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::string ranker, ReadFile(place / kRankerFile));
    std::optional<SafetensorsFile> weights;
    if (servable->manifest.has_ranker_weights) {
      FOURFOLD_ASSIGN_OR_RETURN(weights, SafetensorsFile::Open(place / kRankerWeightsFile));
    }
    FOURFOLD_ASSIGN_OR_RETURN(
        servable->ranker, TrainedRankerFromJson(ranker, weights.has_value() ? &*weights : nullptr));
    if (const absl::Status status = CheckLearned(*servable->ranker->plan, *servable);
        !status.ok()) {
      return DataLoss(kRankerFile, ": ", MessageOf(status));
    }
  }
  return std::shared_ptr<const Servable>(std::move(servable));
}

// Writes every file and the manifest; returns the version.
absl::StatusOr<std::string> WriteFiles(const Servable& servable, const std::string& directory) {
  const fs::path place(directory);
  FOURFOLD_RETURN_IF_ERROR(WriteFileSynced(place / kRecipeFile, servable.recipe_yaml));
  FOURFOLD_RETURN_IF_ERROR(WriteVocabulary(servable.vocabulary, place / kVocabularyFile));
  FOURFOLD_RETURN_IF_ERROR(WritePopularity(servable, place / kPopularityFile));
  for (const auto& [name, map] : servable.item_to_item) {
    FOURFOLD_RETURN_IF_ERROR(map.Save(place / ItemToItemFile(name)));
  }
  for (const auto& [name, embeddings] : servable.embeddings) {
    FOURFOLD_RETURN_IF_ERROR(embeddings.Save(place / EmbeddingsFile(name)));
  }
  for (const auto& [name, graph] : servable.vector_graphs) {
    FOURFOLD_RETURN_IF_ERROR(graph.Save(place / VectorGraphFile(name)));
  }
  FOURFOLD_ASSIGN_OR_RETURN(const std::string golden, GoldenToJson(servable.golden));
  FOURFOLD_RETURN_IF_ERROR(WriteFileSynced(place / kGoldenFile, golden));

  ServableManifest manifest = servable.manifest;
  manifest.format_version = kServableFormatVersion;
  manifest.has_ranker = servable.ranker != nullptr;
  if (manifest.has_ranker) {
    FOURFOLD_RETURN_IF_ERROR(
        WriteFileSynced(place / kRankerFile, TrainedRankerToJson(*servable.ranker)));
  }
  manifest.has_ranker_weights = manifest.has_ranker && servable.ranker->transact != nullptr;
  if (manifest.has_ranker_weights) {
    FOURFOLD_RETURN_IF_ERROR(
        WriteTransActRanker(servable.ranker->transact->model(), place / kRankerWeightsFile));
  }
  manifest.files.clear();
  for (const std::string& name : FilesOf(manifest)) {
    FOURFOLD_RETURN_IF_ERROR(SyncPath(place / name));
    FOURFOLD_ASSIGN_OR_RETURN(const Digest digest, DigestFile(place / name));
    manifest.files[name] = DigestToHex(digest);
  }
  FOURFOLD_ASSIGN_OR_RETURN(manifest.version, VersionOf(manifest));
  FOURFOLD_ASSIGN_OR_RETURN(const std::string json, ManifestToJson(manifest));
  FOURFOLD_RETURN_IF_ERROR(WriteFileSynced(place / kManifestFile, json));
  FOURFOLD_RETURN_IF_ERROR(SyncPath(directory));
  return manifest.version;
}

// Moves a finished servable to its name. One that is there already and sound stays.
absl::Status TakeName(const fs::path& temporary, const fs::path& place) {
  std::error_code error;
  if (fs::exists(place, error)) {
    if (LoadServable(place).ok()) {
      fs::remove_all(temporary, error);
      return absl::OkStatus();
    }
    fs::remove_all(place, error);
  }
  fs::rename(temporary, place, error);
  if (error) return Internal("cannot name ", place.string(), ": ", error.message());
  return SyncPath(place.parent_path());
}

// Unlike any other in this process or in one that died.
std::string TemporaryName() {
  static std::atomic<std::uint64_t> count{0};
  return StrCat(".tmp-", getpid(), "-", count++);
}

absl::StatusOr<std::string> SaveInto(const Servable& servable, const fs::path& temporary) {
  FOURFOLD_RETURN_IF_ERROR(CheckRetrievers(servable.manifest));
  FOURFOLD_ASSIGN_OR_RETURN(std::string version, WriteFiles(servable, temporary));
  const auto loaded = LoadServable(temporary);
  if (!loaded.ok()) return Annotate(loaded.status(), "not a servable that could be loaded");
  return version;
}

}  // namespace

void IndexVocabulary(Servable* servable) {
  const std::vector<std::string>& vocabulary = servable->vocabulary;
  FOURFOLD_CHECK(servable->popularity.size() == vocabulary.size());
  servable->vocabulary_index.clear();
  servable->vocabulary_index.reserve(vocabulary.size());
  std::vector<std::uint64_t> hashes;
  hashes.reserve(vocabulary.size());
  for (const std::string& item : vocabulary) {
    servable->vocabulary_index.emplace(item, static_cast<std::uint32_t>(hashes.size()));
    hashes.push_back(StableHash(item));
  }
  std::vector<std::uint32_t> order(vocabulary.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(servable->popularity[b], hashes[a], vocabulary[a]) <
           std::tie(servable->popularity[a], hashes[b], vocabulary[b]);
  });
  servable->tie_rank.resize(order.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    servable->tie_rank[order[rank]] = static_cast<std::uint32_t>(rank);
  }
}

PopularityTable MakePopularityTable(std::vector<float> scores,
                                    const std::vector<std::uint32_t>& tie_rank) {
  FOURFOLD_CHECK(scores.size() == tie_rank.size());
  PopularityTable table;
  for (std::size_t item = 0; item < scores.size(); ++item) {
    if (scores[item] > 0) table.by_score.push_back(static_cast<std::uint32_t>(item));
  }
  std::sort(table.by_score.begin(), table.by_score.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(scores[b], tie_rank[a]) < std::tie(scores[a], tie_rank[b]);
  });
  table.scores = std::move(scores);
  return table;
}

absl::StatusOr<std::string> SaveServable(const Servable& servable, const std::string& parent) {
  const fs::path temporary = fs::path(parent) / TemporaryName();
  std::error_code error;
  fs::remove_all(temporary, error);  // of a process that died under our number
  fs::create_directories(temporary, error);
  if (error) return Internal("cannot make ", temporary.string(), ": ", error.message());
  auto version = SaveInto(servable, temporary);
  absl::Status status = version.status();
  if (status.ok()) status = TakeName(temporary, fs::path(parent) / *version);
  if (status.ok()) return version;
  fs::remove_all(temporary, error);
  // What load calls lost data is, before it was ever saved, a bad argument.
  if (absl::IsDataLoss(status)) return InvalidArgument(MessageOf(status));
  return status;
}

absl::StatusOr<ServableManifest> LoadManifest(const std::string& directory) {
  if (!fs::is_directory(directory)) return NotFound("no servable at ", directory);
  const auto text = ReadFile(fs::path(directory) / kManifestFile);
  if (absl::IsNotFound(text.status())) {
    return FailedPrecondition(directory, ": not a servable: no manifest.json");
  }
  if (!text.ok()) return text.status();
  auto manifest = ManifestFromJson(*text);
  if (!manifest.ok()) return Annotate(manifest.status(), directory);
  return manifest;
}

absl::StatusOr<std::shared_ptr<const Servable>> LoadServable(const std::string& directory) {
  FOURFOLD_ASSIGN_OR_RETURN(ServableManifest manifest, LoadManifest(directory));
  auto servable = LoadFiles(std::move(manifest), directory);
  if (!servable.ok()) return Annotate(servable.status(), directory);
  return servable;
}

}  // namespace fourfold
