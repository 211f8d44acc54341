#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "data/event_source.h"
#include "engine/recipe_file.h"
#include "engine/recipe_section.h"
#include "feature/catalogue.h"
#include "feature/plan/feature_plan.h"
#include "offline/ingest/importer.h"
#include "offline/ranking/ranker_spec.h"
#include "online/recommender.h"
#include "servable/servable.h"

// A recipe says what an engine is: where its events come from, what it learns, what it may show and
// how it is judged. One YAML file; docs/recipe.md lists every key.
namespace fourfold {

// How files of one shape become events: an element of `import:`.
struct ImportRecipe {
  std::string files;     // shell pattern on the file's name; empty: every file
  SourceOptions source;  // without a path
  Knowledge knowledge = Knowledge::kEventTime;
  std::int64_t lag_ms = 0;
};

struct TrainingRecipe {
  std::vector<std::string> action_types;  // empty: every type
  bool declared_items_only = false;
  bool anonymous_sessions = true;  // their actions teach, too
};

// The search for blend weights on validation data, for nDCG@10.
struct TuningRecipe {
  bool enabled = false;
  bool keep_method = false;  // search only the weights; else both methods of blending, too
  std::vector<double> weights = {0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3};
  double least_gain = 0.001;  // a change must gain so much, relatively
  int queries = 5000;         // at most so many validation users, picked by a fixed hash
};

struct EvaluationRecipe {
  enum class Split : std::uint8_t { kTime, kLeaveOneOut } split = Split::kTime;
  // kTime: fit before, test from here on. None: where the last tenth of the actions begins.
  std::optional<std::int64_t> cut_ms;
  // kTime: tuning fits before, validates up to cut. None: where the last ninth before cut begins.
  std::optional<std::int64_t> validation_cut_ms;
  std::optional<std::int64_t> end_ms;  // kTime: test rows before here; none: all
  enum class Variant : std::uint8_t { kNew, kAll } variant = Variant::kNew;
  enum class Fit : std::uint8_t { kStrict, kRefit } fit = Fit::kRefit;
  std::vector<std::string> action_types;  // positives; empty: as training
  bool anonymous_sessions = false;        // are queries, too
  bool fitted_items_only = false;         // items that the fit has never seen are not asked for
  // Users who share so many actions in a row with another are told apart; 0: nobody is.
  int near_duplicate_run = 0;
};

struct ServablesRecipe {
  int keep = 5;
  int golden_requests = 16;
};

struct Recipe {
  std::string text;       // the file, verbatim
  Environment overrides;  // what has changed it since
  std::string name;
  std::string description;
  std::string title_field;  // the item field that people read as its name
  Catalogue::Membership membership = Catalogue::Membership::kDeclared;
  std::vector<ImportRecipe> imports;
  TrainingRecipe training;
  std::vector<RetrieverSpec> retrievers;
  BlendSpec blend;
  TuningRecipe tuning;
  PolicyOptions policy;
  std::shared_ptr<const FeaturePlan> features;  // null: none are declared
  std::optional<RankerSpec> ranker;             // unset: the blend decides
  EvaluationRecipe evaluation;
  ServablesRecipe servables;
  bool log_slates = true;
  std::int64_t retain_ms = 0;  // how far back history is kept; 0: for ever
};

// InvalidArgument lists every problem, one a line: "file:line: key: what is wrong". `file` only
// names the text in messages. Each override sets one key before the text is checked:
// FOURFOLD_POLICY__HISTORY_ACTIONS=50; elements of lists go by their name or number:
// FOURFOLD_RETRIEVERS__REPEATS__CANDIDATES=100. Values are YAML.
absl::StatusOr<Recipe> ParseRecipe(std::string_view text, std::string_view file,
                                   std::span<const Environment::value_type> overrides = {});
// Reads the file and applies RecipeEnvironment().
absl::StatusOr<Recipe> LoadRecipe(const std::string& path);

// Every key that a recipe may hold, in the order of reading.
std::vector<RecipeKey> KnownRecipeKeys();

}  // namespace fourfold
