#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"
#include "data/action.h"
#include "fourfold/event.h"
#include "index/item_embeddings.h"
#include "index/item_to_item_map.h"
#include "index/vector_graph.h"
#include "servable/trained_ranker.h"

// The bridge between the halves: what offline learned, as one immutable, verified, versioned
// directory that online opens.
namespace fourfold {

// How a retriever turns what it has into scores; the recipe's `retrievers:` section. A plain value
// that the trainer, the servable and the online retriever share.
struct RetrieverSpec {
  std::string name;  // unique in a recipe; 1 to 64 of A-Z a-z 0-9 _ -
  enum class Kind : std::uint8_t {
    kPopular,
    kItemCf,
    kCovisitation,
    kRepeats,
    kEase,
    kEges
  } kind = Kind::kPopular;
  std::vector<std::string> action_types;  // what counts; empty: every type
  int candidates = 200;                   // the most that it hands on

  // Training (kPopular): actions of the window before the read point, or decayed, or all time. A
  // kRepeats with a window or a half-life has such a table too: ties of its counts go by it.
  std::int64_t window_ms = 0;     // 0: no window
  std::int64_t half_life_ms = 0;  // 0: no decay
  bool distinct_users = true;     // count a user once an item

  // Training (kItemCf): cosine <x_i, x_j> / (|x_i||x_j| + shrink).
  double shrink = 0;                        // kCovisitation too
  std::int64_t pair_half_life_ms = 0;       // decay of a user's pair with the time between the two
  std::int64_t user_item_half_life_ms = 0;  // x_ui decays with its age at the read point
  // Training (kCovisitation): i before j within `window` steps of one history adds 1/gap to
  // C[i,j] and backward_weight/gap to C[j,i]. The score of j for an action on i is
  // C[i,j] / (n_i^history_popularity_exponent n_j^popularity_exponent + shrink), where n counts in
  // how many tie groups an item stands (an action without one is a group of its own).
  int window_steps = 50;
  double backward_weight = 0.5;
  double popularity_exponent = 0;
  double history_popularity_exponent = 0;
  bool within_tie_group = false;       // pairs of one basket (gap 1, both ways) count too
  std::int64_t time_half_life_ms = 0;  // pairs and n decay with their age at the read point
  double regularization = 300;         // kEase: the L2 penalty on its weights, above 0
  int neighbours = 200;                // kept per item

  // Training (kEges): the graph of sessions (kEges takes within_tie_group, too), walks over it, and
  // skip-gram with side information; offline/retrieval/embedding/ says how each counts.
  std::int64_t session_window_ms = 3'600'000;  // 0: none
  std::int64_t session_gap_ms = 0;             // 0: none
  std::int64_t least_dwell_ms = 0;
  int user_actions_max = 0;  // 0: no limit
  int walk_length = 10;
  int walks_per_item = 20;
  int context_steps = 5;
  int negatives = 5;
  int dimension = 64;  // a multiple of 8
  double learning_rate = 0.1;
  std::vector<std::string> side_fields;  // of items; none: BGE
  bool learned_weights = true;           // EGES; false: all the same, GES
  int seed = 1;
  int threads = 0;  // 0: as many as training has; 1: the same embeddings each time
  // How kEges finds what is near: in a map of each item's neighbours made when training; or through
  // an HNSW graph, near the weighted mean of the latest actions, or near each of them.
  enum class Search : std::uint8_t { kMap, kMean, kActions } search = Search::kMap;
  // Of the graph: links of a node; candidates when linking and when searching; and the recall@10
  // against exact search without which a graph is refused.
  int graph_links = 16;
  int build_width = 100;
  int search_width = 100;
  double least_recall = 0.9;

  // Serving (kItemCf, kCovisitation, kEase, kEges): the user's latest actions, each weighted
  // history_decay^(its place, 0 first) * 2^(-age / history_half_life).
  int history_actions = 100;
  double history_decay = 1.0;
  std::int64_t history_half_life_ms = 0;  // 0: none; also kRepeats

  friend bool operator==(const RetrieverSpec&, const RetrieverSpec&) = default;
};

// What training leaves of a retriever for serving.
bool HasPopularityTable(const RetrieverSpec& spec);
bool HasItemToItemMap(const RetrieverSpec& spec);
bool HasEmbeddings(const RetrieverSpec& spec);
bool HasVectorGraph(const RetrieverSpec& spec);
// Whether it says what goes with an item.
bool FindsSimilarItems(const RetrieverSpec& spec);

// How lists are merged into one; the recipe's `blend:` section.
struct BlendSpec {
  enum class Method : std::uint8_t {
    kReciprocalRank,    // sum of weight / (rank_constant + rank)
    kNormalisedScores,  // sum of weight * score / (that list's largest score)
  } method = Method::kNormalisedScores;
  double rank_constant = 60;
  std::map<std::string, double> weights;  // by retriever name; 0 or absent: not asked

  friend bool operator==(const BlendSpec&, const BlendSpec&) = default;
};

struct ServableManifest {
  int format_version = 1;
  std::string version;  // hex digest of the contents: the directory's name
  std::string engine_version;
  std::string recipe_name;
  std::int64_t created_at_ms = 0;  // the engine's clock
  std::int64_t as_of_ms = 0;       // read point of the training data
  std::int64_t known_at_ms = 0;
  Position position_end = 0;  // data watermark
  std::uint64_t actions = 0;  // that it was fitted on
  std::vector<RetrieverSpec> retrievers;
  BlendSpec blend;
  bool has_ranker = false;                   // ranker.json is among its files
  bool has_ranker_weights = false;           // and ranker.safetensors
  std::map<std::string, double> metrics;     // of its evaluation, e.g. "nDCG@10"
  std::map<std::string, std::string> files;  // name -> hex digest, every file but the manifest

  friend bool operator==(const ServableManifest&, const ServableManifest&) = default;
};

// Item scores of one popularity retriever (parallel to the vocabulary, finite, never below 0), and
// its order.
struct PopularityTable {
  std::vector<float> scores;
  std::vector<std::uint32_t> by_score;  // indexes with a score above 0, best first, ties by rank

  friend bool operator==(const PopularityTable&, const PopularityTable&) = default;
};

// One request with everything that its answer depends on, so that it can be asked again anywhere.
struct GoldenRequest {
  std::string name;
  std::int64_t as_of_ms = 0;
  std::vector<HistoryEntry> history;  // newest first
  int limit = 20;
  std::string filter;
  struct Answer {
    std::string item;
    double score = 0;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  std::vector<Answer> answers;

  friend bool operator==(const GoldenRequest&, const GoldenRequest&) = default;
};

struct GoldenItem {
  std::string item;
  std::vector<Field> fields;

  friend bool operator==(const GoldenItem&, const GoldenItem&) = default;
};

struct GoldenSet {
  std::vector<GoldenItem> catalogue;  // the only items that exist for these requests
  std::vector<GoldenRequest> requests;

  friend bool operator==(const GoldenSet&, const GoldenSet&) = default;
};

// Immutable once loaded; thread-safe.
struct Servable {
  ServableManifest manifest;
  std::string recipe_yaml;              // verbatim, and in comments what changed it
  std::vector<std::string> vocabulary;  // item ids, each once; positions are the indexes used below
  std::vector<float> popularity;  // all-time users of each item: the tie rule and the fill order
  std::map<std::string, PopularityTable> popularity_tables;  // by name: HasPopularityTable
  std::map<std::string, ItemToItemMap> item_to_item;         // by name: HasItemToItemMap
  std::map<std::string, ItemEmbeddings> embeddings;          // by name: HasEmbeddings
  std::map<std::string, VectorGraph> vector_graphs;          // by name: HasVectorGraph
  std::shared_ptr<const TrainedRanker> ranker;               // null: none
  GoldenSet golden;

  // Computed from the above by IndexVocabulary, not stored.
  StringMap<std::uint32_t> vocabulary_index;
  // The place of each item in the order that settles every tie: higher popularity first, then
  // StableHash of the id, then the id.
  std::vector<std::uint32_t> tie_rank;
};

// Fills vocabulary_index and tie_rank from vocabulary and popularity.
void IndexVocabulary(Servable* servable);

// The table of these scores; ties by tie_rank.
PopularityTable MakePopularityTable(std::vector<float> scores,
                                    const std::vector<std::uint32_t>& tie_rank);

// Writes a servable into parent/<version>/ (via a temporary directory and a rename, durable when it
// returns) and returns the version, which it computes from the contents: a digest over the manifest
// with the digests of all files, leaving out only the version itself and created_at_ms. The same
// contents have the same name, and saving them again keeps the first. Manifest.version,
// format_version and files are filled in here. What was written is loaded once before it gets its
// name; a servable that could not be loaded is InvalidArgument.
absl::StatusOr<std::string> SaveServable(const Servable& servable, const std::string& parent);

// Verifies format version, the digest of every file and of the whole, and the bounds of every
// index. Errors name the file and the reason: NotFound (no such directory), DataLoss (corrupted,
// truncated, a missing file), FailedPrecondition (foreign, or another format version).
absl::StatusOr<std::shared_ptr<const Servable>> LoadServable(const std::string& directory);

// The manifest alone, verified in itself; errors as LoadServable.
absl::StatusOr<ServableManifest> LoadManifest(const std::string& directory);

}  // namespace fourfold
