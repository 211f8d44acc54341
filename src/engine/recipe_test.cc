#include "engine/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"

namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kDayMs = 86'400'000;

std::string ProblemsOf(std::string_view text, const Environment& overrides = {}) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(text, "r.yaml", overrides);
  if (recipe.ok()) return "";
  EXPECT_EQ(recipe.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(MessageOf(recipe.status()));
}

constexpr std::string_view kSmall = R"(name: small
retrievers:
  - {name: popular, kind: popular, window: 30d}
  - name: cf
    kind: item_cf
    shrink: 2.5
)";

TEST(RecipeTest, ReadsWhatIsSaidAndKeepsDefaultsOfTheRest) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(kSmall, "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->text, kSmall);
  EXPECT_EQ(recipe->name, "small");
  ASSERT_EQ(recipe->retrievers.size(), 2u);
  EXPECT_EQ(recipe->retrievers[0].kind, RetrieverSpec::Kind::kPopular);
  EXPECT_EQ(recipe->retrievers[0].window_ms, 30 * kDayMs);
  EXPECT_EQ(recipe->retrievers[1].shrink, 2.5);
  EXPECT_EQ(recipe->retrievers[1].neighbours, RetrieverSpec().neighbours);
  EXPECT_EQ(recipe->blend.weights, (std::map<std::string, double>{{"cf", 1}, {"popular", 1}}));
  EXPECT_TRUE(recipe->log_slates);
}

TEST(RecipeTest, ReadsTheSettingsOfEmbeddings) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(R"(name: shop
retrievers:
  - name: eges
    kind: eges
    side_fields: [brand, genres]
    side_weights: equal
    session_window: 0
    session_gap: 30m
    dimension: 128
    walks_per_item: 5
    history_decay: 0.5
  - {name: near, kind: eges, search: mean, graph_links: 24, least_recall: 0.95}
)",
                                                    "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  const RetrieverSpec& spec = recipe->retrievers[0];
  EXPECT_EQ(spec.kind, RetrieverSpec::Kind::kEges);
  EXPECT_THAT(spec.side_fields, ElementsAre("brand", "genres"));
  EXPECT_FALSE(spec.learned_weights);
  EXPECT_EQ(spec.session_window_ms, 0);
  EXPECT_EQ(spec.session_gap_ms, 30 * 60'000);
  EXPECT_EQ(spec.dimension, 128);
  EXPECT_EQ(spec.walks_per_item, 5);
  EXPECT_EQ(spec.walk_length, 10);
  EXPECT_EQ(spec.learning_rate, 0.1);
  EXPECT_EQ(spec.search, RetrieverSpec::Search::kMap);
  EXPECT_EQ(recipe->retrievers[1].search, RetrieverSpec::Search::kMean);
  EXPECT_EQ(recipe->retrievers[1].graph_links, 24);
  EXPECT_EQ(recipe->retrievers[1].least_recall, 0.95);
}

TEST(RecipeTest, ProblemsOfEmbeddings) {
  EXPECT_EQ(ProblemsOf(R"(name: shop
retrievers:
  - name: eges
    kind: eges
    side_fields: [brand, brand]
    side_weights: learnt
    dimension: 100
    shrink: 1
    search_width: 5
  - {name: cf, kind: item_cf, walk_length: 5}
  - {name: near, kind: eges, search: actions, neighbours: 0, learning_rate: 0}
)"),
            R"(r.yaml:5: retrievers[0].side_fields: names a field twice
r.yaml:6: retrievers[0].side_weights: "learnt" is not one of learned, equal; did you mean learned?
r.yaml:7: retrievers[0].dimension: must be a multiple of 8
r.yaml:8: retrievers[0].shrink: does not apply to this kind; only to item_cf and covisitation
r.yaml:9: retrievers[0].search_width: does not apply to this retriever; only to eges with search mean or actions
r.yaml:10: retrievers[1].walk_length: does not apply to this kind; only to eges
r.yaml:11: retrievers[2].learning_rate: must lie between 1e-06 and 10, not 0
r.yaml:11: retrievers[2].neighbours: must lie between 1 and 10000 with search actions, not 0)");
}

TEST(RecipeTest, EveryProblemOfAFileIsToldWithItsLine) {
  EXPECT_EQ(ProblemsOf(R"(name: [a]
catalogue:
  items: declred
  titel: description
retrievers:
  - name: popular
    kind: popular
    window: 30 days
    candidates: many
    shrink: 3
  - {name: popular, kind: repeats}
  - {kind: item_cf}
blend:
  weights: {popullar: 1, popular: 2}
policy:
  filter: price < and
  seen_impressions: 1.5
  history_actions: 0
)"),
            R"(r.yaml:1: name: must be a text, not a list
r.yaml:3: catalogue.items: "declred" is not one of declared, acted_on; did you mean declared?
r.yaml:4: catalogue.titel: unknown key; did you mean title?
r.yaml:8: retrievers[0].window: "30 days" is not a duration: a whole number and one of d, h, m, s, ms
r.yaml:9: retrievers[0].candidates: must be a number, not "many"
r.yaml:10: retrievers[0].shrink: does not apply to this kind; only to item_cf and covisitation
r.yaml:11: retrievers[1].name: another retriever is named popular already
r.yaml:12: retrievers[2].name: is required and missing
r.yaml:14: blend.weights.popullar: no retriever has this name; did you mean popular?
r.yaml:16: policy.filter: column 9: expected a name or a value
r.yaml:17: policy.seen_impressions: must be a whole number, not 1.5
r.yaml:18: policy.history_actions: must lie between 1 and 100000, not 0)");
}

TEST(RecipeTest, TextThatIsNoYamlIsToldWithLineAndColumn) {
  EXPECT_EQ(ProblemsOf("name: a\nretrievers: [\n"),
            "r.yaml:3: not YAML: column 1: end of sequence flow not found");
  EXPECT_EQ(ProblemsOf(""), "r.yaml: is empty");
  EXPECT_EQ(ProblemsOf("- a\n- b\n"), "r.yaml:1: must be a mapping of keys, not a list");
}

TEST(RecipeTest, AKeyThatStandsTwiceIsAnError) {
  EXPECT_EQ(ProblemsOf(StrCat(kSmall, "name: other\n")),
            "r.yaml:7: name: stands here twice; first at line 1");
}

TEST(RecipeTest, AQuotedNumberIsAText) {
  EXPECT_EQ(ProblemsOf("name: a\nretrievers:\n- {name: p, kind: popular, candidates: \"5\"}\n"),
            "r.yaml:3: retrievers[0].candidates: must be a number, not \"5\"");
}

TEST(RecipeTest, CutsInTimeStandInOrder) {
  EXPECT_THAT(ProblemsOf(StrCat(kSmall,
                                "evaluation: {split: time, cut: 2011-11-01, "
                                "validation_cut: 2011-12-01}\n")),
              HasSubstr("evaluation.validation_cut: must lie before cut"));
}

TEST(RecipeTest, ARetrieverCannotCountWhatIsNotTrainedOn) {
  EXPECT_EQ(ProblemsOf("name: a\ntraining: {actions: [buy]}\nretrievers:\n"
                       "- {name: p, kind: popular, actions: [buy, view]}\n"
                       "evaluation: {actions: [view]}\n"),
            "r.yaml:4: retrievers[0].actions: view is not among training.actions\n"
            "r.yaml:5: evaluation.actions: view is not among training.actions");
}

TEST(RecipeTest, AnEnvironmentVariableSetsOneKey) {
  const Environment overrides = {{"FOURFOLD_POLICY__HISTORY_ACTIONS", "50"},
                                 {"FOURFOLD_RETRIEVERS__CF__SHRINK", "7"},
                                 {"FOURFOLD_RETRIEVERS__0__CANDIDATES", "33"},
                                 {"FOURFOLD_BLEND__WEIGHTS", "{cf: 0.5}"}};
  const absl::StatusOr<Recipe> recipe = ParseRecipe(kSmall, "r.yaml", overrides);
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->policy.history_actions, 50);
  EXPECT_EQ(recipe->retrievers[1].shrink, 7);
  EXPECT_EQ(recipe->retrievers[0].candidates, 33);
  EXPECT_EQ(recipe->blend.weights, (std::map<std::string, double>{{"cf", 0.5}}));
  EXPECT_EQ(recipe->text, kSmall);
}

TEST(RecipeTest, AProblemWithAnEnvironmentVariableNamesIt) {
  EXPECT_EQ(
      ProblemsOf(kSmall, {{"FOURFOLD_POLICY__HISTROY_ACTIONS", "50"}}),
      "environment variable FOURFOLD_POLICY__HISTROY_ACTIONS: policy.histroy_actions: unknown "
      "key; did you mean history_actions?");
  EXPECT_EQ(ProblemsOf(kSmall, {{"FOURFOLD_RETRIEVERS__NOBODY__SHRINK", "1"}}),
            "environment variable FOURFOLD_RETRIEVERS__NOBODY__SHRINK: retrievers has no element "
            "nobody");
}

TEST(RecipeTest, ATimeFormatThatReadsNothingIsNamed) {
  const std::string problems = ProblemsOf(
      StrCat(kSmall, "import: {format: csv, columns: {item: sku}, time_format: unix}\n"));
  EXPECT_NE(problems.find("import.time_format: time format \"unix\" is none of unix_s, unix_ms"),
            std::string::npos)
      << problems;
}

TEST(RecipeTest, ImportMapsColumnsToEvents) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(StrCat(kSmall, R"(
import:
  - files: "*.tsv"
    format: csv
    separator: "\t"
    columns: {user: who, item: what, time: when}
    time_format: unix_s
    lag: 2h
    types:
      - {type: like, when: rating >= 4}
      - {type: rating}
    item_fields:
      - {field: genres, kind: list, list_separator: "|"}
    derived_item_fields:
      - field: kind
        rules:
          - {value: [1, 2], when: 'starts_with(what, "x")'}
          - {value: other}
  - {format: jsonl}
)"),
                                                    "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  ASSERT_EQ(recipe->imports.size(), 2u);
  const ImportRecipe& import = recipe->imports[0];
  EXPECT_EQ(import.source.separator, '\t');
  EXPECT_EQ(import.lag_ms, 2 * 3'600'000);
  EXPECT_EQ(import.source.mapping.user, "who");
  ASSERT_EQ(import.source.mapping.types.size(), 2u);
  EXPECT_EQ(import.source.mapping.types[0].when->text(), "rating >= 4");
  EXPECT_FALSE(import.source.mapping.types[1].when.has_value());
  EXPECT_EQ(import.source.mapping.item_fields[0].column, "genres");
  const auto& rules = import.source.mapping.derived_item_fields[0].rules;
  EXPECT_EQ(rules[0].value, FieldValue(std::vector<double>{1, 2}));
  EXPECT_EQ(rules[1].value, FieldValue(std::string("other")));
}

TEST(RecipeTest, ColumnsOfSlatesAreReadAndTheirMistakesTold) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(StrCat(kSmall, R"(
import:
  format: csv
  columns: {user: who, item: what, time: when, type: how}
  impressions:
    column: shown
    list_separator: "|"
    fields: [{field: price, column: prices, kind: number, list_separator: "|"}]
    slate_fields: [{field: year, column: title, kind: number, pattern: '(\d{4})'}]
)"),
                                                    "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  const ColumnMapping& mapping = recipe->imports[0].source.mapping;
  EXPECT_EQ(mapping.type, "how");
  EXPECT_EQ(mapping.impressions.column, "shown");
  EXPECT_EQ(mapping.impressions.list_separator, "|");
  EXPECT_EQ(mapping.impressions.fields[0].column, "prices");
  EXPECT_EQ(mapping.impressions.slate_fields[0].pattern, "(\\d{4})");

  EXPECT_EQ(ProblemsOf("name: a\nretrievers: [{name: p, kind: popular}]\nimport:\n  format: csv\n"
                       "  impressions:\n    list_separator: ''\n    fields:\n"
                       "      - {field: f, kind: list}\n    slate_fields:\n"
                       "      - {field: g, pattern: '[0-9]+'}\n"),
            "r.yaml:6: import.impressions.column: is required and missing\n"
            "r.yaml:6: import.impressions.list_separator: must not be empty\n"
            "r.yaml:8: import.impressions.fields[0].kind: \"list\" is not one of text, number, "
            "boolean; did you mean text?\n"
            "r.yaml:10: import.impressions.slate_fields[0].pattern: expected one group in "
            "parentheses, which is what the field holds; it has 0");
}

TEST(RecipeTest, FeaturesAreDeclaredByKind) {
  const absl::StatusOr<Recipe> recipe = ParseRecipe(StrCat(kSmall, R"(
features:
  - {name: clicks, kind: count, entity: item, types: [click], window: 7d}
  - {name: price, kind: attribute, field: price}
  - {name: cheap, kind: slate_rank, feature: price, order: ascending}
  - {name: latest, kind: sequence, entity: user, length: 50}
)"),
                                                    "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  ASSERT_NE(recipe->features, nullptr);
  ASSERT_EQ(recipe->features->columns().size(), 3);
  EXPECT_EQ(recipe->features->columns()[2].name, "cheap");
  EXPECT_EQ(recipe->features->sequences().size(), 1);
  EXPECT_EQ(recipe->features->schema().action_types, std::vector<std::string>{"click"});
  EXPECT_EQ(ParseRecipe(kSmall, "r.yaml")->features, nullptr);
}

TEST(RecipeTest, EveryProblemOfAFeatureIsToldWithItsLine) {
  EXPECT_EQ(ProblemsOf(StrCat(kSmall, R"(features:
  - {name: clicks, kind: count, windw: 7d}
  - {name: clicks, kind: count, window: soon}
  - {name: what, kind: cuont}
  - {name: context, kind: count, entity: item_context}
  - {name: rank, kind: slate_rank, feature: price}
  - {kind: attribute, field: price, categories: [a], contains: b}
  - {name: searched, kind: count, entity: query_item, context: query}
  - {name: query, kind: count, entity: query}
)")),
            "r.yaml:8: features[0].windw: unknown key; did you mean window?\n"
            "r.yaml:9: features[1].name: another feature has this name\n"
            "r.yaml:9: features[1].window: must be a duration such as 30d, 12h or 90s\n"
            "r.yaml:10: features[2].kind: must be one of affinity, age, attribute, count, covisit, "
            "distinct, input_field, input_rank, last, rate, recency, request, sequence, "
            "shown_position, similarity, slate_offset, slate_rank, slate_zscore, sum\n"
            "r.yaml:11: features[3].context: names the field of an item_context, and of nothing "
            "else\n"
            "r.yaml:12: features[4].feature: no feature \"price\" with a number stands above\n"
            "r.yaml:13: features[5].name: is required and missing\n"
            "r.yaml:13: features[5].name: must have 1 to 256 bytes\n"
            "r.yaml:13: features[5].contains: does not go with categories\n"
            "r.yaml:14: features[6].context: names the field of an item_context, and of nothing "
            "else\n"
            "r.yaml:15: features[7].entity: must be one of item, user, session, user_item, "
            "session_item, item_context, query_item, global");
}

TEST(RecipeTest, AFeatureReadsARetrieverThatIsThereAndLearnsIt) {
  constexpr std::string_view kRetrievers = R"(name: learned
retrievers:
  - {name: popular, kind: popular}
  - {name: near, kind: item_cf}
  - {name: vectors, kind: eges}
  - {name: graph, kind: eges, search: actions}
features:
)";
  EXPECT_EQ(ProblemsOf(StrCat(kRetrievers, R"(
  - {name: a, kind: covisit, retriever: naer}
  - {name: b, kind: covisit, retriever: popular}
  - {name: c, kind: covisit, retriever: graph}
  - {name: d, kind: similarity, retriever: near}
  - {name: e, kind: similarity}
  - {name: f, kind: covisit, retriever: vectors}
  - {name: g, kind: similarity, retriever: graph}
)")),
            "r.yaml:9: features[0].retriever: no retriever is named \"naer\"; did you mean near?\n"
            "r.yaml:10: features[1].retriever: \"popular\" has no item-to-item map\n"
            "r.yaml:11: features[2].retriever: \"graph\" has no item-to-item map\n"
            "r.yaml:12: features[3].retriever: \"near\" has no embeddings\n"
            "r.yaml:13: features[4].retriever: is required and missing");
  const absl::StatusOr<Recipe> recipe = ParseRecipe(StrCat(kRetrievers, R"(
  - {name: a, kind: covisit, retriever: near}
  - {name: b, kind: similarity, retriever: graph}
ranker: {labels: {click: 1}, retrieval_share: 0.2, retrieval_fits: 3}
)"),
                                                    "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_TRUE(recipe->features->reads_learned());
  EXPECT_EQ(recipe->ranker->retrieval_fits, 3);
}

TEST(RecipeTest, TooManyFeaturesAreToldWhereTheyBecomeTooMany) {
  std::string text = StrCat(kSmall, "features:\n");
  for (int i = 0; i < 501; ++i) StrAppend(&text, "  - {name: f", i, ", kind: input_rank}\n");
  EXPECT_EQ(ProblemsOf(text), "r.yaml:508: features[500].name: more than 500 features");
}

TEST(RecipeTest, ARankerNeedsFeaturesAndLabels) {
  EXPECT_EQ(ProblemsOf(StrCat(kSmall, "ranker: {labels: {click: 1}}\n")),
            "r.yaml:7: ranker: needs features, which the key `features` declares");
  EXPECT_EQ(ProblemsOf(StrCat(kSmall, R"(features:
  - {name: place, kind: input_rank}
ranker:
  objective: logistic
  rows: actions
  items_min: 2
  labels: {like: 2}
  monotone: {palce: 1}
  training_share: 0.9
  validation_share: 0.2
)")),
            "r.yaml:12: ranker.items_min: does not apply to rows actions\n"
            "r.yaml:13: ranker.labels: like must lie between 0 and 1 with objective logistic\n"
            "r.yaml:14: ranker.monotone.palce: no feature has this name; did you mean place?\n"
            "r.yaml:16: ranker.validation_share: is more than training_share leaves");
  const absl::StatusOr<Recipe> recipe = ParseRecipe(
      StrCat(kSmall,
             "features: [{name: place, kind: input_rank}]\n"
             "ranker: {labels: {click: 1}, monotone: {place: -1}, depth: 3, cutoff: 10}\n"),
      "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  ASSERT_TRUE(recipe->ranker.has_value());
  EXPECT_EQ(recipe->ranker->trees.cutoff, 10);
  EXPECT_EQ(recipe->ranker->trees.depth, 3);
  EXPECT_EQ(recipe->ranker->trees.monotone.at("place"), -1);
}

TEST(RecipeTest, ARankersCutoffIsOfNdcgAndItsRegularMomentsAreOfRetrievedRows) {
  const auto problems = [](std::string_view ranker) {
    return ProblemsOf(StrCat(kSmall, "features: [{name: place, kind: input_rank}]\nranker: {",
                             "labels: {click: 1}, ", ranker, "}\n"));
  };
  EXPECT_EQ(problems("objective: logistic, cutoff: 10"),
            "r.yaml:8: ranker.cutoff: needs objective ndcg or metric ndcg");
  EXPECT_EQ(problems("objective: pairwise, cutoff: 10"), "");
  EXPECT_EQ(problems("moments_every: 7d"),
            "r.yaml:8: ranker.moments_every: does not apply to rows rankings");
  EXPECT_EQ(problems("rows: retrieved, moments_every: 7d"),
            "r.yaml:8: ranker.moments_every: needs an attribution_window: what is acted on after a "
            "moment");
  EXPECT_EQ(problems("rows: retrieved, moments_every: 7d, attribution_window: 30d"), "");
}

TEST(RecipeTest, NothingLooksBackFartherThanHistoryIsKept) {
  EXPECT_EQ(ParseRecipe(StrCat("retain: 30d\n", kSmall), "r.yaml")->retain_ms, 30 * kDayMs);
  EXPECT_EQ(ProblemsOf(StrCat("retain: 29d\n", kSmall)),
            "r.yaml:1: retain: keeps 29d, and the window of the retriever popular looks back 30d");
  EXPECT_EQ(ProblemsOf(R"(name: r
retain: 30d
retrievers: [{name: popular, kind: popular}]
policy: {seen_actions: [{type: buy, within: 31d}], history_window: 40d}
features:
  - {name: a, kind: count, entity: item, window: 30d}
  - {name: b, kind: count, entity: item, half_life: 12h}
  - {name: c, kind: count, entity: item}
  - {name: d, kind: recency, entity: user, window: 31d}
  - {name: e, kind: age, entity: user}
  - {name: f, kind: rate, entity: item, types: [buy], of_types: [see], half_life: 1d}
  - {name: g, kind: attribute, entity: item, field: price}
  - {name: h, kind: sequence, entity: user, length: 5}
)"),
            "r.yaml:2: retain: keeps 30d, and policy.seen_actions looks back 31d\n"
            "r.yaml:2: retain: keeps 30d, and policy.history_window looks back 40d\n"
            "r.yaml:8: features[2].window: is required: `retain` keeps no more than 30d\n"
            "r.yaml:9: features[3].window: is too long: `retain` keeps no more than 30d\n"
            "r.yaml:10: features[4].kind: age looks back for ever, and `retain` keeps no more than "
            "30d\n"
            "r.yaml:11: features[5].window: is required: `retain` keeps no more than 30d\n"
            "r.yaml:13: features[7].window: is required: `retain` keeps no more than 30d");
}

TEST(RecipeTest, ARankersRowsNeedRoomBetweenTheLongestWindowAndTheEndOfHistory) {
  const auto problems = [](std::string_view window, std::string_view rows, std::string_view history,
                           std::string_view popular = "7d") {
    return ProblemsOf(StrCat("name: r\nretain: 30d\n",
                             "retrievers: [{name: popular, kind: popular, window: ", popular,
                             "}]\n", "policy: {history_window: ", history, "}\n",
                             "features: [{name: a, kind: count, entity: item, window: ", window,
                             "}]\nranker: {rows: ", rows, ", labels: {buy: 1}}\n"));
  };
  EXPECT_EQ(problems("29d", "rankings", "0"), "");
  EXPECT_THAT(problems("30d", "rankings", "0"), HasSubstr("r.yaml:2: retain: is as short as"));
  EXPECT_THAT(problems("7d", "retrieved", "0"), HasSubstr("policy.history_window"));
  EXPECT_THAT(problems("7d", "retrieved", "30d"), HasSubstr("policy.history_window"));
  EXPECT_EQ(problems("7d", "retrieved", "7d"), "");
  EXPECT_EQ(problems("7d", "rankings", "30d", "30d"), "");
  EXPECT_THAT(problems("7d", "retrieved", "7d", "30d"),
              HasSubstr("is as short as the window of the retriever popular"));
}

TEST(RecipeTest, EveryKeyStandsInTheManualWithItsTypeAndDefault) {
  std::ifstream file(FOURFOLD_SOURCE_DIR "/docs/recipe.md");
  const std::string manual{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(manual.empty());
  for (const RecipeKey& key : KnownRecipeKeys()) {
    EXPECT_THAT(manual,
                HasSubstr(StrCat("| `", key.path, "` | ", key.type, " | ", key.fallback, " |")));
  }
}

TEST(RecipeTest, EveryRecipeOfTheHouseIsSound) {
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FOURFOLD_SOURCE_DIR "/recipes")) {
    if (entry.is_directory()) continue;  // recipes/worlds are of another kind
    const absl::StatusOr<Recipe> recipe = LoadRecipe(entry.path().string());
    EXPECT_TRUE(recipe.ok()) << recipe.status();
    if (recipe.ok()) {
      EXPECT_EQ(recipe->name, entry.path().stem().string());
    }
    ++recipes;
  }
  EXPECT_GE(recipes, 4);
}

}  // namespace
}  // namespace fourfold
