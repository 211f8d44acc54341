#include "engine/recipe.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/recipe_features.h"
#include "engine/recipe_ranker.h"
#include "online/policy/seen_reach.h"

namespace fourfold {
namespace {

constexpr int kCandidatesMax = 10'000;
constexpr int kHistoryMax = 100'000;

using Column = ColumnMapping::FieldColumn;

const std::vector<std::pair<std::string, Column::Kind>> kScalarKinds = {
    {"text", Column::Kind::kString},
    {"number", Column::Kind::kNumber},
    {"boolean", Column::Kind::kBoolean}};

// Columns of one value a row, or of a list of values; `parallel`: of one value an impression.
void ReadFieldColumns(RecipeSection& section, const std::string& key, bool parallel,
                      std::vector<Column>* columns) {
  section.List(key, [&](RecipeSection& element) {
    Column column;
    element.RequireKey("field");
    element.Text("field", &column.field);
    element.Text("column", &column.column);
    if (column.column.empty()) column.column = column.field;
    std::vector<std::pair<std::string, Column::Kind>> kinds = kScalarKinds;
    if (!parallel) kinds.emplace_back("list", Column::Kind::kList);
    element.Choice<Column::Kind>("kind", &column.kind, kinds);
    element.Text("list_separator", &column.list_separator);
    if (column.list_separator.empty()) element.Problem("list_separator", "must not be empty");
    element.Text("pattern", &column.pattern);
    if (!column.pattern.empty()) {
      const absl::Status pattern = CheckFieldPattern(column.pattern);
      if (!pattern.ok()) element.Problem("pattern", MessageOf(pattern));
    }
    columns->push_back(std::move(column));
  });
}

void ReadColumnNames(RecipeSection& section, ColumnMapping* mapping) {
  section.Text("user", &mapping->user);
  section.Text("session", &mapping->session);
  section.Text("item", &mapping->item);
  section.Text("time", &mapping->time);
  section.Text("tie_group", &mapping->tie_group);
  section.Text("step", &mapping->step);
  section.Text("event_id", &mapping->event_id);
  section.Text("ranking", &mapping->ranking);
  section.Text("type", &mapping->type);
}

void ReadImpressions(RecipeSection& section, ColumnMapping::Impressions* impressions) {
  section.Text("column", &impressions->column);
  section.Text("list_separator", &impressions->list_separator);
  if (impressions->list_separator.empty()) section.Problem("list_separator", "must not be empty");
  ReadFieldColumns(section, "fields", true, &impressions->fields);
  ReadFieldColumns(section, "slate_fields", false, &impressions->slate_fields);
}

void ReadMapping(RecipeSection& section, ColumnMapping* mapping) {
  section.Mapping("columns", [&](RecipeSection& columns) { ReadColumnNames(columns, mapping); });
  section.Text("time_format", &mapping->time_format);
  if (const auto format = TimeFormat::Make(mapping->time_format); !format.ok()) {
    section.Problem("time_format", MessageOf(format.status()));
  }
  section.Flag("item_upper_case", &mapping->item_upper_case);
  section.TextList("missing_values", &mapping->missing_values);
  section.List("types", [&](RecipeSection& element) {
    ColumnMapping::TypeRule rule;
    element.RequireKey("type");
    element.Text("type", &rule.type);
    element.Condition("when", &rule.when);
    mapping->types.push_back(std::move(rule));
  });
  ReadFieldColumns(section, "interaction_fields", false, &mapping->interaction_fields);
  ReadFieldColumns(section, "item_fields", false, &mapping->item_fields);
  section.Condition("item_fields_when", &mapping->item_fields_when);
  ReadFieldColumns(section, "user_fields", false, &mapping->user_fields);
  section.List("derived_item_fields", [&](RecipeSection& element) {
    ColumnMapping::DerivedField derived;
    element.RequireKey("field");
    element.Text("field", &derived.field);
    element.List("rules", [&](RecipeSection& inner) {
      ColumnMapping::DerivedField::Rule rule;
      inner.RequireKey("value");
      inner.Value("value", &rule.value);
      inner.Condition("when", &rule.when);
      derived.rules.push_back(std::move(rule));
    });
    mapping->derived_item_fields.push_back(std::move(derived));
  });
  section.Mapping("impressions", [&](RecipeSection& impressions) {
    if (section.Has("impressions")) impressions.RequireKey("column");
    ReadImpressions(impressions, &mapping->impressions);
  });
}

void ReadImport(RecipeSection& section, ImportRecipe* import) {
  using Format = SourceOptions::Format;
  section.Text("files", &import->files);
  section.Choice<Format>("format", &import->source.format,
                         {{"jsonl", Format::kJsonl},
                          {"csv", Format::kCsv},
                          {"recbole", Format::kRecBole},
                          {"sequences", Format::kSequences}});
  section.RequireKey("format");
  section.Choice<Knowledge>(
      "knowledge", &import->knowledge,
      {{"event_time", Knowledge::kEventTime}, {"ingest", Knowledge::kIngest}});
  section.AppliesIf(import->knowledge == Knowledge::kEventTime, "knowledge ingest");
  section.Duration("lag", &import->lag_ms);

  const Format format = import->source.format;
  section.AppliesIf(format == Format::kCsv, "formats other than csv");
  std::string separator(1, import->source.separator);
  section.Text("separator", &separator);
  if (separator.size() == 1) {
    import->source.separator = separator[0];
  } else {
    section.Problem("separator", "must be one character");
  }
  section.Flag("header", &import->source.header);
  section.AppliesIf(format == Format::kSequences, "formats other than sequences");
  section.Text("sequence_type", &import->source.sequence_type);
  section.AppliesIf(format == Format::kCsv || format == Format::kRecBole,
                    "formats other than csv and recbole");
  ReadMapping(section, &import->source.mapping);
}

// From sessions to embeddings.
void ReadEmbeddingSettings(RecipeSection& section, RetrieverSpec* spec) {
  section.Duration("session_window", &spec->session_window_ms);
  section.Duration("session_gap", &spec->session_gap_ms);
  section.Duration("least_dwell", &spec->least_dwell_ms);
  section.Integer("user_actions_max", &spec->user_actions_max, 0, 1'000'000'000);
  section.Integer("walk_length", &spec->walk_length, 2, 1'000);
  section.Integer("walks_per_item", &spec->walks_per_item, 1, 100'000);
  section.Integer("context_steps", &spec->context_steps, 1, 1'000);
  section.Integer("negatives", &spec->negatives, 1, 1'000);
  section.Integer("dimension", &spec->dimension, 8, 1'024);
  if (spec->dimension % 8 != 0) section.Problem("dimension", "must be a multiple of 8");
  section.Number("learning_rate", &spec->learning_rate, 1e-6, 10);
  section.TextList("side_fields", &spec->side_fields);
  if (std::set<std::string>(spec->side_fields.begin(), spec->side_fields.end()).size() !=
      spec->side_fields.size()) {
    section.Problem("side_fields", "names a field twice");
  }
  section.Choice<bool>("side_weights", &spec->learned_weights,
                       {{"learned", true}, {"equal", false}});
  section.Integer("seed", &spec->seed, 0, 1'000'000'000);
  section.Integer("threads", &spec->threads, 0, 1'024);
  using Search = RetrieverSpec::Search;
  section.Choice<Search>(
      "search", &spec->search,
      {{"map", Search::kMap}, {"mean", Search::kMean}, {"actions", Search::kActions}});
  section.AppliesIf(HasVectorGraph(*spec),
                    "this retriever; only to eges with search mean or actions");
  section.Integer("graph_links", &spec->graph_links, 2, 64);
  section.Integer("build_width", &spec->build_width, 1, 10'000);
  section.Integer("search_width", &spec->search_width, 1, 10'000);
  section.Number("least_recall", &spec->least_recall, 0, 1);
}

// Settings that only some kinds of retriever have.
void ReadRetrieverSettings(RecipeSection& section, RetrieverSpec* spec) {
  using Kind = RetrieverSpec::Kind;
  const bool maps = HasItemToItemMap(*spec);
  section.AppliesIf(spec->kind == Kind::kPopular || spec->kind == Kind::kRepeats,
                    "this kind; only to popular and repeats");
  section.Duration("window", &spec->window_ms);
  section.Duration("half_life", &spec->half_life_ms);
  section.Flag("distinct_users", &spec->distinct_users);
  section.AppliesIf(spec->kind == Kind::kItemCf || spec->kind == Kind::kCovisitation,
                    "this kind; only to item_cf and covisitation");
  section.Number("shrink", &spec->shrink, 0, 1e9);
  section.AppliesIf(spec->kind == Kind::kItemCf, "this kind; only to item_cf");
  section.Duration("pair_half_life", &spec->pair_half_life_ms);
  section.Duration("user_item_half_life", &spec->user_item_half_life_ms);
  section.AppliesIf(spec->kind == Kind::kCovisitation, "this kind; only to covisitation");
  section.Integer("window_steps", &spec->window_steps, 0, 10'000);
  section.Number("backward_weight", &spec->backward_weight, 0, 1e6);
  section.Number("popularity_exponent", &spec->popularity_exponent, 0, 10);
  section.Number("history_popularity_exponent", &spec->history_popularity_exponent, 0, 10);
  section.Duration("time_half_life", &spec->time_half_life_ms);
  section.AppliesIf(spec->kind == Kind::kCovisitation || spec->kind == Kind::kEges,
                    "this kind; only to covisitation and eges");
  section.Flag("within_tie_group", &spec->within_tie_group);
  section.AppliesIf(spec->kind == Kind::kEase, "this kind; only to ease");
  section.Number("regularization", &spec->regularization, 1e-3, 1e9);
  section.AppliesIf(spec->kind == Kind::kEges, "this kind; only to eges");
  ReadEmbeddingSettings(section, spec);
  section.AppliesIf(maps, "this kind; only to item_cf, covisitation, ease and eges");
  section.Integer("neighbours", &spec->neighbours, 0, 100'000);
  constexpr int kSearchedMax = 10'000;
  if (spec->search == RetrieverSpec::Search::kActions &&
      (spec->neighbours < 1 || spec->neighbours > kSearchedMax)) {
    section.Problem("neighbours", StrCat("must lie between 1 and ", kSearchedMax,
                                         " with search actions, not ", spec->neighbours));
  }
  section.Number("history_decay", &spec->history_decay, 0, 1);
  section.AppliesIf(maps || spec->kind == Kind::kRepeats,
                    "this kind; only to item_cf, covisitation, ease, eges and repeats");
  section.Integer("history_actions", &spec->history_actions, 1, kHistoryMax);
  section.Duration("history_half_life", &spec->history_half_life_ms);
}

// It names files of the servable, too.
bool IsRetrieverName(std::string_view name) {
  return name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
         });
}

// Actions that are not trained on teach nobody anything.
void CheckTrained(RecipeSection& section, const std::vector<std::string>& actions,
                  const TrainingRecipe& training) {
  const std::vector<std::string>& trained = training.action_types;
  if (trained.empty()) return;
  for (const std::string& action : actions) {
    if (std::find(trained.begin(), trained.end(), action) != trained.end()) continue;
    section.Problem("actions", StrCat(action, " is not among training.actions"));
  }
}

void ReadRetrievers(RecipeSection& section, const TrainingRecipe& training,
                    std::vector<RetrieverSpec>* retrievers) {
  section.List("retrievers", [&](RecipeSection& element) {
    using Kind = RetrieverSpec::Kind;
    RetrieverSpec spec;
    element.RequireKey("name");
    element.Text("name", &spec.name);
    element.RequireKey("kind");
    element.Choice<Kind>("kind", &spec.kind,
                         {{"popular", Kind::kPopular},
                          {"item_cf", Kind::kItemCf},
                          {"covisitation", Kind::kCovisitation},
                          {"repeats", Kind::kRepeats},
                          {"ease", Kind::kEase},
                          {"eges", Kind::kEges}});
    element.TextList("actions", &spec.action_types);
    CheckTrained(element, spec.action_types, training);
    element.Integer("candidates", &spec.candidates, 1, kCandidatesMax);
    ReadRetrieverSettings(element, &spec);
    const bool named_twice =
        !spec.name.empty() &&
        std::any_of(retrievers->begin(), retrievers->end(),
                    [&](const RetrieverSpec& other) { return other.name == spec.name; });
    if (named_twice) {
      element.Problem("name", StrCat("another retriever is named ", spec.name, " already"));
    }
    if (!spec.name.empty() && !IsRetrieverName(spec.name)) {
      element.Problem("name", "must be 1 to 64 of the characters A-Z a-z 0-9 _ -");
    }
    if (spec.name == "blend" || spec.name == "fill" || spec.name == "ranker") {
      element.Problem("name", StrCat(spec.name, " has a meaning of its own; choose another name"));
    }
    retrievers->push_back(std::move(spec));
  });
}

void ReadBlend(RecipeSection& section, const std::vector<RetrieverSpec>& retrievers,
               BlendSpec* blend) {
  using Method = BlendSpec::Method;
  section.Choice<Method>("method", &blend->method,
                         {{"normalised_scores", Method::kNormalisedScores},
                          {"reciprocal_rank", Method::kReciprocalRank}});
  section.AppliesIf(blend->method == Method::kReciprocalRank, "method normalised_scores");
  section.Number("rank_constant", &blend->rank_constant, 0, 1e6);
  section.AppliesIf(true, "");
  section.Mapping("weights", [&](RecipeSection& weights) {
    if (weights.collecting()) return;
    weights.CallUnknown("no retriever has this name");
    for (const RetrieverSpec& spec : retrievers) {
      double weight = 0;
      weights.Number(spec.name, &weight, 0, 1e6);
      if (weights.Has(spec.name)) blend->weights[spec.name] = weight;
    }
  });
  if (blend->weights.empty() && !section.Has("weights")) {
    for (const RetrieverSpec& spec : retrievers) blend->weights[spec.name] = 1;
  }
}

void ReadTuning(RecipeSection& section, TuningRecipe* tuning) {
  section.Flag("enabled", &tuning->enabled);
  section.Flag("keep_method", &tuning->keep_method);
  section.NumberList("weights", &tuning->weights, 0, 1e6);
  section.Number("least_gain", &tuning->least_gain, 0, 1);
  section.Integer("queries", &tuning->queries, 1, 10'000'000);
}

void ReadPolicy(RecipeSection& section, PolicyOptions* policy) {
  section.Condition("filter", &policy->filter);
  section.List("seen_actions", [&](RecipeSection& element) {
    PolicyOptions::SeenRule rule;
    element.RequireKey("type");
    element.Text("type", &rule.action_type);
    element.Duration("within", &rule.within_ms);
    policy->seen_actions.push_back(std::move(rule));
  });
  section.Integer("seen_impressions", &policy->seen_impressions, 0, 1'000);
  section.Duration("seen_impressions_within", &policy->seen_impressions_within_ms);
  section.Integer("history_actions", &policy->history_actions, 1, kHistoryMax);
  section.Duration("history_window", &policy->history_window_ms);
  section.Integer("seen_history_actions", &policy->seen_history_actions, 1, kHistoryMax);
  section.Integer("seen_slates", &policy->seen_slates, 1, 10'000);
}

// Nothing looks farther back than history is kept, and what training reads of the past leaves room
// between the two.
void CheckRetained(RecipeSection& root, const Recipe& recipe) {
  const std::int64_t retain_ms = recipe.retain_ms;
  if (retain_ms == 0) return;
  const std::string retained = FormatDuration(retain_ms);
  const PolicyOptions& policy = recipe.policy;
  const auto check = [&](std::string_view key, std::int64_t window_ms) {
    if (window_ms <= retain_ms) return;
    root.Problem("retain", StrCat("keeps ", retained, ", and ", key, " looks back ",
                                  FormatDuration(window_ms)));
  };
  for (const RetrieverSpec& spec : recipe.retrievers) {
    check(StrCat("the window of the retriever ", spec.name), spec.window_ms);
  }
  for (const PolicyOptions::SeenRule& rule : policy.seen_actions) {
    check("policy.seen_actions", rule.within_ms);
  }
  check("policy.seen_impressions_within", policy.seen_impressions_within_ms);
  check("policy.history_window", policy.history_window_ms);
  if (!recipe.ranker.has_value()) return;
  if (recipe.features != nullptr && recipe.features->reach_ms() == retain_ms) {
    root.Problem("retain", StrCat("is as short as the longest window of a feature, ", retained,
                                  ": no row of the past is left to train the ranker on"));
  }
  if (recipe.ranker->rows.rows == RowOptions::Rows::kRetrieved &&
      (policy.history_window_ms == 0 || policy.history_window_ms == retain_ms)) {
    root.Problem("retain",
                 "with rows: retrieved needs a policy.history_window that is shorter, "
                 "or no row of the past is left to train the ranker on");
  }
  for (const RetrieverSpec& spec : recipe.retrievers) {
    if (recipe.ranker->rows.rows != RowOptions::Rows::kRetrieved || spec.window_ms != retain_ms) {
      continue;
    }
    root.Problem(
        "retain",
        StrCat("with rows: retrieved is as short as the window of the retriever ", spec.name, ", ",
               retained, ": no row of the past is left to train the ranker on"));
  }
  const std::optional<std::int64_t> seen_ms = SeenReachMs(policy);
  if (recipe.ranker->rows.rows == RowOptions::Rows::kRetrieved && seen_ms.has_value() &&
      (*seen_ms == 0 || *seen_ms == retain_ms)) {
    root.Problem("retain",
                 "with rows: retrieved needs seen rules that look back (`within`) less far, "
                 "or no row of the past is left to train the ranker on");
  }
}

void ReadEvaluation(RecipeSection& section, const TrainingRecipe& training,
                    EvaluationRecipe* evaluation) {
  using Split = EvaluationRecipe::Split;
  using Variant = EvaluationRecipe::Variant;
  using Fit = EvaluationRecipe::Fit;
  section.Choice<Split>("split", &evaluation->split,
                        {{"leave_one_out", Split::kLeaveOneOut}, {"time", Split::kTime}});
  const bool by_time = evaluation->split == Split::kTime;
  section.AppliesIf(by_time, "split leave_one_out");
  section.Time("cut", &evaluation->cut_ms);
  section.Time("validation_cut", &evaluation->validation_cut_ms);
  section.Time("end", &evaluation->end_ms);
  section.AppliesIf(!by_time, "split time");
  section.Choice<Fit>("fit", &evaluation->fit, {{"refit", Fit::kRefit}, {"strict", Fit::kStrict}});
  section.AppliesIf(true, "");
  section.Choice<Variant>("variant", &evaluation->variant,
                          {{"new", Variant::kNew}, {"all", Variant::kAll}});
  section.TextList("actions", &evaluation->action_types);
  CheckTrained(section, evaluation->action_types, training);
  section.Flag("anonymous_sessions", &evaluation->anonymous_sessions);
  section.Flag("fitted_items_only", &evaluation->fitted_items_only);
  section.Integer("near_duplicate_run", &evaluation->near_duplicate_run, 0, 100);
  const auto in_order = [](const std::optional<std::int64_t>& first,
                           const std::optional<std::int64_t>& second) {
    return !first.has_value() || !second.has_value() || *first < *second;
  };
  if (!in_order(evaluation->validation_cut_ms, evaluation->cut_ms)) {
    section.Problem("validation_cut", "must lie before cut");
  }
  if (!in_order(evaluation->cut_ms, evaluation->end_ms)) {
    section.Problem("end", "must lie after cut");
  }
}

void ReadSections(RecipeSection& root, Recipe* recipe) {
  root.RequireKey("name");
  root.Text("name", &recipe->name);
  root.Text("description", &recipe->description);
  root.Duration("retain", &recipe->retain_ms);
  root.Mapping("catalogue", [&](RecipeSection& section) {
    section.Choice<Catalogue::Membership>("items", &recipe->membership,
                                          {{"declared", Catalogue::Membership::kDeclared},
                                           {"acted_on", Catalogue::Membership::kActedOn}});
    section.Text("title", &recipe->title_field);
  });
  root.List(
      "import",
      [&](RecipeSection& section) {
        ImportRecipe import;
        ReadImport(section, &import);
        recipe->imports.push_back(std::move(import));
      },
      /*or_single=*/true);
  root.Mapping("training", [&](RecipeSection& section) {
    section.TextList("actions", &recipe->training.action_types);
    section.Flag("declared_items_only", &recipe->training.declared_items_only);
    section.Flag("anonymous_sessions", &recipe->training.anonymous_sessions);
  });
  root.RequireKey("retrievers");
  ReadRetrievers(root, recipe->training, &recipe->retrievers);
  root.Mapping("blend", [&](RecipeSection& section) {
    ReadBlend(section, recipe->retrievers, &recipe->blend);
  });
  root.Mapping("tuning", [&](RecipeSection& section) { ReadTuning(section, &recipe->tuning); });
  root.Mapping("policy", [&](RecipeSection& section) { ReadPolicy(section, &recipe->policy); });
  ReadFeatureDeclarations(root, recipe->retrievers, recipe->retain_ms, &recipe->features);
  ReadRanker(root, recipe->features.get(), recipe->retrievers, &recipe->ranker);
  root.Mapping("evaluation", [&](RecipeSection& section) {
    ReadEvaluation(section, recipe->training, &recipe->evaluation);
  });
  root.Mapping("servables", [&](RecipeSection& section) {
    section.Integer("keep", &recipe->servables.keep, 2, 1'000);
    section.Integer("golden_requests", &recipe->servables.golden_requests, 0, 1'000);
  });
  root.Mapping("server",
               [&](RecipeSection& section) { section.Flag("log_slates", &recipe->log_slates); });
  if (!root.collecting()) CheckRetained(root, *recipe);
}

}  // namespace

absl::StatusOr<Recipe> ParseRecipe(std::string_view text, std::string_view file,
                                   std::span<const Environment::value_type> overrides) {
  Recipe recipe;
  recipe.text = text;
  recipe.overrides.assign(overrides.begin(), overrides.end());
  FOURFOLD_RETURN_IF_ERROR(ReadRecipeText(
      recipe.text, file, overrides, [&](RecipeSection& root) { ReadSections(root, &recipe); }));
  return recipe;
}

absl::StatusOr<Recipe> LoadRecipe(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string text, ReadRecipeFile(path));
  const Environment environment = RecipeEnvironment();
  return ParseRecipe(text, path, environment);
}

std::vector<RecipeKey> KnownRecipeKeys() {
  Recipe recipe;
  return CollectRecipeKeys([&](RecipeSection& root) { ReadSections(root, &recipe); });
}

}  // namespace fourfold
