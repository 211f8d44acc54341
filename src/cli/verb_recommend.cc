
#include "base/status_macros.h"
#include "cli/slate_print.h"
#include "cli/verbs.h"
#include "server/answers.h"

// Slates: recommend, similar.
namespace fourfold {
namespace {

struct RecommendArguments {
  RecommendRequest request;
  bool all_users = false;
  std::string output;
};

absl::StatusOr<int> RecommendToAll(const Context& context, const RecommendArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
  const auto progress = context.Progress();
  const auto report = [&](double done) {
    if (progress) progress("recommending", done);
  };
  FOURFOLD_ASSIGN_OR_RETURN(
      const std::uint64_t users,
      engine->RecommendAllUsers(arguments.output, arguments.request.limit, report));
  context.EndProgress();
  context.err << "slates for " << users << " users: " << arguments.output << "\n";
  return kExitOk;
}

absl::StatusOr<int> Recommend(const Context& context, const RecommendArguments& arguments) {
  if (arguments.all_users) return RecommendToAll(context, arguments);
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine,
                            context.OpenEngine(true, "ask it: POST /v1/recommend"));
  if (arguments.request.log_slate) context.WarnOfClock(*engine);
  FOURFOLD_ASSIGN_OR_RETURN(const RecommendResponse response, engine->Recommend(arguments.request));
  if (context.json()) {
    context.out << RecommendJson(response, arguments.request.explain) << "\n";
  } else {
    PrintSlate(context.out, *engine, arguments.request, response);
  }
  return kExitOk;
}

void AddRecommend(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<RecommendArguments>();
  RecommendRequest& request = arguments->request;
  // A question asked by hand is no impression: nobody was shown anything.
  request.log_slate = false;
  arguments->output = "/dev/stdout";
  CLI::App* verb =
      AddVerb(app, "recommend", "A slate for one user, or for all of them into a file",
              "  fourfold recommend 17850 --clock-at end\n"
              "  fourfold recommend 17850 --limit 5 --filter 'price < 5' --format json\n"
              "  fourfold recommend --all-users -o slates.jsonl");
  CLI::Option* const user =
      verb->add_option("USER", request.user, "The user; without one, somebody unknown");
  verb->add_option("--session", request.session, "The session of somebody unknown");
  verb->add_option("--limit", request.limit, "How many items, 1 to 500")->capture_default_str();
  verb->add_option("--surface", request.surface, "Where the slate is for")->capture_default_str();
  verb->add_option("--filter", request.filter, "Condition on item fields");
  verb->add_option("--include", request.include_items, "Nothing but these items")->delimiter(',');
  verb->add_option("--exclude", request.exclude_items, "Never these items")->delimiter(',');
  verb->add_option("--after-request", request.after_request, "The page after this request");
  verb->add_flag("--log-slate", request.log_slate, "Leave a ranking event, as the server does");
  verb->add_flag("--all-users", arguments->all_users, "For every known user, as JSON lines")
      ->excludes(user);
  verb->add_option("-o,--output", arguments->output, "With --all-users: the file");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Recommend(context, *arguments); };
  });
}

void AddSimilar(CLI::App& app, Context& context) {
  const auto request = std::make_shared<SimilarRequest>();
  CLI::App* verb = AddVerb(app, "similar", "Items that go with an item",
                           "  fourfold similar 22138\n"
                           "  fourfold similar 22138 --filter 'price < 5' --limit 5");
  verb->add_option("ITEM", request->item, "The item")->required();
  verb->add_option("--limit", request->limit, "How many items, 1 to 500")->capture_default_str();
  verb->add_option("--filter", request->filter, "Condition on item fields");
  verb->callback([&context, request] {
    context.run = [&context, request]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
      FOURFOLD_ASSIGN_OR_RETURN(const RecommendResponse response, engine->SimilarItems(*request));
      if (context.json()) {
        context.out << SimilarJson(response, response.request_id) << "\n";
      } else {
        ItemNames names(*engine);
        context.out << "Items that go with " << names.Label(request->item) << "\n\n";
        PrintItems(context.out, names, response.items);
      }
      return kExitOk;
    };
  });
}

}  // namespace

void AddRecommendVerbs(CLI::App& app, Context& context) {
  AddRecommend(app, context);
  AddSimilar(app, context);
}

}  // namespace fourfold
