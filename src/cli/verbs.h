#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

// Each adds its verbs to the command line; the one that is named sets Context::run.
namespace fourfold {

void AddDataVerbs(CLI::App& app, Context& context);      // init, import, validate, export
void AddLearningVerbs(CLI::App& app, Context& context);  // train, eval
// publish, activate, rollback, servables, value-model
void AddServableVerbs(CLI::App& app, Context& context);
void AddRecommendVerbs(CLI::App& app, Context& context);  // recommend, similar
void AddExplainVerbs(CLI::App& app, Context& context);    // explain, why-not
void AddFeatureVerbs(CLI::App& app, Context& context);    // features get, verify-skew
void AddOperatingVerbs(CLI::App& app, Context& context);  // serve, status, users, retain
void AddSimulateVerb(CLI::App& app, Context& context);    // simulate

}  // namespace fourfold
