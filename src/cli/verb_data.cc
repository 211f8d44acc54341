#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "engine/engine_directory.h"
#include "engine/file_import.h"
#include "engine/recipe.h"

// What goes in and out: init, import, validate, export.
namespace fourfold {
namespace {

// Facts that hold since for ever have no time to show.
bool HasTimes(const ImportReport& report) {
  return report.first_event_time_ms != 0 || report.last_event_time_ms != 0;
}

// Times in seconds that were read as milliseconds all fall into the first weeks of 1970.
bool LooksLikeSeconds(const ImportReport& report) {
  constexpr std::int64_t kYear1995 = 788'918'400, kYear2100 = 4'102'444'800;
  return report.first_event_time_ms >= kYear1995 && report.last_event_time_ms <= kYear2100;
}

std::string Lines(std::uint64_t count) {
  return Thousands(count) + (count == 1 ? " line" : " lines");
}

nlohmann::ordered_json ToJson(const std::string& path, const ImportReport& report) {
  nlohmann::ordered_json json = {{"file", path},
                                 {"lines", report.lines},
                                 {"lines_skipped", report.lines_skipped},
                                 {"events", report.events},
                                 {"accepted", report.accepted},
                                 {"duplicates", report.duplicates},
                                 {"rejected", report.rejected}};
  if (!report.reject_path.empty()) json["reject_file"] = report.reject_path;
  if (HasTimes(report)) {
    json["first_event_time"] = FormatTimestamp(report.first_event_time_ms);
    json["last_event_time"] = FormatTimestamp(report.last_event_time_ms);
  }
  return json;
}

void PrintReport(const Context& context, const std::string& path, const ImportReport& report,
                 bool dry_run) {
  if (context.json()) {
    context.out << ToJson(path, report).dump() << "\n";
    return;
  }
  std::ostream& out = context.out;
  out << path << ": " << Lines(report.lines) << ", " << Thousands(report.events)
      << (report.events == 1 ? " event" : " events");
  if (HasTimes(report)) {
    out << " from " << FormatTimestamp(report.first_event_time_ms) << " to "
        << FormatTimestamp(report.last_event_time_ms);
  }
  out << "\n";
  if (dry_run) {
    out << "  checked only, nothing written\n";
  } else {
    out << "  " << Thousands(report.accepted) << " taken in, " << Thousands(report.duplicates)
        << " known already\n";
  }
  if (report.lines_skipped > 0) {
    out << "  " << Lines(report.lines_skipped) << " passed over: no rule made an event of "
        << "them\n";
  }
  if (LooksLikeSeconds(report)) {
    context.err << "warning: " << path
                << ": everything is dated early in 1970; a timestamp that is a bare number is "
                   "milliseconds since 1970-01-01, and these look like seconds\n";
  }
  if (report.rejected > 0) {
    out << "  " << Lines(report.rejected) << " refused"
        << (report.reject_path.empty() ? "" : "; why: " + report.reject_path) << "\n";
  }
}

struct ImportArguments {
  std::vector<std::string> paths;
  std::string format;
  std::string reject_path;
  bool strict = false;
};

ImportRequest MakeRequest(const Context& context, const ImportArguments& arguments,
                          const std::string& path) {
  ImportRequest request;
  request.path = path;
  request.format = arguments.format;
  request.strict = arguments.strict;
  request.reject_path = arguments.reject_path;
  request.progress = context.Progress();
  return request;
}

// What an earlier run refused is not this one's.
void RemoveRejects(const ImportArguments& arguments, const std::string& path) {
  const std::string file =
      arguments.reject_path.empty() ? RejectPathOf(path) : arguments.reject_path;
  std::error_code ignored;
  if (std::filesystem::is_regular_file(file, ignored)) std::filesystem::remove(file, ignored);
}

absl::StatusOr<int> Import(const Context& context, const ImportArguments& arguments) {
  if (!context.recipe.empty()) {
    // What cannot be read leaves no directory behind.
    FOURFOLD_ASSIGN_OR_RETURN(const Recipe recipe, LoadRecipe(context.recipe));
    for (const std::string& path : arguments.paths) {
      FOURFOLD_RETURN_IF_ERROR(FindImport(recipe, path, arguments.format).status());
    }
  }
  for (const std::string& path : arguments.paths) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return NotFound(path, ": there is no such file");
  }
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto engine,
      context.OpenEngine(/*with_servable=*/false, "send it the events: POST /v1/events"));
  for (const std::string& path : arguments.paths) RemoveRejects(arguments, path);
  int code = kExitOk;
  for (const std::string& path : arguments.paths) {
    FOURFOLD_ASSIGN_OR_RETURN(const ImportReport report,
                              engine->Import(MakeRequest(context, arguments, path)));
    context.EndProgress();
    PrintReport(context, path, report, /*dry_run=*/false);
    if (report.rejected > 0) code = kExitRejects;
  }
  // A recipe that could not read the files is not to stay.
  FOURFOLD_RETURN_IF_ERROR(engine->KeepRecipe());
  return code;
}

void AddFileOptions(CLI::App* verb, ImportArguments* arguments) {
  verb->add_option("--input-format", arguments->format,
                   "jsonl, csv, recbole or sequences; without it the recipe or the name tells")
      ->check(CLI::IsMember({"jsonl", "csv", "recbole", "sequences"}));
  verb->add_option(
      "--reject-file", arguments->reject_path,
      "Where refused lines go, those of all files; without it FILE.rejects.jsonl in the current "
      "directory, of validate nowhere");
  verb->add_flag("--strict", arguments->strict, "Stop at the first bad line and take nothing");
}

void AddImport(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ImportArguments>();
  CLI::App* verb = AddVerb(
      app, "import", "Read files of events into the log (also .gz and .zst); again changes nothing",
      "  fourfold import data/online_retail.csv.zst --recipe recipes/online_retail.yaml\n"
      "  fourfold import movies.csv ratings.csv --recipe recipes/movielens_small.yaml\n"
      "  fourfold import events.jsonl.gz --strict");
  verb->add_option("FILE", arguments->paths, "Files, in this order")->required();
  AddFileOptions(verb, arguments.get());
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Import(context, *arguments); };
  });
}

bool IsRecipe(const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

absl::Status ValidateRecipe(const Context& context, const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(const Recipe recipe, LoadRecipe(path));
  if (context.json()) {
    context.out << nlohmann::ordered_json({{"file", path}, {"recipe", recipe.name}}).dump() << "\n";
  } else {
    context.out << path << ": a sound recipe, " << recipe.name << ", with "
                << recipe.retrievers.size() << " retrievers\n";
  }
  return absl::OkStatus();
}

// The one named, else the engine's; without either none, which is enough for native events.
absl::StatusOr<Recipe> RecipeOf(const Context& context) {
  if (!context.recipe.empty()) return LoadRecipe(context.recipe);
  const std::string path = context.directory + "/recipe.yaml";
  if (std::filesystem::exists(path)) return LoadRecipe(path);
  Recipe none;
  none.name = "(none: name one with --recipe)";
  return none;
}

void PrintFirstRejected(const Context& context, const ImportSummary& summary) {
  if (context.json()) return;
  for (const RejectedLine& line : summary.first_rejected) {
    context.out << "  line " << line.line << ": " << (line.field.empty() ? "" : line.field + " ")
                << line.reason << "\n";
  }
  if (summary.rejected > summary.first_rejected.size()) {
    context.out << "  ...; --reject-file FILE takes them all\n";
  }
}

absl::StatusOr<int> Validate(const Context& context, const ImportArguments& arguments) {
  int code = kExitOk;
  if (!arguments.reject_path.empty()) RemoveRejects(arguments, "");
  for (const std::string& path : arguments.paths) {
    if (IsRecipe(path)) {
      FOURFOLD_RETURN_IF_ERROR(ValidateRecipe(context, path));
      continue;
    }
    FOURFOLD_ASSIGN_OR_RETURN(const Recipe recipe, RecipeOf(context));
    ImportRequest request = MakeRequest(context, arguments, path);
    request.dry_run = true;
    FOURFOLD_ASSIGN_OR_RETURN(const ImportRecipe* import,
                              FindImport(recipe, path, arguments.format));
    FOURFOLD_ASSIGN_OR_RETURN(
        const ImportSummary summary,
        ImportFile(nullptr, SystemClock(), MakeImportOptions(*import, request)));
    context.EndProgress();
    const ImportReport report = ReportOf(summary);
    PrintReport(context, path, report, /*dry_run=*/true);
    PrintFirstRejected(context, summary);
    if (report.rejected > 0) code = kExitRejects;
  }
  return code;
}

void AddValidate(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<ImportArguments>();
  CLI::App* verb =
      AddVerb(app, "validate", "Check recipes (.yaml) or files of events without writing anything",
              "  fourfold validate recipes/online_retail.yaml\n"
              "  fourfold validate data/online_retail.csv.zst --recipe recipes/online_retail.yaml");
  verb->add_option("FILE", arguments->paths, "Recipes and files")->required();
  AddFileOptions(verb, arguments.get());
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Validate(context, *arguments); };
  });
}

void AddInit(CLI::App& app, Context& context) {
  CLI::App* verb = AddVerb(app, "init", "Make an engine's directory from a recipe",
                           "  fourfold init --recipe recipes/online_retail.yaml -d shop");
  verb->callback([&context] {
    context.run = [&context]() -> absl::StatusOr<int> {
      if (context.recipe.empty()) return InvalidArgument("init needs --recipe FILE");
      FOURFOLD_ASSIGN_OR_RETURN(
          const auto engine, context.OpenEngine(/*with_servable=*/true, "", /*keep_recipe=*/true));
      const EngineStatus status = engine->Status();
      context.out << status.directory << ": an engine for the recipe " << status.recipe << ", with "
                  << Thousands(status.events) << " events\n";
      return kExitOk;
    };
  });
}

void AddExport(CLI::App& app, Context& context) {
  const auto path = std::make_shared<std::string>("/dev/stdout");
  CLI::App* verb = AddVerb(app, "export", "Write the log as JSON lines that `import` reads",
                           "  fourfold export -o events.jsonl\n"
                           "  fourfold export | gzip > events.jsonl.gz");
  verb->add_option("-o,--output", *path, "Where to write; without it the standard output");
  verb->callback([&context, path] {
    context.run = [&context, path]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine(/*with_servable=*/false));
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint64_t events, engine->ExportEvents(*path));
      context.err << Thousands(events) << " events written\n";
      return kExitOk;
    };
  });
}

}  // namespace

void AddDataVerbs(CLI::App& app, Context& context) {
  AddInit(app, context);
  AddImport(app, context);
  AddValidate(app, context);
  AddExport(app, context);
}

}  // namespace fourfold
