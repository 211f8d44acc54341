#include "engine/world_recipe.h"

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

using simulation::ActionOptions;
using simulation::VisitOptions;
using simulation::WorldOptions;

constexpr std::int64_t kYearMs = 365 * simulation::kDayMs;
// Times are counted on from here; sessions of an unlimited log may come years later.
constexpr std::int64_t kStartMsMax = 4'102'444'800'000;  // 2100

// A duration that is neither 0 nor beyond a year.
void ReadSpan(RecipeSection& section, const std::string& key, std::int64_t* value_ms) {
  section.Duration(key, value_ms);
  if (*value_ms > 0 && *value_ms <= kYearMs) return;
  section.Problem(key, "must lie between 1ms and 365d");
}

void ReadVisits(RecipeSection& section, const std::string& key, VisitOptions* visits) {
  section.Mapping(key, [&](RecipeSection& inner) {
    ReadSpan(inner, "gap", &visits->gap_ms);
    inner.Number("gap_spread", &visits->gap_spread, 0, 3);
    inner.Number("slates", &visits->slates, 1, 20);
  });
}

void ReadUsers(RecipeSection& section, simulation::UserOptions* users) {
  section.Integer("population", &users->population, 1, 10'000'000);
  section.Number("leaving", &users->leaving, 0, 1);
  section.Number("core_share", &users->core_share, 0, 1);
  ReadVisits(section, "core", &users->core);
  ReadVisits(section, "casual", &users->casual);
  ReadSpan(section, "new_for", &users->new_for_ms);
  ReadSpan(section, "returning_after", &users->returning_after_ms);
}

void ReadItems(RecipeSection& section, simulation::ItemOptions* items) {
  section.Integer("alive", &items->alive, 2 * simulation::kSlateSizeMax, 10'000'000);
  section.Number("daily_turnover", &items->daily_turnover, 0, 0.5);
  section.Number("zipf", &items->zipf, 0, 3);
  section.Number("topic_skew", &items->topic_skew, 0, 3);
  section.Number("second_topic", &items->second_topic, 0, 1);
  section.Number("quality_exposure", &items->quality_exposure, -1, 1);
}

void ReadSlates(RecipeSection& section, simulation::SlateOptions* slates) {
  section.Integer("size", &slates->size, 1, simulation::kSlateSizeMax);
  section.Number("uniform", &slates->uniform, 0.01, 1);
  section.Number("personal", &slates->personal, 0, 1);
  section.Number("position_bias", &slates->position_bias, 0, 3);
  if (slates->uniform + slates->personal > 1) {
    section.Problem("personal", "must not exceed 1 together with uniform");
  }
}

void ReadInterests(RecipeSection& section, simulation::InterestOptions* interests) {
  section.Integer("topics", &interests->topics, 1, simulation::kTopicsMax);
  section.Number("long_term_drift", &interests->long_term_drift, 0, 1);
  ReadSpan(section, "half_life", &interests->half_life_ms);
  section.Number("session_intent", &interests->session_intent, 0, 1);
  section.Number("intent_strength", &interests->intent_strength, 0, 10);
  section.Number("click_pull", &interests->click_pull, 0, 10);
  section.Number("slate_noise", &interests->slate_noise, 0, 10);
}

void ReadAction(RecipeSection& section, ActionOptions* action) {
  section.Number("base", &action->base, -20, 20);
  section.Number("long_term", &action->long_term, -20, 20);
  section.Number("short_term", &action->short_term, -20, 20);
  section.Number("quality", &action->quality, -20, 20);
  section.Number("trend", &action->trend, -20, 20);
  section.Number("fatigue", &action->fatigue, -20, 20);
  section.Number("value", &action->value, -1000, 1000);
}

void ReadDelivery(RecipeSection& section, simulation::DeliveryOptions* delivery) {
  section.Number("late", &delivery->late, 0, 1);
  ReadSpan(section, "late_by", &delivery->late_by_ms);
  section.Number("out_of_order", &delivery->out_of_order, 0, 1);
  section.Duration("out_of_order_by", &delivery->out_of_order_by_ms);
  if (delivery->out_of_order_by_ms < 1 || delivery->out_of_order_by_ms > simulation::kDayMs) {
    section.Problem("out_of_order_by", "must lie between 1ms and 1d");
  }
  section.Number("duplicate", &delivery->duplicate, 0, 1);
  if (delivery->late + delivery->out_of_order > 1) {
    section.Problem("out_of_order", "must not exceed 1 together with late");
  }
}

void ReadWorld(RecipeSection& root, WorldOptions* world) {
  root.RequireKey("name");
  if (root.collecting()) world->name.clear();  // there is no default
  root.Text("name", &world->name);
  root.Text("description", &world->description);
  std::optional<std::int64_t> start_ms;
  root.Time("start", &start_ms);
  world->start_ms = start_ms.value_or(world->start_ms);
  if (world->start_ms < kYearMs || world->start_ms > kStartMsMax) {
    root.Problem("start", "must lie between 1971 and 2100");
  }
  root.Integer("days", &world->days, 1, 3650);
  root.Integer("topics", &world->topics, 1, simulation::kTopicsMax);
  root.Mapping("users", [&](RecipeSection& section) { ReadUsers(section, &world->users); });
  root.Mapping("items", [&](RecipeSection& section) { ReadItems(section, &world->items); });
  root.Mapping("slates", [&](RecipeSection& section) { ReadSlates(section, &world->slates); });
  root.Mapping("interests",
               [&](RecipeSection& section) { ReadInterests(section, &world->interests); });
  if (world->interests.topics > world->topics) {
    root.Problem("topics",
                 StrCat("must not be fewer than interests.topics, ", world->interests.topics));
  }
  root.Mapping("trend", [&](RecipeSection& section) {
    section.Number("strength", &world->trend.strength, 0, 10);
    ReadSpan(section, "half_life", &world->trend.half_life_ms);
  });
  root.Mapping("fatigue", [&](RecipeSection& section) {
    section.Number("item", &world->fatigue.item, 0, 10);
    section.Number("topic", &world->fatigue.topic, 0, 10);
    ReadSpan(section, "half_life", &world->fatigue.half_life_ms);
  });
  root.Mapping("actions", [&](RecipeSection& section) {
    for (std::size_t kind = 0; kind < world->actions.size(); ++kind) {
      section.Mapping(std::string(simulation::kActionNames[kind]),
                      [&](RecipeSection& action) { ReadAction(action, &world->actions[kind]); });
    }
  });
  root.Mapping("delivery",
               [&](RecipeSection& section) { ReadDelivery(section, &world->delivery); });
}

}  // namespace

absl::StatusOr<WorldRecipe> ParseWorldRecipe(std::string_view text, std::string_view file,
                                             std::span<const Environment::value_type> overrides) {
  WorldRecipe recipe;
  recipe.text = text;
  FOURFOLD_RETURN_IF_ERROR(ReadRecipeText(
      recipe.text, file, overrides, [&](RecipeSection& root) { ReadWorld(root, &recipe.world); }));
  return recipe;
}

absl::StatusOr<WorldRecipe> LoadWorldRecipe(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string text, ReadRecipeFile(path));
  const Environment environment = RecipeEnvironment();
  return ParseWorldRecipe(text, path, environment);
}

std::vector<RecipeKey> KnownWorldRecipeKeys() {
  WorldOptions world;
  return CollectRecipeKeys([&](RecipeSection& root) { ReadWorld(root, &world); });
}

}  // namespace fourfold
