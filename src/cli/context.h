#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"
#include "fourfold/engine.h"

namespace fourfold {

enum ExitCode : int {
  kExitOk = 0,
  kExitError = 1,
  kExitUsage = 2,
  kExitRejects = 3,  // done, but some lines were refused
  kExitDiffers = 4,  // done, and something that must be the same is not
};

// What every verb is given: the options that all have, where to print, and the way to the engine.
class Context {
 public:
  Context(std::ostream& out_stream, std::ostream& err_stream) : out(out_stream), err(err_stream) {}

  bool json() const { return format == "json"; }
  // Prints the engine's warnings to `err`. `instead`: what to do, in words, while a server holds
  // the directory. `keep_recipe`: the directory is to go by --recipe from now on.
  absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(bool with_servable = true,
                                                     std::string_view instead = "",
                                                     bool keep_recipe = false) const;
  // Before what is logged as happening now: says so where the clock is today's and the log's past.
  void WarnOfClock(const Engine& engine) const;

  // A line on stderr that is written over again; nothing where nobody watches.
  std::function<void(std::string_view stage, double done)> Progress() const;
  // Clears the progress line.
  void EndProgress() const;
  std::function<void(std::string_view)> Notes() const;

  // The options of every verb.
  std::string directory = "fourfold-engine";
  std::string recipe;
  std::string clock_at;
  std::string format = "table";
  bool progress = false;

  std::ostream& out;
  std::ostream& err;
  // Set by the verb that the command line names; returns the exit code.
  std::function<absl::StatusOr<int>()> run;
};

// Names of items as the recipe's title field says, each read once.
class ItemNames {
 public:
  explicit ItemNames(const Engine& engine) : engine_(engine), title_field_(engine.TitleField()) {}
  bool known() const { return !title_field_.empty(); }
  // Empty where the item has none.
  const std::string& Of(const std::string& item);
  // "22138 (BAKING SET)" or the id alone.
  std::string Label(const std::string& item);

 private:
  const Engine& engine_;
  std::string title_field_;
  StringMap<std::string> names_;
};

// A verb with its examples below its help.
CLI::App* AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples);

}  // namespace fourfold
