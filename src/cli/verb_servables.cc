#include "absl/strings/numbers.h"
#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "server/answers.h"

// Which servable answers, and how its ranker weighs: publish, activate, rollback, servables,
// value-model.
namespace fourfold {
namespace {

absl::StatusOr<int> List(const Context& context) {
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto engine, context.OpenEngine(/*with_servable=*/true, "ask it: GET /v1/servables"));
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<ServableInfo> servables, engine->Servables());
  if (context.json()) {
    context.out << ServablesJson(servables, TrainingView(), "") << "\n";
    return kExitOk;
  }
  if (servables.empty()) {
    context.out << "no servable yet; `fourfold train` makes one\n";
    return kExitOk;
  }
  Table table({{"version"},
               {"state"},
               {"recipe"},
               {"created"},
               {"learned up to"},
               {"actions", Table::Align::kRight},
               {"nDCG@10", Table::Align::kRight}});
  for (const ServableInfo& info : servables) {
    if (!info.problem.empty()) {
      table.AddRow({info.version, info.state, Shorten(info.problem, 100), "", "", "", ""});
      continue;
    }
    std::string ndcg;
    for (const auto& [name, value] : info.metrics) {
      if (name == "nDCG@10") ndcg = Decimal(value, 4);
    }
    table.AddRow({info.version, info.state, info.recipe, FormatTimestamp(info.created_at_ms),
                  FormatTimestamp(info.as_of_ms), Thousands(info.actions), ndcg});
  }
  table.Print(context.out);
  return kExitOk;
}

void Tell(const Context& context, const std::string& version, std::string_view what) {
  if (context.json()) {
    context.out << ActiveServableJson(version, "") << "\n";
  } else {
    context.out << "servable " << version << " is " << what << "\n";
  }
}

void AddActivate(CLI::App& app, Context& context) {
  const auto version = std::make_shared<std::string>();
  CLI::App* verb = AddVerb(
      app, "activate", "Verify a servable, replay its golden requests, and serve it from now on",
      "  fourfold activate latest\n"
      "  fourfold activate 3f9a0c44e2b1d8577a60c2f4e91b83d5");
  verb->add_option("VERSION", *version, "A version as `servables` shows it, or latest")->required();
  verb->callback([&context, version] {
    context.run = [&context, version]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(
          const auto engine,
          context.OpenEngine(true, StrCat("ask it: POST /v1/servables/", *version, ":activate")));
      FOURFOLD_RETURN_IF_ERROR(engine->Activate(*version));
      Tell(context, engine->Status().active_servable, "active");
      return kExitOk;
    };
  });
}

void AddRollback(CLI::App& app, Context& context) {
  CLI::App* verb =
      AddVerb(app, "rollback", "Serve the previous servable again", "  fourfold rollback");
  verb->callback([&context] {
    context.run = [&context]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(const auto engine,
                                context.OpenEngine(true, "ask it: POST /v1/servables:rollback"));
      FOURFOLD_ASSIGN_OR_RETURN(const std::string version, engine->Rollback());
      Tell(context, version, "active again");
      return kExitOk;
    };
  });
}

void AddPublish(CLI::App& app, Context& context) {
  const auto path = std::make_shared<std::string>();
  CLI::App* verb =
      AddVerb(app, "publish", "Take in a servable made elsewhere (`train` publishes its own)",
              "  fourfold publish /mnt/trained/3f9a0c44e2b1d8577a60c2f4e91b83d5");
  verb->add_option("DIRECTORY", *path, "The servable's directory")->required();
  verb->callback([&context, path] {
    context.run = [&context, path]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine(
                                                       /*with_servable=*/false,
                                                       "stop it first, or let it learn one of its "
                                                       "own: POST /v1/servables"));
      FOURFOLD_ASSIGN_OR_RETURN(const std::string version, engine->Publish(*path));
      context.out << "servable " << version << " is published\n";
      return kExitOk;
    };
  });
}

struct ValueModelArguments {
  std::vector<std::string> weights;  // HEAD=WEIGHT
  bool reset = false;
};

absl::StatusOr<std::vector<std::pair<std::string, double>>> WeightsOf(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, double>> weights;
  for (const std::string& text : texts) {
    const std::size_t place = text.rfind('=');
    double weight = 0;
    if (place == std::string::npos || !absl::SimpleAtod(text.substr(place + 1), &weight)) {
      return InvalidArgument("\"", text, "\" is not HEAD=WEIGHT");
    }
    weights.emplace_back(text.substr(0, place), weight);
  }
  return weights;
}

absl::StatusOr<int> ShowValueModel(const Context& context, const ValueModelArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto weights, WeightsOf(arguments.weights));
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
  const bool is_change = arguments.reset || !weights.empty();
  FOURFOLD_ASSIGN_OR_RETURN(const ValueModelView model,
                            is_change ? engine->SetValueModel(weights) : engine->GetValueModel());
  if (context.json()) {
    context.out << ValueModelJson(model, "") << "\n";
    return kExitOk;
  }
  Table table(
      {{"head"}, {"weight", Table::Align::kRight}, {"by the recipe", Table::Align::kRight}});
  for (const ValueModelView::Head& head : model.heads) {
    table.AddRow({head.head, StrCat(head.weight), StrCat(head.recipe_weight)});
  }
  table.Print(context.out);
  return kExitOk;
}

void AddValueModel(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ValueModelArguments>();
  CLI::App* verb = AddVerb(
      app, "value-model",
      "Show or change what each head of the ranker weighs (a server takes PUT /v1/value-model)",
      "  fourfold value-model\n"
      "  fourfold value-model click=1 hide=-20   # heads that are not named: as the recipe says\n"
      "  fourfold value-model --reset");
  verb->add_option("WEIGHTS", arguments->weights, "HEAD=WEIGHT, from now on");
  verb->add_flag("--reset", arguments->reset, "All as the recipe says");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return ShowValueModel(context, *arguments); };
  });
}

}  // namespace

void AddServableVerbs(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, "servables", "List the servables, newest first",
                           "  fourfold servables\n  fourfold servables --format json");
  verb->callback([&context] { context.run = [&context] { return List(context); }; });
  AddPublish(app, context);
  AddActivate(app, context);
  AddRollback(app, context);
  AddValueModel(app, context);
}

}  // namespace fourfold
