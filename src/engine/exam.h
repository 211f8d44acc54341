#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/learning.h"
#include "offline/evaluation/evaluation_protocol.h"

// What it takes to judge rankers on a part of the log that they were not fitted on.
namespace fourfold {

enum class ExamPart : std::uint8_t { kValidation, kTest };

// The questions of one part of the log, and what is fitted to answer them.
struct Exam {
  EvaluationSplit split;
  std::shared_ptr<const Servable> servable;
  std::uint64_t fit_actions = 0;
  std::size_t below_horizon = 0;  // questions left out: their histories are not retained
};

// A split in time with its cuts set, those that the recipe leaves out by the table's actions.
// InvalidArgument when there are none.
absl::StatusOr<EvaluationRecipe> WithCuts(const EvaluationRecipe& evaluation,
                                          const InteractionTable& table);

// `evaluation` has its cuts. Fits the recipe's retrievers, or where given some of them. OutOfRange
// where the window of one reaches back to before what counts.
absl::StatusOr<Exam> PrepareExam(const Learning& learning, const EvaluationRecipe& evaluation,
                                 const InteractionTable& table, ExamPart part,
                                 const std::vector<RetrieverSpec>* retrievers = nullptr);

// Whether the log's known times are those of its import, so that nothing was known in time.
bool IsKnownAtImport(const Recipe& recipe);

// The same learning, as things stood and were known at a moment of the past.
Learning KnownBy(const Learning& learning, std::int64_t as_of_ms);

// Answers questions through Recommender::RecommendAsOf, the recipe's pipeline without its seen
// rules: what a question excludes stands in the question. Thread-safe. The learning, its table and
// the servable outlive it.
class Examinee {
 public:
  static absl::StatusOr<Examinee> Make(const Learning& learning, const InteractionTable& table,
                                       const std::shared_ptr<const Servable>& servable,
                                       std::shared_ptr<const LiveRanker> ranker = nullptr);

  using Slate = std::vector<Recommender::ScoredItem>;
  // `retriever` empty: the blend, or with `ranked` what the ranker makes of it. The answer is valid
  // until the next call of this thread.
  absl::StatusOr<const Slate*> Ask(const EvaluationQuery& query, const std::string& retriever,
                                   const BlendSpec* blend, int limit, bool ranked = false) const;
  // These items in the order of the ranker; those that it does not rank are left out.
  absl::StatusOr<const Slate*> Order(const std::vector<std::string>& items, const std::string& user,
                                     const std::string& session, const ReadPoint& at,
                                     const std::string& retriever, const BlendSpec* blend) const;

  // kItemOutsideTable where the table does not know it.
  std::uint32_t NumberOf(const std::string& item) const;

 private:
  explicit Examinee(const InteractionTable& table) : table_(&table) {}
  absl::StatusOr<const Slate*> Answer(Recommender::AsOfRequest* request,
                                      const std::string& retriever, const BlendSpec* blend) const;

  const InteractionTable* table_;
  std::unique_ptr<Recommender> recommender_;
  std::shared_ptr<const BoundSurfaces> bound_;
};

}  // namespace fourfold
