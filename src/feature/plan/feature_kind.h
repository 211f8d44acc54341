#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/learned_items.h"
#include "feature/plan/parameter_reader.h"
#include "feature/state/entity_state.h"
#include "feature/state/state_schema.h"

namespace fourfold {

// What features read from, for one request. Made by FeatureReader.
class FeatureContext {
 public:
  virtual ~FeatureContext() = default;

  const FeatureRequest& request() const { return *request_; }
  std::int64_t now_ms() const { return read_.now_ms; }
  std::size_t candidates() const { return request_->candidates.size(); }

  // What is seen of the timeline of a family (PlanBuilder::AddTimeline) for a candidate. Candidate
  // 0 stands for all where the family does not depend on it.
  const TimelineAt& TimelineOf(std::size_t family, std::size_t candidate) const {
    const std::vector<TimelineAt>& timelines = timelines_[family];
    return timelines[timelines.size() == 1 ? 0 : candidate];
  }
  // Null where there is no value at the read point.
  virtual const FieldValue* ItemField(std::size_t candidate, std::string_view field) const = 0;
  virtual const FieldValue* UserField(std::string_view field) const = 0;
  // Of any item, until the context is asked for another.
  virtual const FieldValue* FieldOfItem(TextIndex item, std::string_view field) const = 0;
  virtual std::string_view TextOf(TextIndex text) const = 0;
  // For features that read what was learned, and for them alone.
  const LearnedItems& learned() const { return *request_->learned; }
  std::uint32_t LearnedNumber(std::size_t candidate) const { return learned_numbers_[candidate]; }
  // A column that was computed before.
  std::span<const float> Column(std::size_t feature) const { return table_->columns[feature]; }

 protected:
  const FeatureRequest* request_ = nullptr;
  StateRead read_;
  std::vector<std::vector<TimelineAt>> timelines_;  // by family; 1 or one a candidate
  std::vector<std::uint32_t> learned_numbers_;      // by candidate; empty where no feature asks
  FeatureTable* table_ = nullptr;
};

// What of the state a feature's values come of.
struct FeatureOrigin {
  enum class Of : std::uint8_t { kNothing, kTimeline, kItemFacts, kUserFacts } of = Of::kNothing;
  std::size_t family = 0;  // kTimeline
  // kTimeline: how far back from now it looks, the last moment excluded. By default for ever.
  std::int64_t reach_ms = kUnboundedReach;
  static constexpr std::int64_t kUnboundedReach = std::numeric_limits<std::int64_t>::max();
};

struct NamedFeature;

// One compiled feature. Immutable.
class FeatureKind {
 public:
  virtual ~FeatureKind() = default;
  // Where an operator looks when the values go stale or missing.
  virtual FeatureOrigin origin() const { return {}; }
  // The value where there is no event to compute it of, if that is a number.
  virtual std::optional<float> default_value() const { return std::nullopt; }
  // What it reads of the request's LearnedItems.
  virtual std::optional<LearnedRead> learned() const { return std::nullopt; }
  // Whether it differs between the candidates of one request.
  virtual bool per_candidate() const = 0;
  // A value for each candidate, or one for all.
  virtual void Compute(const FeatureContext& context, std::span<float> out) const = 0;
  // Whether its values are codes (FillFieldCodes), which a ranker embeds, and no numbers.
  virtual bool is_code() const { return false; }
  // Sequences have no column but this.
  virtual bool is_sequence() const { return false; }
  virtual void ComputeSequence(const FeatureContext&, FeatureSequence*) const {}
  // Of a sequence: how many of its fields, the last ones, are codes of the items that were acted on
  // (FillFieldCodes); and the column with the same code of the candidates, by a name of its own.
  virtual std::size_t item_codes() const { return 0; }
  virtual NamedFeature ItemCode(std::size_t code) const;
};

struct NamedFeature {
  std::string name;
  std::unique_ptr<FeatureKind> kind;
};

inline NamedFeature FeatureKind::ItemCode(std::size_t) const { return {}; }

// Gathers what the features of a plan need to be kept.
class PlanBuilder {
 public:
  // What others need to be kept stands in `onto`; this only adds to it.
  explicit PlanBuilder(StateSchema onto = {}) : schema(std::move(onto)) {
    use.families.resize(schema.families.size());
  }
  // The timelines that a feature reads: of the entity as a whole, split by item (the candidate's is
  // read) or by a text field of the action (that of the request's field of the same name is read).
  std::size_t AddTimeline(StateEntity entity, TimelineFamily::Split split,
                          std::string_view field = "");
  std::size_t AddAggregate(std::size_t family, const Aggregate& aggregate);
  int AddActionField(std::string_view name, bool is_text);
  void AddItemField(std::string_view name);
  void AddUserField(std::string_view name);
  // Bits of the action types; all of them when empty. False when there are too many types.
  bool AddTypes(const std::vector<std::string>& types, std::uint64_t* mask);
  // The index of an earlier numeric feature; false when there is none of that name.
  bool FindFeature(std::string_view name, std::size_t* feature, bool* per_candidate) const;

  StateSchema schema;
  StateUse use;
  struct Declared {
    std::string name;  // empty for codes, which no other feature can compare
    bool per_candidate = false;
  };
  std::vector<Declared> numeric;  // features so far that have a column
};

// Makes a feature of its parameters; what is wrong with them is noted in `parameters`, and then the
// result is not used.
using FeatureFactory = std::unique_ptr<FeatureKind> (*)(ParameterReader* parameters,
                                                        PlanBuilder* plan);

}  // namespace fourfold
