#include "offline/evaluation/embedding_evaluation.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "math/random.h"
#include "math/vector_kernels.h"
#include "offline/retrieval/embedding/eges.h"
#include "offline/retrieval/embedding/item_graph.h"
#include "offline/retrieval/training_actions.h"

namespace fourfold {
namespace {

constexpr std::uint64_t kHidingStream = 11, kUniformStream = 12, kMatchedStream = 13;
constexpr std::uint64_t kTestRound = 0, kValidationRound = 2;  // 1 hides items
// A pair without an edge is given up for where nearly every pair has one.
constexpr int kTriesPerPair = 1000;

using Pair = std::pair<std::uint32_t, std::uint32_t>;
using PairScore = std::function<double(std::uint32_t from, std::uint32_t to)>;

struct Method {
  std::string name;
  RetrieverSpec spec;
  std::span<const SideField> fields;
};

std::vector<Method> MethodsOf(const EmbeddingExamOptions& options, bool with_bge) {
  std::vector<Method> methods;
  if (with_bge) {
    methods.push_back({"BGE", options.spec, {}});
    methods.back().spec.side_fields.clear();
  }
  if (options.fields.empty()) return methods;
  for (const bool learned : {false, true}) {
    methods.push_back({learned ? "EGES" : "GES", options.spec, options.fields});
    methods.back().spec.learned_weights = learned;
  }
  return methods;
}

absl::Status CheckShare(double share) {
  if (share > 0 && share < 1) return absl::OkStatus();
  return InvalidArgument("hidden share: ", share, " is not between 0 and 1");
}

PairScore CosineOf(const ItemEmbeddings& embeddings) {
  return [&embeddings](std::uint32_t a, std::uint32_t b) {
    const std::size_t dimension = embeddings.dimension();
    const float* const vectors = embeddings.vectors().data();
    return static_cast<double>(
        FastVectorKernels().dot(vectors + a * dimension, vectors + b * dimension, dimension));
  };
}

bool HasEdge(const ItemGraph& graph, std::uint32_t from, std::uint32_t to) {
  const auto targets = graph.TargetsOf(from);
  return std::binary_search(targets.begin(), targets.end(), to);
}

// `count` pairs without an edge, with ends as `draw` gives them.
absl::StatusOr<std::vector<Pair>> PairsWithoutEdge(const ItemGraph& graph, std::size_t count,
                                                   const std::function<Pair()>& draw) {
  std::vector<Pair> pairs;
  for (int tries = 0; pairs.size() < count; ++tries) {
    const Pair pair = draw();
    if (pair.first != pair.second && !HasEdge(graph, pair.first, pair.second)) {
      pairs.push_back(pair);
      tries = 0;
    } else if (tries > kTriesPerPair) {
      return InvalidArgument("link prediction: nearly every pair of items has an edge");
    }
  }
  return pairs;
}

struct LinkQuestions {
  ItemGraph visible;
  std::vector<Pair> hidden, uniform, matched;
};

absl::StatusOr<LinkQuestions> HideEdges(const ItemGraph& graph, double share, std::uint64_t seed,
                                        std::uint64_t round) {
  LinkQuestions questions;
  std::vector<WeightedEdge> visible;
  std::vector<std::uint32_t> ends;  // items with an edge
  std::vector<bool> has_edge(graph.items());
  Random hiding(seed, kHidingStream, round);
  const std::vector<WeightedEdge> edges = EdgesOf(graph);
  for (const WeightedEdge& edge : edges) {
    has_edge[edge.from] = has_edge[edge.to] = true;
    if (static_cast<double>(hiding.Unit()) < share) {
      questions.hidden.emplace_back(edge.from, edge.to);
    } else {
      visible.push_back(edge);
    }
  }
  if (questions.hidden.empty() || visible.empty()) {
    return InvalidArgument("link prediction: the session graph has too few edges: ", edges.size());
  }
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    if (has_edge[item]) ends.push_back(item);
  }
  questions.visible = MakeItemGraph(std::move(visible), graph.items());
  Random uniform(seed, kUniformStream, round), matched(seed, kMatchedStream, round);
  const auto any_item = [&] {
    return ends[uniform.Below(static_cast<std::uint32_t>(ends.size()))];
  };
  const auto any_edge = [&]() -> const WeightedEdge& {
    return edges[matched.Below(static_cast<std::uint32_t>(edges.size()))];
  };
  const std::size_t count = questions.hidden.size();
  FOURFOLD_ASSIGN_OR_RETURN(questions.uniform, PairsWithoutEdge(graph, count, [&] {
                              const std::uint32_t from = any_item();
                              return Pair(from, any_item());
                            }));
  FOURFOLD_ASSIGN_OR_RETURN(questions.matched, PairsWithoutEdge(graph, count, [&] {
                              const std::uint32_t from = any_edge().from;
                              return Pair(from, any_edge().to);
                            }));
  return questions;
}

std::vector<double> ScoresOf(const std::vector<Pair>& pairs, const PairScore& score) {
  std::vector<double> scores;
  scores.reserve(pairs.size());
  for (const auto& [from, to] : pairs) scores.push_back(score(from, to));
  return scores;
}

// For each positive the share of negatives below it, those level with it counting half: their mean
// is the AUC.
std::vector<double> SharesBelow(const std::vector<double>& positives,
                                std::vector<double> negatives) {
  std::sort(negatives.begin(), negatives.end());
  std::vector<double> shares;
  for (const double score : positives) {
    const auto [begin, end] = std::equal_range(negatives.begin(), negatives.end(), score);
    const auto below = static_cast<double>(begin - negatives.begin());
    const auto level = static_cast<double>(end - begin);
    shares.push_back((below + level / 2) / static_cast<double>(negatives.size()));
  }
  return shares;
}

EmbeddingExamRow JudgeLinks(std::string method, const LinkQuestions& questions,
                            const PairScore& score, const BootstrapOptions& bootstrap) {
  const std::vector<double> hidden = ScoresOf(questions.hidden, score);
  const std::vector<double> uniform = SharesBelow(hidden, ScoresOf(questions.uniform, score));
  const std::vector<double> matched = SharesBelow(hidden, ScoresOf(questions.matched, score));
  std::vector<double> values;
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    values.push_back(uniform[i]);
    values.push_back(matched[i]);
  }
  return {std::move(method), BootstrapMeans(values, 2, {}, bootstrap)};
}

// The items with an edge, but for a share; and every edge from what stays to what is hidden,
// whether or not another edge stays with it.
struct ColdQuestions {
  std::vector<bool> is_hidden;
  std::vector<std::uint32_t> hidden;
  std::vector<Pair> asked;
};

ColdQuestions HideItems(const ItemGraph& graph, double share, std::uint64_t seed) {
  ColdQuestions questions;
  std::vector<bool> has_edge(graph.items());
  const std::vector<WeightedEdge> edges = EdgesOf(graph);
  for (const WeightedEdge& edge : edges) has_edge[edge.from] = has_edge[edge.to] = true;
  questions.is_hidden.assign(graph.items(), false);
  Random hiding(seed, kHidingStream, 1);
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    if (!has_edge[item] || static_cast<double>(hiding.Unit()) >= share) continue;
    questions.is_hidden[item] = true;
    questions.hidden.push_back(item);
  }
  for (const WeightedEdge& edge : edges) {
    if (!questions.is_hidden[edge.from] && questions.is_hidden[edge.to]) {
      questions.asked.emplace_back(edge.from, edge.to);
    }
  }
  return questions;
}

TrainingActions WithoutItems(const TrainingActions& actions, const std::vector<bool>& is_hidden) {
  TrainingActions kept;
  kept.items = actions.items;
  kept.user_begin = {0};
  for (std::size_t user = 0; user < actions.users(); ++user) {
    for (std::size_t row = actions.user_begin[user]; row < actions.user_begin[user + 1]; ++row) {
      if (is_hidden[actions.item[row]]) continue;
      kept.user.push_back(actions.user[row]);
      kept.item.push_back(actions.item[row]);
      kept.event_time_ms.push_back(actions.event_time_ms[row]);
      kept.tie_group.push_back(actions.tie_group[row]);
    }
    kept.user_begin.push_back(kept.rows());
  }
  return kept;
}

// Shared values of all fields over the values of either.
PairScore OverlapOf(std::span<const SideField> fields) {
  return [fields](std::uint32_t a, std::uint32_t b) {
    double both = 0, either = 0;
    for (const SideField& field : fields) {
      const auto of_a = field.ValuesOf(a), of_b = field.ValuesOf(b);
      std::vector<std::uint32_t> shared;
      std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                            std::back_inserter(shared));
      both += static_cast<double>(shared.size());
      either += static_cast<double>(of_a.size() + of_b.size() - shared.size());
    }
    return either == 0 ? 0 : both / either;
  };
}

EmbeddingExamRow JudgeRanks(std::string method, const ColdQuestions& questions,
                            const PairScore& score, const EmbeddingExamOptions& options) {
  constexpr std::size_t kMetrics = 3, kQuestionsPerPiece = 256;
  const auto among = static_cast<double>(questions.hidden.size());
  std::vector<double> values(questions.asked.size() * kMetrics);
  ForEachPiece(questions.asked.size(), kQuestionsPerPiece, options.threads,
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t q = begin; q < end; ++q) {
                   const auto [from, to] = questions.asked[q];
                   const double right = score(from, to);
                   double above = 0, level = 0;
                   for (const std::uint32_t other : questions.hidden) {
                     const double value = score(from, other);
                     above += value > right;
                     level += value == right;
                   }
                   // The right one is among those level with it.
                   const double rank = above + (level + 1) / 2;
                   values[q * kMetrics] = 1 / rank;
                   values[q * kMetrics + 1] = rank <= 10;
                   values[q * kMetrics + 2] = rank / among;
                 }
               });
  // Questions about one hidden item are not independent.
  std::vector<std::uint32_t> number(questions.is_hidden.size()), cluster;
  std::vector<bool> met(questions.is_hidden.size());
  std::uint32_t clusters = 0;
  for (const auto& [from, to] : questions.asked) {
    if (!met[to]) number[to] = clusters++;
    met[to] = true;
    cluster.push_back(number[to]);
  }
  return {std::move(method), BootstrapMeans(values, kMetrics, cluster, options.bootstrap)};
}

}  // namespace

absl::StatusOr<EmbeddingExam> PredictLinks(const InteractionTable& table,
                                           const EmbeddingExamOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(CheckShare(options.hidden_share));
  const TrainingActions actions = SelectActions(table, options.spec.action_types);
  const ItemGraph graph = BuildSessionGraph(actions, options.spec);
  FOURFOLD_ASSIGN_OR_RETURN(LinkQuestions questions,
                            HideEdges(graph, options.hidden_share, options.seed, kTestRound));
  std::size_t edges = graph.edges();
  if (options.on_validation) {
    edges = questions.visible.edges();
    FOURFOLD_ASSIGN_OR_RETURN(questions, HideEdges(questions.visible, options.hidden_share,
                                                   options.seed, kValidationRound));
  }
  EmbeddingExam exam;
  exam.questions = questions.hidden.size();
  exam.metrics = {"AUC", "AUC degree-matched"};
  exam.description = StrCat("link prediction on the session graph",
                            options.on_validation ? " without the test's edges" : "", ": ",
                            graph.items(), " items, ", edges, " edges, of which ", exam.questions,
                            " are hidden; as many pairs without an edge");
  std::vector<double> out(graph.items()), in(graph.items());
  for (const WeightedEdge& edge : EdgesOf(questions.visible)) {
    out[edge.from] += 1;
    in[edge.to] += 1;
  }
  exam.rows.push_back(JudgeLinks(
      "degrees", questions,
      [&](std::uint32_t from, std::uint32_t to) { return out[from] * in[to]; }, options.bootstrap));
  const std::vector<Method> methods = MethodsOf(options, /*with_bge=*/true);
  for (std::size_t i = 0; i < methods.size(); ++i) {
    FOURFOLD_ASSIGN_OR_RETURN(
        const TrainedEmbeddings trained,
        TrainEges(questions.visible, methods[i].fields, methods[i].spec, options.threads));
    exam.rows.push_back(
        JudgeLinks(methods[i].name, questions, CosineOf(trained.embeddings), options.bootstrap));
    if (options.progress) {
      options.progress(static_cast<double>(i + 1) / static_cast<double>(methods.size()));
    }
  }
  return exam;
}

absl::StatusOr<EmbeddingExam> RankColdItems(const InteractionTable& table,
                                            const EmbeddingExamOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(CheckShare(options.hidden_share));
  if (options.fields.empty()) {
    return InvalidArgument("retriever \"", options.spec.name,
                           "\": without side_fields nothing is known of a cold item");
  }
  const TrainingActions actions = SelectActions(table, options.spec.action_types);
  const ColdQuestions questions =
      HideItems(BuildSessionGraph(actions, options.spec), options.hidden_share, options.seed);
  if (questions.asked.empty()) {
    return InvalidArgument("cold items: no edge leads to the ", questions.hidden.size(),
                           " hidden items");
  }
  const ItemGraph graph =
      BuildSessionGraph(WithoutItems(actions, questions.is_hidden), options.spec);
  EmbeddingExam exam;
  exam.questions = questions.asked.size();
  exam.metrics = {"MRR", "Success@10", "rank/all"};
  exam.description = StrCat("cold items: ", questions.hidden.size(), " of ", table.items.size(),
                            " items hidden from training; ", exam.questions,
                            " steps from a known item to a hidden one");
  exam.rows.push_back(JudgeRanks(
      "chance", questions,
      [&](std::uint32_t from, std::uint32_t to) {
        return static_cast<double>(Random(options.seed, from, to).Unit());
      },
      options));
  exam.rows.push_back(
      JudgeRanks("attribute overlap", questions, OverlapOf(options.fields), options));
  const std::vector<Method> methods = MethodsOf(options, /*with_bge=*/false);
  for (std::size_t i = 0; i < methods.size(); ++i) {
    FOURFOLD_ASSIGN_OR_RETURN(
        const TrainedEmbeddings trained,
        TrainEges(graph, methods[i].fields, methods[i].spec, options.threads));
    exam.rows.push_back(
        JudgeRanks(methods[i].name, questions, CosineOf(trained.embeddings), options));
    if (options.progress) {
      options.progress(static_cast<double>(i + 1) / static_cast<double>(methods.size()));
    }
  }
  return exam;
}

}  // namespace fourfold
