#include "offline/retrieval/train_retrievers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "offline/retrieval/covisitation.h"
#include "offline/retrieval/ease.h"
#include "offline/retrieval/embedding/eges.h"
#include "offline/retrieval/item_cf.h"
#include "offline/retrieval/popularity.h"
#include "offline/retrieval/training_actions.h"

namespace fourfold {
namespace {

// Every type that some retriever counts; empty: all.
std::vector<std::string> CountedTypes(const std::vector<RetrieverSpec>& retrievers) {
  std::set<std::string> types;
  for (const RetrieverSpec& spec : retrievers) {
    if (spec.action_types.empty()) return {};
    types.insert(spec.action_types.begin(), spec.action_types.end());
  }
  return {types.begin(), types.end()};
}

absl::Status CheckSpec(const RetrieverSpec& spec) {
  const auto fail = [&](std::string_view field, std::string_view what) {
    return InvalidArgument("retriever \"", spec.name, "\": ", field, " ", what);
  };
  const std::pair<std::string_view, double> not_below_0[] = {
      {"window", static_cast<double>(spec.window_ms)},
      {"half_life", static_cast<double>(spec.half_life_ms)},
      {"shrink", spec.shrink},
      {"pair_half_life", static_cast<double>(spec.pair_half_life_ms)},
      {"user_item_half_life", static_cast<double>(spec.user_item_half_life_ms)},
      {"window_steps", spec.window_steps},
      {"backward_weight", spec.backward_weight},
      {"time_half_life", static_cast<double>(spec.time_half_life_ms)},
      {"neighbours", spec.neighbours},
      {"session_window", static_cast<double>(spec.session_window_ms)},
      {"session_gap", static_cast<double>(spec.session_gap_ms)},
      {"least_dwell", static_cast<double>(spec.least_dwell_ms)},
      {"user_actions_max", spec.user_actions_max},
      {"walk_length", spec.walk_length},
      {"walks_per_item", spec.walks_per_item},
      {"context_steps", spec.context_steps},
      {"negatives", spec.negatives},
      {"learning_rate", spec.learning_rate},
      {"threads", spec.threads}};
  for (const auto& [field, value] : not_below_0) {
    if (!(value >= 0)) return fail(field, "is below 0");
  }
  if (!(spec.regularization > 0)) return fail("regularization", "is not above 0");
  if (HasEmbeddings(spec) && !(spec.learning_rate > 0))
    return fail("learning_rate", "is not above 0");
  if (HasVectorGraph(spec) && spec.search == RetrieverSpec::Search::kActions &&
      spec.neighbours < 1) {
    return fail("neighbours", "is not above 0, as search actions needs");
  }
  if (spec.dimension <= 0 || spec.dimension % 8 != 0) {
    return fail("dimension", "is not a multiple of 8 above 0");
  }
  return absl::OkStatus();
}

// In the spec's order.
absl::StatusOr<std::vector<SideField>> FieldsOf(const RetrieverSpec& spec,
                                                const std::vector<SideField>& fields) {
  std::vector<SideField> chosen;
  for (const std::string& name : spec.side_fields) {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const SideField& field) { return field.name == name; });
    if (found == fields.end()) {
      return InvalidArgument("retriever \"", spec.name, "\": no side field \"", name,
                             "\" is given");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

// The spec with as many neighbours as a map with rows for `items` items may have. 0, all, stays
// where all have room.
RetrieverSpec FitNeighbours(const RetrieverSpec& spec, std::size_t items,
                            const TrainRetrieversOptions& options) {
  if (items < 2) return spec;
  const std::size_t all = items - 1, room = options.limits.map_neighbours / items;
  const std::size_t wanted =
      spec.neighbours == 0 ? all : std::min(all, static_cast<std::size_t>(spec.neighbours));
  if (wanted <= room) return spec;
  RetrieverSpec cut = spec;
  cut.neighbours = static_cast<int>(std::max<std::size_t>(room, 1));
  if (options.note) {
    options.note(StrCat(spec.name, ": neighbours are cut to ", cut.neighbours, " for each of ",
                        items, " items: the map holds at most ", options.limits.map_neighbours));
  }
  return cut;
}

// What the map holds is what serving is told.
void PutMap(const RetrieverSpec& fitted, ItemToItemMap map, Servable* servable) {
  servable->item_to_item.emplace(fitted.name, std::move(map));
  for (RetrieverSpec& spec : servable->manifest.retrievers) {
    if (spec.name == fitted.name) spec.neighbours = fitted.neighbours;
  }
}

absl::Status TrainEmbeddings(const TrainingActions& actions, const RetrieverSpec& spec,
                             const TrainRetrieversOptions& options, Servable* servable) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<SideField> fields,
                            FieldsOf(spec, options.side_fields));
  if (!HasVectorGraph(spec) && actions.items > options.limits.compared_items) {
    return FailedPrecondition("retriever \"", spec.name,
                              "\": search map compares all items with "
                              "all, for at most ",
                              options.limits.compared_items, " of them, not ", actions.items,
                              ": take search actions or mean");
  }
  const auto progress = [&](double done) {
    if (options.progress) options.progress(spec.name, done);
  };
  FOURFOLD_ASSIGN_OR_RETURN(TrainedEmbeddings trained,
                            TrainEges(BuildSessionGraph(actions, spec), fields, spec,
                                      options.threads, progress, options.is_cancelled));
  if (options.note) options.note(StrCat(spec.name, ": ", trained.report));
  if (HasVectorGraph(spec)) {
    FOURFOLD_ASSIGN_OR_RETURN(
        CheckedGraph graph,
        BuildCheckedGraph(trained.embeddings, spec, options.threads, options.is_cancelled));
    if (options.note) options.note(StrCat(spec.name, ": ", graph.report));
    servable->vector_graphs.emplace(spec.name, std::move(graph.graph));
  } else {
    const RetrieverSpec fitted = FitNeighbours(spec, actions.items, options);
    FOURFOLD_ASSIGN_OR_RETURN(
        ItemToItemMap map, NearestByCosine(trained.embeddings, fitted.neighbours, options.threads,
                                           options.is_cancelled));
    PutMap(fitted, std::move(map), servable);
  }
  servable->embeddings.emplace(spec.name, std::move(trained.embeddings));
  return absl::OkStatus();
}

std::size_t ItemsActedOn(const TrainingActions& actions) {
  std::vector<bool> met(actions.items);
  for (const std::uint32_t item : actions.item) met[item] = true;
  return static_cast<std::size_t>(std::count(met.begin(), met.end(), true));
}

absl::Status Train(const InteractionTable& table, const RetrieverSpec& spec,
                   const TrainRetrieversOptions& options, Servable* servable) {
  const TrainingActions actions = SelectActions(table, spec.action_types);
  if (HasPopularityTable(spec)) {
    servable->popularity_tables.emplace(
        spec.name,
        MakePopularityTable(PopularityScores(actions, spec, options.as_of_ms), servable->tie_rank));
  }
  if (spec.kind == RetrieverSpec::Kind::kItemCf) {
    servable->item_to_item.emplace(spec.name,
                                   TrainItemCf(actions, spec, options.as_of_ms, options.threads));
  }
  if (spec.kind == RetrieverSpec::Kind::kCovisitation) {
    servable->item_to_item.emplace(
        spec.name, TrainCovisitation(actions, spec, options.as_of_ms, options.threads));
  }
  if (spec.kind == RetrieverSpec::Kind::kEase) {
    const std::size_t acted_on = ItemsActedOn(actions);
    const std::size_t items_max = options.limits.ease_items;
    if (acted_on > items_max && options.note) {
      options.note(StrCat(spec.name, ": of ", acted_on, " items the ", items_max,
                          " of the most users take part"));
    }
    const RetrieverSpec fitted = FitNeighbours(spec, std::min(acted_on, items_max), options);
    FOURFOLD_ASSIGN_OR_RETURN(ItemToItemMap map, TrainEase(actions, fitted, options.threads,
                                                           items_max, options.is_cancelled));
    PutMap(fitted, std::move(map), servable);
  }
  if (HasEmbeddings(spec)) return TrainEmbeddings(actions, spec, options, servable);
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> SideFieldNames(const std::vector<RetrieverSpec>& retrievers) {
  std::set<std::string> names;
  for (const RetrieverSpec& spec : retrievers) {
    names.insert(spec.side_fields.begin(), spec.side_fields.end());
  }
  return {names.begin(), names.end()};
}

absl::StatusOr<Servable> TrainRetrievers(const InteractionTable& table,
                                         const TrainRetrieversOptions& options) {
  std::set<std::string_view> names;
  for (const RetrieverSpec& spec : options.retrievers) {
    if (!names.insert(spec.name).second) {
      return InvalidArgument("two retrievers are named \"", spec.name, "\"");
    }
    if (const absl::Status status = CheckSpec(spec); !status.ok()) return status;
  }
  Servable servable;
  servable.manifest.retrievers = options.retrievers;
  servable.vocabulary = table.items;
  const TrainingActions counted = SelectActions(table, CountedTypes(options.retrievers));
  servable.popularity = PopularityScores(counted, RetrieverSpec{}, options.as_of_ms);
  IndexVocabulary(&servable);
  for (const RetrieverSpec& spec : options.retrievers) {
    if (options.is_cancelled && options.is_cancelled()) return Cancelled();
    if (options.progress) options.progress(spec.name, 0);
    FOURFOLD_RETURN_IF_ERROR(Train(table, spec, options, &servable));
    if (options.progress) options.progress(spec.name, 1);
  }
  return servable;
}

}  // namespace fourfold
