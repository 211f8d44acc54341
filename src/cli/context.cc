#include "cli/context.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "data/timestamp.h"
#include "engine/time_text.h"

namespace fourfold {

absl::StatusOr<std::unique_ptr<Engine>> Context::OpenEngine(bool with_servable,
                                                            std::string_view instead,
                                                            bool keep_recipe) const {
  EngineOptions options;
  options.directory = directory;
  options.recipe_path = recipe;
  options.keep_recipe = keep_recipe;
  options.read_only_servable = !with_servable;
  if (clock_at == "end") {
    options.clock_at_log_end = true;
  } else if (!clock_at.empty()) {
    const absl::StatusOr<std::int64_t> time_ms = ParseTimeMs(clock_at);
    if (!time_ms.ok()) return Annotate(time_ms.status(), "--clock-at");
    options.clock_at_ms = *time_ms;
  }
  absl::StatusOr<std::unique_ptr<Engine>> opened = Engine::Open(options);
  if (!opened.ok()) {
    const bool is_held = absl::StrContains(ToAbsl(MessageOf(opened.status())), "holds it open");
    if (!is_held) return opened.status();
    return FailedPrecondition(MessageOf(opened.status()), "; while it is a server, ",
                              instead.empty() ? "ask it over HTTP (docs/api.md)" : instead);
  }
  std::unique_ptr<Engine> engine = *std::move(opened);
  for (const std::string& warning : engine->Status().warnings) {
    err << "warning: " << warning << "\n";
  }
  return engine;
}

void Context::WarnOfClock(const Engine& engine) const {
  constexpr std::int64_t kLongMs = std::int64_t{30} * 24 * 3600 * 1000;
  const EngineStatus status = engine.Status();
  if (!clock_at.empty() || status.last_event_time_ms == kSinceForEverMs ||
      status.now_ms - status.last_event_time_ms < kLongMs) {
    return;
  }
  err << "warning: the clock is at " << FormatTimestamp(status.now_ms)
      << ", long after the newest event (" << FormatTimestamp(status.last_event_time_ms)
      << "). What is logged now is of that time, and the clock cannot start before it again; "
      << "--clock-at end goes on at the end of the log\n";
}

std::function<void(std::string_view, double)> Context::Progress() const {
  if (!progress && isatty(STDERR_FILENO) == 0) return {};
  return [this](std::string_view stage, double done) {
    err << absl::StreamFormat("\r\033[K%s %3.0f %%", ToAbsl(stage),
                              100 * std::clamp(done, 0.0, 1.0))
        << std::flush;
  };
}

void Context::EndProgress() const {
  if (progress || isatty(STDERR_FILENO) != 0) err << "\r\033[K" << std::flush;
}

std::function<void(std::string_view)> Context::Notes() const {
  return [this](std::string_view note) {
    EndProgress();
    err << note << "\n";
  };
}

const std::string& ItemNames::Of(const std::string& item) {
  const auto [entry, is_new] = names_.try_emplace(item);
  if (!is_new || !known()) return entry->second;
  const absl::StatusOr<EntityView> view = engine_.GetItem(item);
  if (!view.ok()) return entry->second;
  for (const Field& field : view->fields) {
    if (field.name != title_field_) continue;
    if (const auto* name = std::get_if<std::string>(&field.value)) entry->second = *name;
    // RecBole's titles are lists of words.
    if (const auto* words = std::get_if<std::vector<std::string>>(&field.value)) {
      entry->second = absl::StrJoin(*words, " ");
    }
  }
  return entry->second;
}

std::string ItemNames::Label(const std::string& item) {
  const std::string& name = Of(item);
  return name.empty() ? item : StrCat(item, " (", name, ")");
}

CLI::App* AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->footer(
      "Examples:\n" + examples +
      "\nEvery verb also takes --directory, --recipe, --clock-at, --format and --progress: see "
      "fourfold --help.");
  verb->fallthrough();
  return verb;
}

}  // namespace fourfold
