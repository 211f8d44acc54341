#include "offline/evaluation/blend_tuning.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "offline/evaluation/blend_matrix.h"

namespace fourfold {
namespace {

constexpr std::size_t kQueriesPerPiece = 64;

bool NamesRelevant(const TuningQuery& query) {
  for (const RetrieverList& list : query.lists) {
    for (const std::uint32_t item : list.items) {
      if (std::binary_search(query.relevant.begin(), query.relevant.end(), item)) return true;
    }
  }
  return false;
}

absl::Status Retrieve(const EvaluationQuery& query, std::size_t retrievers, int limit,
                      const RetrieveFunction& retrieve, TuningQuery* answered) {
  answered->lists.resize(retrievers);
  for (std::size_t r = 0; r < retrievers; ++r) {
    RetrieverList& list = answered->lists[r];
    FOURFOLD_RETURN_IF_ERROR(retrieve(query, r, limit, &list));
    if (list.items.size() != list.scores.size()) {
      return Internal("retriever ", r, ": ", list.items.size(), " items but ", list.scores.size(),
                      " scores");
    }
  }
  answered->relevant = query.relevant;
  if (!NamesRelevant(*answered)) *answered = {};
  return absl::OkStatus();
}

using Weights = std::vector<double>;  // by retriever

// One method's search for its weights.
class Search {
 public:
  Search(const TuningQueries& queries, const BlendSpec& method, const BlendTuningOptions& options)
      : matrix_(queries, method, options.retrievers, options.tie_order, options.threads),
        options_(options) {}

  struct Found {
    Weights weights;
    double value = 0;
  };

  Found Alone(std::size_t retriever) const {
    Weights weights(options_.retrievers.size(), 0);
    weights[retriever] = 1;
    return Valued(std::move(weights));
  }

  // Improves one weight after the other until none is worth changing. The weight of `anchor` stays
  // 1: a factor common to all weights changes no order.
  Found Climb(Found from, std::size_t anchor) const {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t r = 0; r < from.weights.size(); ++r) {
        if (r == anchor) continue;
        Found best = from;
        for (const double weight : options_.grid) {
          Weights weights = from.weights;
          weights[r] = weight;
          Found tried = Valued(std::move(weights));
          if (tried.value > best.value) best = std::move(tried);
        }
        if (best.value > from.value * (1 + options_.least_gain)) {
          from = std::move(best);
          changed = true;
        }
      }
    }
    return WithoutIdle(std::move(from));
  }

  Found Equal() const { return Valued(Weights(options_.retrievers.size(), 1)); }

 private:
  Found Valued(Weights weights) const {
    const double value = matrix_.MeanNdcgAt10(weights);
    return {std::move(weights), value};
  }

  // Leaves out, the least missed first, every retriever that adds less than the least gain.
  Found WithoutIdle(Found from) const {
    for (;;) {
      Found best;
      for (std::size_t r = 0; r < from.weights.size(); ++r) {
        if (from.weights[r] == 0) continue;
        Weights weights = from.weights;
        weights[r] = 0;
        Found tried = Valued(std::move(weights));
        if (tried.value > best.value) best = std::move(tried);
      }
      if (best.weights.empty() || best.value * (1 + options_.least_gain) < from.value) return from;
      from = std::move(best);
    }
  }

  BlendMatrix matrix_;
  const BlendTuningOptions& options_;
};

std::size_t Asked(const Weights& weights) {
  return weights.size() - static_cast<std::size_t>(std::count(weights.begin(), weights.end(), 0.0));
}

absl::Status CheckInput(const TuningQueries& queries, const BlendTuningOptions& options) {
  if (options.retrievers.empty()) return InvalidArgument("blend tuning without retrievers");
  if (queries.with_hits.empty()) {
    return InvalidArgument("blend tuning: no retriever finds anything relevant for any of ",
                           queries.without_hits, " validation queries");
  }
  for (const TuningQuery& query : queries.with_hits) {
    if (query.lists.size() != options.retrievers.size()) {
      return InvalidArgument("blend tuning: ", query.lists.size(), " lists for ",
                             options.retrievers.size(), " retrievers");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TuningQueries> CollectTuningQueries(std::span<const EvaluationQuery> queries,
                                                   std::size_t retrievers, int limit,
                                                   const RetrieveFunction& retrieve, int threads) {
  std::vector<TuningQuery> answered(queries.size());
  Mutex mutex;
  absl::Status error;
  ForEachPiece(queries.size(), kQueriesPerPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      absl::Status status = Retrieve(queries[i], retrievers, limit, retrieve, &answered[i]);
      if (status.ok()) continue;
      MutexLock lock(&mutex);
      error.Update(status);
      return;
    }
  });
  if (!error.ok()) return error;
  TuningQueries collected;
  for (TuningQuery& query : answered) {
    if (query.lists.empty()) {
      ++collected.without_hits;
    } else {
      collected.with_hits.push_back(std::move(query));
    }
  }
  return collected;
}

absl::StatusOr<TunedBlend> TuneBlend(const TuningQueries& queries,
                                     const BlendTuningOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(CheckInput(queries, options));
  std::vector<BlendSpec> methods = options.candidates;
  if (methods.empty()) {
    methods.resize(2);
    methods[0].method = BlendSpec::Method::kNormalisedScores;
    methods[1].method = BlendSpec::Method::kReciprocalRank;
  }
  TunedBlend tuned;
  Weights tuned_weights;
  const auto consider = [&](const Search::Found& found, const BlendSpec& method) {
    const bool better =
        tuned_weights.empty() || found.value > tuned.ndcg_at_10 ||
        (found.value == tuned.ndcg_at_10 && Asked(found.weights) < Asked(tuned_weights));
    if (!better) return;
    tuned_weights = found.weights;
    tuned.ndcg_at_10 = found.value;
    tuned.spec = method;
  };
  for (const BlendSpec& method : methods) {
    const Search search(queries, method, options);
    std::size_t best = 0;
    Search::Found best_alone = search.Alone(0);
    for (std::size_t r = 1; r < options.retrievers.size(); ++r) {
      Search::Found alone = search.Alone(r);
      if (alone.value <= best_alone.value) continue;
      best = r;
      best_alone = std::move(alone);
    }
    // A retriever alone has the same order under every method.
    tuned.best_part = options.retrievers[best];
    tuned.best_part_ndcg_at_10 = best_alone.value;
    consider(search.Climb(std::move(best_alone), best), method);
    consider(search.Climb(search.Equal(), best), method);
  }
  tuned.spec.weights.clear();
  for (std::size_t r = 0; r < tuned_weights.size(); ++r) {
    if (tuned_weights[r] > 0) tuned.spec.weights[options.retrievers[r]] = tuned_weights[r];
  }
  return tuned;
}

}  // namespace fourfold
