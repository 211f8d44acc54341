#include "base/status_macros.h"
#include "cli/slate_print.h"
#include "cli/verbs.h"
#include "server/answers.h"

// Why a slate is as it is: explain, why-not.
namespace fourfold {
namespace {

constexpr std::size_t kHistoryShown = 10;
constexpr std::size_t kDroppedShown = 20;

absl::StatusOr<int> Explain(const Context& context, const RecommendRequest& request) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
  FOURFOLD_ASSIGN_OR_RETURN(const RecommendResponse response, engine->Recommend(request));
  if (context.json()) {
    context.out << RecommendJson(response, /*explain=*/true) << "\n";
    return kExitOk;
  }
  ItemNames names(*engine);
  PrintHistory(context.out, names, response.history, kHistoryShown);
  context.out << "\n";
  PrintSlate(context.out, *engine, request, response);
  context.out << "\nWhy\n";
  PrintReasons(context.out, names, response.items);
  PrintRanked(context.out, names, response.items);
  PrintDropped(context.out, names, response.dropped, kDroppedShown);
  return kExitOk;
}

absl::StatusOr<int> TellWhyNot(const Context& context, const RecommendRequest& request) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
  FOURFOLD_ASSIGN_OR_RETURN(const RecommendResponse response, engine->Recommend(request));
  if (context.json()) {
    context.out << RecommendJson(response, /*explain=*/false) << "\n";
    return kExitOk;
  }
  ItemNames names(*engine);
  const WhyNot& why_not = response.why_not;
  context.out << names.Label(why_not.item) << ": " << why_not.verdict << "\n";
  if (!why_not.reason.empty()) context.out << "  " << why_not.reason << "\n";
  return kExitOk;
}

std::shared_ptr<RecommendRequest> AddRequest(CLI::App* verb) {
  auto request = std::make_shared<RecommendRequest>();
  request->log_slate = false;
  verb->add_option("USER", request->user, "The user")->required();
  verb->add_option("--limit", request->limit, "How many items, 1 to 500")->capture_default_str();
  verb->add_option("--filter", request->filter, "Condition on item fields");
  return request;
}

void AddExplain(CLI::App& app, Context& context) {
  CLI::App* verb =
      AddVerb(app, "explain", "A slate with its reasons: which retriever, from which action",
              "  fourfold explain 17850 --clock-at end\n"
              "  fourfold explain 17850 --limit 5 --format json");
  const std::shared_ptr<RecommendRequest> request = AddRequest(verb);
  request->explain = true;
  request->limit = 10;
  verb->callback([&context, request] {
    context.run = [&context, request] { return Explain(context, *request); };
  });
}

void AddWhyNot(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, "why-not", "What became of one item in a user's slate",
                           "  fourfold why-not 17850 22138 --clock-at end");
  const std::shared_ptr<RecommendRequest> request = AddRequest(verb);
  verb->add_option("ITEM", request->why_not_item, "The item")->required();
  verb->callback([&context, request] {
    context.run = [&context, request] { return TellWhyNot(context, *request); };
  });
}

}  // namespace

void AddExplainVerbs(CLI::App& app, Context& context) {
  AddExplain(app, context);
  AddWhyNot(app, context);
}

}  // namespace fourfold
