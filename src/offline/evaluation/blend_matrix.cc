#include "offline/evaluation/blend_matrix.h"

#include <algorithm>
#include <numeric>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "base/parallel.h"
#include "offline/evaluation/ranking_metrics.h"
#include "servable/blend.h"

namespace fourfold {
namespace {

constexpr RankingMetric kNdcgAt10{MetricKind::kNdcg, 10};
constexpr std::size_t kQueriesPerPiece = 256;

bool IsRelevant(const TuningQuery& query, std::uint32_t item) {
  return std::binary_search(query.relevant.begin(), query.relevant.end(), item);
}

// Every item of the lists once, in tie order.
std::vector<std::uint32_t> Candidates(const TuningQuery& query,
                                      std::span<const std::uint32_t> tie_order) {
  std::vector<std::uint32_t> items;
  for (const RetrieverList& list : query.lists) {
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  std::sort(items.begin(), items.end(),
            [&](std::uint32_t a, std::uint32_t b) { return tie_order[a] < tie_order[b]; });
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return items;
}

// What each retriever adds to each candidate at weight 1: [candidates x retrievers].
std::vector<double> Contributions(const TuningQuery& query, const BlendSpec& method,
                                  std::span<const std::uint32_t> candidates) {
  absl::flat_hash_map<std::uint32_t, std::size_t> place;
  for (std::size_t c = 0; c < candidates.size(); ++c) place[candidates[c]] = c;
  const std::size_t retrievers = query.lists.size();
  std::vector<double> contributions(candidates.size() * retrievers);
  for (std::size_t r = 0; r < retrievers; ++r) {
    const RetrieverList& list = query.lists[r];
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      contributions[place[list.items[i]] * retrievers + r] =
          BlendContribution(method, 1, static_cast<int>(i) + 1, list.scores[i], list.scores[0]);
    }
  }
  return contributions;
}

// Whether a candidate can never stand before another one, whatever the weights: it stands later in
// tie order and no retriever gives it more.
bool NeverBefore(std::span<const double> candidate, std::span<const double> other) {
  return std::equal(candidate.begin(), candidate.end(), other.begin(), std::less_equal<>());
}

}  // namespace

BlendMatrix::BlendMatrix(const TuningQueries& queries, const BlendSpec& method,
                         std::span<const std::string> retrievers,
                         std::span<const std::uint32_t> tie_order, int threads)
    : by_name_(retrievers.size()),
      queries_(queries.with_hits.size()),
      all_queries_(queries.with_hits.size() + queries.without_hits),
      threads_(threads) {
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return retrievers[a] < retrievers[b]; });
  ForEachPiece(queries_.size(), kQueriesPerPiece, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      queries_[i] = LayOut(queries.with_hits[i], method, tie_order);
    }
  });
}

BlendMatrix::Query BlendMatrix::LayOut(const TuningQuery& query, const BlendSpec& method,
                                       std::span<const std::uint32_t> tie_order) const {
  const std::size_t retrievers = query.lists.size();
  const std::vector<std::uint32_t> candidates = Candidates(query, tie_order);
  const std::vector<double> all = Contributions(query, method, candidates);
  const auto row = [&](std::size_t c) {
    return std::span(all).subspan(c * retrievers, retrievers);
  };
  std::vector<std::size_t> relevant;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    if (IsRelevant(query, candidates[c])) relevant.push_back(c);
  }
  std::vector<std::size_t> kept;
  Query laid_out;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const bool is_relevant = std::binary_search(relevant.begin(), relevant.end(), c);
    const auto may_precede = [&](std::size_t p) { return c < p || !NeverBefore(row(c), row(p)); };
    if (!is_relevant && std::none_of(relevant.begin(), relevant.end(), may_precede)) continue;
    if (is_relevant) laid_out.relevant.push_back(static_cast<std::uint32_t>(kept.size()));
    kept.push_back(c);
  }
  laid_out.candidates = kept.size();
  laid_out.contributions.resize(retrievers * kept.size());
  for (std::size_t r = 0; r < retrievers; ++r) {
    for (std::size_t c = 0; c < kept.size(); ++c) {
      laid_out.contributions[r * kept.size() + c] = row(kept[c])[r];
    }
  }
  laid_out.relevant_count = query.relevant.size();
  return laid_out;
}

double BlendMatrix::Ndcg(const Query& query, std::span<const double> weights,
                         std::vector<double>* blended) const {
  blended->assign(query.candidates, 0);
  double* totals = blended->data();
  for (const std::size_t r : by_name_) {
    if (weights[r] == 0) continue;
    const double* added = query.contributions.data() + r * query.candidates;
    for (std::size_t c = 0; c < query.candidates; ++c) totals[c] += weights[r] * added[c];
  }
  std::vector<int> hits;
  for (const std::uint32_t p : query.relevant) {
    const double own = totals[p];
    if (own == 0) continue;
    std::ptrdiff_t before = 0;
    for (std::size_t c = 0; c < p; ++c) before += totals[c] >= own;
    for (std::size_t c = p + 1; c < query.candidates; ++c) before += totals[c] > own;
    if (before < kNdcgAt10.cutoff) hits.push_back(static_cast<int>(before) + 1);
  }
  std::sort(hits.begin(), hits.end());
  return RankingMetricValue(kNdcgAt10, hits, query.relevant_count);
}

double BlendMatrix::MeanNdcgAt10(std::span<const double> weights) const {
  FOURFOLD_CHECK(weights.size() == by_name_.size());
  std::vector<double> values(queries_.size());
  ForEachPiece(queries_.size(), kQueriesPerPiece, threads_,
               [&](std::size_t begin, std::size_t end) {
                 std::vector<double> blended;
                 for (std::size_t i = begin; i < end; ++i)
                   values[i] = Ndcg(queries_[i], weights, &blended);
               });
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(all_queries_);
}

double BlendNdcgAt10(const TuningQueries& queries, std::span<const std::string> retrievers,
                     const BlendSpec& spec, std::span<const std::uint32_t> tie_order) {
  double sum = 0;
  for (const TuningQuery& query : queries.with_hits) {
    std::map<std::uint32_t, double> blended;
    for (const auto& [name, weight] : spec.weights) {
      const auto found = std::find(retrievers.begin(), retrievers.end(), name);
      FOURFOLD_CHECK(found != retrievers.end());
      const RetrieverList& list = query.lists[static_cast<std::size_t>(found - retrievers.begin())];
      for (std::size_t i = 0; i < list.items.size(); ++i) {
        blended[list.items[i]] += BlendContribution(spec, weight, static_cast<int>(i) + 1,
                                                    list.scores[i], list.scores[0]);
      }
    }
    std::vector<std::uint32_t> ranked;
    for (const auto& [item, score] : blended) {
      if (score > 0) ranked.push_back(item);
    }
    std::sort(ranked.begin(), ranked.end(), [&](std::uint32_t a, std::uint32_t b) {
      if (blended[a] != blended[b]) return blended[a] > blended[b];
      return tie_order[a] < tie_order[b];
    });
    sum += RankingMetricValue(kNdcgAt10, HitRanks(ranked, query.relevant), query.relevant.size());
  }
  return sum / static_cast<double>(queries.with_hits.size() + queries.without_hits);
}

}  // namespace fourfold
