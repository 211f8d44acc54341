#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "engine/time_text.h"

// What is learned, and how good it is: train, eval.
namespace fourfold {
namespace {

struct TrainArguments {
  std::string as_of;
  bool no_evaluation = false;
  bool no_tuning = false;
  bool deterministic = false;
  bool activate = false;
};

absl::StatusOr<int> Train(const Context& context, const TrainArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto engine,
      context.OpenEngine(arguments.activate,
                         arguments.activate
                             ? R"(ask it: POST /v1/servables with {"activate": true})"
                             : "ask it: POST /v1/servables"));
  TrainRequest request;
  if (!arguments.as_of.empty()) {
    const absl::StatusOr<std::int64_t> as_of_ms = ParseTimeMs(arguments.as_of);
    if (!as_of_ms.ok()) return Annotate(as_of_ms.status(), "--as-of");
    request.as_of_ms = *as_of_ms;
  }
  request.evaluate = !arguments.no_evaluation;
  request.tune = !arguments.no_tuning;
  request.deterministic = arguments.deterministic;
  request.progress = context.Progress();
  request.note = context.Notes();
  FOURFOLD_ASSIGN_OR_RETURN(const std::string version, engine->Train(request));
  FOURFOLD_RETURN_IF_ERROR(engine->KeepRecipe());
  context.EndProgress();
  if (arguments.activate) FOURFOLD_RETURN_IF_ERROR(engine->Activate(version));
  const std::string_view state = arguments.activate ? "active" : "published";
  if (context.json()) {
    context.out << nlohmann::ordered_json({{"servable", version}, {"state", state}}).dump() << "\n";
    return kExitOk;
  }
  context.out << "servable " << version << " is " << state << "\n";
  if (!arguments.activate) {
    context.out << "  serve it: fourfold activate " << version << " --directory "
                << context.directory << "\n";
  }
  return kExitOk;
}

void AddTrain(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<TrainArguments>();
  CLI::App* verb =
      AddVerb(app, "train", "Learn a servable from the log and publish it (`activate` serves it)",
              "  fourfold train\n"
              "  fourfold train --activate\n"
              "  fourfold train --as-of 2011-11-01 --no-evaluation");
  verb->add_option("--as-of", arguments->as_of, "Learn from what happened up to this time");
  verb->add_flag("--no-evaluation", arguments->no_evaluation, "Leave out the metrics");
  verb->add_flag("--no-tuning", arguments->no_tuning, "Keep the recipe's blend weights");
  verb->add_flag("--deterministic", arguments->deterministic,
                 "The same log and recipe give the same servable: embeddings by one thread");
  verb->add_flag("--activate", arguments->activate, "Serve it at once");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Train(context, *arguments); };
  });
}

std::string WithInterval(const MetricEstimate& metric) {
  return StrCat(Decimal(metric.mean, 4), " [", Decimal(metric.low, 4), ", ",
                Decimal(metric.high, 4), "]");
}

std::string WithSign(const MetricEstimate& metric) {
  const auto sign = [](double value) { return StrCat(value < 0 ? "" : "+", Decimal(value, 4)); };
  return StrCat(sign(metric.mean), " [", sign(metric.low), ", ", sign(metric.high), "]");
}

nlohmann::ordered_json ToJson(const std::vector<MetricEstimate>& metrics) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const MetricEstimate& metric : metrics) {
    json[metric.name] = {{"mean", metric.mean}, {"low", metric.low}, {"high", metric.high}};
  }
  return json;
}

// `has_coverage`: false of a part of the queries.
nlohmann::ordered_json ToJson(const std::vector<EvaluationRow>& rows, bool has_coverage) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const EvaluationRow& row : rows) {
    nlohmann::ordered_json entry = {{"method", row.method}, {"metrics", ToJson(row.metrics)}};
    if (has_coverage) {
      entry["coverage"] = row.coverage;
      entry["mean_popularity"] = row.mean_popularity;
    }
    if (!row.paired_difference.empty()) {
      entry["compared_with"] = row.compared_with;
      entry["difference"] = ToJson(row.paired_difference);
    }
    json.push_back(std::move(entry));
  }
  return json;
}

nlohmann::ordered_json ToJson(const EvaluationReport& report) {
  nlohmann::ordered_json json = {{"description", report.description},
                                 {"queries", report.queries},
                                 {"best_part", report.best_part},
                                 {"seconds", report.seconds},
                                 {"methods", ToJson(report.rows, /*has_coverage=*/true)}};
  for (const EvaluationGroup& group : report.groups) {
    json["groups"].push_back({{"name", group.name},
                              {"queries", group.queries},
                              {"methods", ToJson(group.rows, /*has_coverage=*/false)}});
  }
  if (!report.slates.rows.empty()) {
    nlohmann::ordered_json slates = nlohmann::ordered_json::array();
    for (const SlateRow& row : report.slates.rows) {
      slates.push_back({{"method", row.method}, {"metrics", ToJson({row.ndcg, row.share})}});
    }
    json["slates"] = {{"description", report.slates.description},
                      {"slates", report.slates.slates},
                      {"methods", std::move(slates)}};
  }
  return json;
}

void PrintSlates(std::ostream& out, const SlateReport& slates) {
  out << "\nOrdering what was shown: " << slates.description << "\n\n";
  Table table({{"method"}, {"nDCG@10"}, {"(method - popularity) / (truth - popularity)"}});
  for (const SlateRow& row : slates.rows) {
    table.AddRow({row.method, WithInterval(row.ndcg), WithInterval(row.share)});
  }
  table.Print(out);
}

// `has_coverage`: what was judged are slates, which cover a part of the catalogue. Says whether
// methods are compared.
bool PrintRows(std::ostream& out, const std::vector<EvaluationRow>& rows, bool has_coverage) {
  std::vector<Table::Column> columns = {{"method"}};
  for (const MetricEstimate& metric : rows.front().metrics) columns.push_back({metric.name});
  if (has_coverage) {
    columns.push_back({"coverage", Table::Align::kRight});
    columns.push_back({"popularity", Table::Align::kRight});
  }
  Table table(columns);
  for (const EvaluationRow& row : rows) {
    std::vector<std::string> cells = {row.method};
    for (const MetricEstimate& metric : row.metrics) cells.push_back(WithInterval(metric));
    if (has_coverage) {
      cells.push_back(StrCat(Decimal(100 * row.coverage, 1), " %"));
      cells.push_back(Decimal(row.mean_popularity, 1));
    }
    table.AddRow(std::move(cells));
  }
  bool is_paired = false;
  for (const EvaluationRow& row : rows) {
    if (row.paired_difference.empty()) continue;
    is_paired = true;
    std::vector<std::string> cells = {StrCat(row.method, " - ", row.compared_with)};
    for (const MetricEstimate& metric : row.paired_difference) {
      cells.push_back(WithSign(metric));
    }
    if (has_coverage) cells.insert(cells.end(), 2, "");
    table.AddRow(std::move(cells));
  }
  table.Print(out);
  return is_paired;
}

void PrintReport(std::ostream& out, const EvaluationReport& report, bool of_slates) {
  out << report.description << "\n\n";
  const bool is_paired = PrintRows(out, report.rows, of_slates);
  for (const EvaluationGroup& group : report.groups) {
    out << "\n" << group.name << ": " << Thousands(group.queries) << " queries\n\n";
    if (group.queries > 0) PrintRows(out, group.rows, /*has_coverage=*/false);
  }
  out << "\n95 % intervals by bootstrap"
      << (is_paired ? "; differences are paired, query by query. " : ". ") << "Evaluated in "
      << Decimal(report.seconds, 1) << " s.\n";
}

struct EvaluateArguments {
  EvaluateRequest request;
  bool no_tuning = false;
};

absl::StatusOr<int> Evaluate(const Context& context, EvaluateArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine(/*with_servable=*/false));
  arguments.request.tune = !arguments.no_tuning;
  arguments.request.progress = context.Progress();
  arguments.request.note = context.Notes();
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationReport report, engine->Evaluate(arguments.request));
  context.EndProgress();
  if (context.json()) {
    context.out << ToJson(report).dump() << "\n";
  } else {
    PrintReport(context.out, report, arguments.request.task == "ranking");
    if (!report.slates.rows.empty()) PrintSlates(context.out, report.slates);
  }
  return kExitOk;
}

void AddEvaluate(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<EvaluateArguments>();
  EvaluateRequest& request = arguments->request;
  CLI::App* verb =
      AddVerb(app, "eval", "Judge every retriever and the blend on what happened later in the log",
              "  fourfold eval\n"
              "  fourfold eval --variant all --method repeats,blend\n"
              "  fourfold eval --split leave_one_out --fit strict --format json\n"
              "  fourfold eval --task link_prediction --method eges\n"
              "  fourfold eval --task cold_items --hidden-share 0.1\n"
              "  fourfold eval --task ranker\n"
              "  fourfold eval --truth log.truth");
  verb->add_option(
          "--task", request.task,
          "ranking: slates. Of embeddings alone, beside BGE, GES and EGES: link_prediction "
          "(hidden edges of the session graph) or cold_items (items that training never saw). "
          "ranker: "
          "the recipe's trained ranker against the order that was shown")
      ->check(CLI::IsMember({"ranking", "link_prediction", "cold_items", "ranker"}))
      ->capture_default_str();
  verb->add_option("--hidden-share", request.hidden_share,
                   "Of the edges (a third) or the items (a tenth) that are hidden from training")
      ->check(CLI::Range(0.001, 0.9));
  verb->add_flag("--on-validation", request.on_validation,
                 "link_prediction, for choosing settings: ask for edges hidden of those that the "
                 "test leaves to training");
  verb->add_option("--seed", request.seed, "Of which edges or items are hidden")
      ->capture_default_str();
  verb->add_option("--split", request.split, "time or leave_one_out; else as the recipe says")
      ->check(CLI::IsMember({"time", "leave_one_out"}));
  verb->add_option("--variant", request.variant,
                   "new (items new to the user) or all; else as the recipe says")
      ->check(CLI::IsMember({"new", "all"}));
  verb->add_option("--fit", request.fit,
                   "leave_one_out: refit (all but the last action) or strict (all but two)")
      ->check(CLI::IsMember({"refit", "strict"}));
  verb->add_option("--method", request.methods, "Retrievers, blend or ranker; else all of them")
      ->delimiter(',');
  verb->add_option("--truth", request.truth_path,
                   "Of a simulated log (`simulate --truth`): also tell how near each comes to the "
                   "best possible order of the slates after the cut");
  verb->add_option("--resamples", request.resamples, "Of the bootstrap")->capture_default_str();
  verb->add_flag("--no-tuning", arguments->no_tuning, "Keep the recipe's blend weights");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Evaluate(context, *arguments); };
  });
}

}  // namespace

void AddLearningVerbs(CLI::App& app, Context& context) {
  AddTrain(app, context);
  AddEvaluate(app, context);
}

}  // namespace fourfold
