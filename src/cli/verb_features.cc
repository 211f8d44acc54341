#include <algorithm>

#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "engine/time_text.h"
#include "server/answers.h"

// Features as of any moment: features get, verify-skew.
namespace fourfold {
namespace {

struct FeatureArguments {
  std::vector<std::string> entities;
  std::vector<std::string> fields;
  std::string as_of;
  std::string known_at;
  std::string surface;
};

absl::StatusOr<std::pair<std::string, std::string>> SplitAt(const std::string& text, char separator,
                                                            std::string_view expected) {
  const std::size_t place = text.find(separator);
  if (place == std::string::npos || place == 0 || place + 1 == text.size()) {
    return InvalidArgument("\"", text, "\" is not ", expected);
  }
  return std::pair(text.substr(0, place), text.substr(place + 1));
}

absl::Status AddField(std::string name, FieldValue value, FeatureReadRequest* request) {
  for (const Field& field : request->fields) {
    if (field.name == name) {
      return InvalidArgument("the request's field \"", name, "\" is given twice");
    }
  }
  request->fields.push_back({std::move(name), std::move(value)});
  return absl::OkStatus();
}

absl::Status AddEntity(const std::string& text, FeatureReadRequest* request) {
  constexpr std::string_view kExpected = "user:ID, session:ID, item:ID or query:TEXT";
  FOURFOLD_ASSIGN_OR_RETURN(auto entity, SplitAt(text, ':', kExpected));
  if (entity.first == "item") {
    request->items.push_back(std::move(entity.second));
    return absl::OkStatus();
  }
  if (entity.first == "query") {
    // A text, even where it reads as a number.
    return AddField(std::string(kQueryField), std::move(entity.second), request);
  }
  if (entity.first != "user" && entity.first != "session") {
    return InvalidArgument("\"", text, "\" is not ", kExpected);
  }
  std::string& id = entity.first == "user" ? request->user : request->session;
  if (!id.empty()) return InvalidArgument("--entity: more than one ", entity.first);
  id = std::move(entity.second);
  return absl::OkStatus();
}

// A number where it reads as one.
FieldValue ParseValue(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() + text.size()) return number;
  return text;
}

absl::StatusOr<FeatureReadRequest> MakeRequest(const FeatureArguments& arguments) {
  FeatureReadRequest request;
  request.surface = arguments.surface;
  for (const std::string& entity : arguments.entities) {
    FOURFOLD_RETURN_IF_ERROR(AddEntity(entity, &request));
  }
  for (const std::string& field : arguments.fields) {
    FOURFOLD_ASSIGN_OR_RETURN(auto given, SplitAt(field, '=', "NAME=VALUE"));
    FOURFOLD_RETURN_IF_ERROR(AddField(std::move(given.first), ParseValue(given.second), &request));
  }
  if (!arguments.as_of.empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(request.as_of_ms, ParseTimeMs(arguments.as_of));
  }
  if (!arguments.known_at.empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(request.known_at_ms, ParseTimeMs(arguments.known_at));
  }
  return request;
}

std::string ValueText(const std::optional<double>& value) {
  return value.has_value() ? StrCat(*value) : "none";
}

void PrintResponse(const Context& context, const FeatureReadResponse& response) {
  context.out << "as of " << FormatTimestamp(response.as_of_ms) << ", known at "
              << FormatTimestamp(response.known_at_ms) << "\n";
  for (const FeatureReading& reading : response.request) {
    context.out << "  " << reading.name << ": " << ValueText(reading.value) << "\n";
  }
  for (const SequenceReading& sequence : response.sequences) {
    context.out << "  " << sequence.name << ": " << sequence.actions.size() << " actions\n";
    for (const SequenceReading::Action& action : sequence.actions) {
      context.out << "    " << FormatTimestamp(action.event_time_ms) << " " << action.type << " "
                  << action.item << "\n";
    }
  }
  for (const auto& [item, readings] : response.items) {
    context.out << "item " << item << "\n";
    for (const FeatureReading& reading : readings) {
      context.out << "  " << reading.name << ": " << ValueText(reading.value) << "\n";
    }
  }
}

absl::StatusOr<int> GetFeatures(const Context& context, const FeatureArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const FeatureReadRequest request, MakeRequest(arguments));
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine(/*with_servable=*/false));
  FOURFOLD_ASSIGN_OR_RETURN(const FeatureReadResponse response, engine->ReadFeatures(request));
  if (context.json()) {
    context.out << FeaturesJson(response, /*request_id=*/"") << "\n";
  } else {
    PrintResponse(context, response);
  }
  return kExitOk;
}

constexpr std::size_t kShownDifferences = 20;

void PrintSkew(const Context& context, const SkewReport& report) {
  if (report.requests + report.without_ranker + report.below_horizon == 0) {
    context.out << "No request that a ranker scored has been logged (recipe: "
                   "ranker.log_features)\n";
    return;
  }
  context.out << report.requests << " requests, " << report.values
              << " values: " << report.differing << " differ\n";
  if (report.requests > 0) {
    context.out << "from " << FormatTimestamp(report.first_ms) << " to "
                << FormatTimestamp(report.last_ms) << "\n";
  }
  if (report.without_ranker > 0) {
    context.out << report.without_ranker << " requests left out: their servable is gone\n";
  }
  if (report.below_horizon > 0) {
    context.out << report.below_horizon
                << " requests left out: history that they looked at is not retained\n";
  }
  for (const auto& [feature, count] : report.differing_by_feature) {
    context.out << "  " << feature << ": " << count << "\n";
  }
  for (std::size_t i = 0; i < std::min(kShownDifferences, report.differences.size()); ++i) {
    const SkewReport::Difference& difference = report.differences[i];
    context.out << FormatTimestamp(difference.as_of_ms) << " " << difference.user << " "
                << difference.feature << (difference.item.empty() ? "" : " of ") << difference.item
                << ": served " << difference.logged << ", the log says " << difference.recomputed
                << "\n";
  }
  if (report.differing > kShownDifferences) {
    context.out << "... (--format json tells the first " << SkewReport::kDifferencesMax << ")\n";
  }
}

absl::StatusOr<int> VerifySkew(const Context& context) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine(/*with_servable=*/false));
  FOURFOLD_ASSIGN_OR_RETURN(const SkewReport report, engine->VerifySkew());
  if (context.json()) {
    context.out << SkewJson(report) << "\n";
  } else {
    PrintSkew(context, report);
  }
  return report.differing == 0 ? kExitOk : kExitDiffers;
}

}  // namespace

void AddFeatureVerbs(CLI::App& app, Context& context) {
  CLI::App* features = AddVerb(app, "features", "Read the features that the recipe declares",
                               "  fourfold features get --entity user:17850 --as-of 2011-06-01");
  features->require_subcommand(1);
  const auto arguments = std::make_shared<FeatureArguments>();
  CLI::App* verb =
      AddVerb(*features, "get", "Every feature of a user, a session and items, at any past moment",
              "  fourfold features get --entity user:17850 --as-of 2011-06-01T00:00:00Z\n"
              "  fourfold features get --entity user:17850 --entity item:22138 \\\n"
              "      --as-of 2011-06-01 --known-at 2011-07-01 --format json\n"
              "  fourfold features get --entity query:mug --entity item:22138");
  verb->add_option("--entity", arguments->entities,
                   "user:ID, session:ID, item:ID or query:TEXT; as often as needed")
      ->required();
  verb->add_option("--as-of", arguments->as_of, "The moment to read at; without it now");
  verb->add_option("--known-at", arguments->known_at,
                   "See only what was known by then; without it the moment read at");
  verb->add_option("--field", arguments->fields, "NAME=VALUE: a field of the request");
  verb->add_option("--surface", arguments->surface, "The surface of the request");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return GetFeatures(context, *arguments); };
  });

  CLI::App* skew =
      AddVerb(app, "verify-skew",
              "Read the features anew that a ranker was served with, out of the log as of those "
              "moments, and tell every bit that differs; exit status 4 where one does",
              "  fourfold verify-skew\n"
              "  fourfold verify-skew --format json");
  skew->callback([&context] { context.run = [&context] { return VerifySkew(context); }; });
}

}  // namespace fourfold
