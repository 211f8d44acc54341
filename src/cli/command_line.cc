#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <string>

#include "cli/context.h"
#include "cli/verbs.h"
#include "engine/version.h"

namespace fourfold {
namespace {

void AddCommonOptions(CLI::App& app, Context& context) {
  app.add_option("-d,--directory", context.directory, "The engine's directory")
      ->envname("FOURFOLD_DIRECTORY")
      ->capture_default_str();
  app.add_option("--recipe", context.recipe,
                 "Recipe to open the engine with; without it the one that its directory keeps. "
                 "init, import, train and serve have it kept there");
  app.add_option("--clock-at", context.clock_at,
                 "Start the engine's clock at this time (2011-12-09, 2011-12-09T12:50:00Z), or at "
                 "the `end` of the log");
  app.add_option("--format", context.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_flag("--progress", context.progress, "Show progress even when stderr is no terminal");
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  CLI::App app("A recommendation engine: a log of events in, a feed that reacts out.", "fourfold");
  app.set_version_flag("--version", std::string(EngineVersion()));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(
      "`fourfold VERB --help` shows each verb with examples. A first walk:\n"
      "  fourfold import data/online_retail.csv.zst --recipe recipes/online_retail.yaml\n"
      "  fourfold train && fourfold activate latest\n"
      "  fourfold recommend 17850 --clock-at end\n"
      "  fourfold serve --clock-at end");
  Context context(out, err);
  AddCommonOptions(app, context);
  AddDataVerbs(app, context);
  AddLearningVerbs(app, context);
  AddServableVerbs(app, context);
  AddRecommendVerbs(app, context);
  AddExplainVerbs(app, context);
  AddFeatureVerbs(app, context);
  AddOperatingVerbs(app, context);
  AddSimulateVerb(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    // No verb was found; if there was a word in its place, that is what is wrong.
    for (const std::string& word : app.remaining()) {
      if (!app.get_subcommands().empty() || word.starts_with("-")) continue;
      err << "error: there is no verb " << word << "; fourfold --help lists them\n";
      return kExitUsage;
    }
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  }
  const absl::StatusOr<int> code = context.run();
  if (code.ok()) return *code;
  context.EndProgress();
  err << "error: " << MessageOf(code.status()) << "\n";
  return kExitError;
}

}  // namespace fourfold
