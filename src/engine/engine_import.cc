#include <fnmatch.h>

#include <filesystem>
#include <system_error>

#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_impl.h"
#include "engine/file_import.h"
#include "fourfold/engine.h"
#include "offline/ingest/importer.h"

namespace fourfold {
namespace {

using Format = SourceOptions::Format;

struct FormatName {
  std::string_view name;
  Format format;
};
constexpr FormatName kFormats[] = {{"jsonl", Format::kJsonl},
                                   {"csv", Format::kCsv},
                                   {"recbole", Format::kRecBole},
                                   {"sequences", Format::kSequences}};

std::string_view NameOf(Format format) {
  for (const FormatName& entry : kFormats) {
    if (entry.format == format) return entry.name;
  }
  return "";
}

std::optional<Format> FormatOf(std::string_view name) {
  for (const FormatName& entry : kFormats) {
    if (entry.name == name) return entry.format;
  }
  return std::nullopt;
}

// Native events need no mapping, so that a file of them can be told by its name alone.
bool LooksNative(const std::string& file_name) {
  for (const std::string_view extension : {".jsonl", ".ndjson", ".json"}) {
    for (const std::string_view compression : {"", ".gz", ".zst"}) {
      if (file_name.ends_with(StrCat(extension, compression))) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<const ImportRecipe*> FindImport(const Recipe& recipe, const std::string& path,
                                               const std::string& format) {
  static const ImportRecipe* const kNative = new ImportRecipe();
  std::error_code error;
  const std::filesystem::file_status file = std::filesystem::status(path, error);
  if (!std::filesystem::exists(file)) {
    return NotFound(path, ": cannot be read: ", error ? error.message() : "no such file");
  }
  if (std::filesystem::is_directory(file)) return InvalidArgument(path, ": is a directory");
  std::optional<Format> wanted;
  if (!format.empty()) {
    wanted = FormatOf(format);
    if (!wanted.has_value()) {
      return InvalidArgument("format: \"", format,
                             "\" is not one of jsonl, csv, recbole, sequences");
    }
  }
  const std::string file_name = std::filesystem::path(path).filename().string();
  for (const ImportRecipe& import : recipe.imports) {
    if (wanted.has_value() && import.source.format != *wanted) continue;
    const bool named = !import.files.empty();
    if (named && fnmatch(import.files.c_str(), file_name.c_str(), 0) != 0) continue;
    // A section for all files does not mean the native ones.
    if (!named && !wanted.has_value() && import.source.format != Format::kJsonl &&
        LooksNative(file_name)) {
      continue;
    }
    return &import;
  }
  if (wanted == Format::kJsonl || (!wanted.has_value() && LooksNative(file_name))) return kNative;
  return InvalidArgument(
      path, ": the recipe ", recipe.name, " has no section `import:` ",
      wanted.has_value() ? StrCat("of format ", NameOf(*wanted)) : "for a file of this name",
      "; it would say which column is what");
}

std::string RejectPathOf(const std::string& path) {
  return std::filesystem::path(path).filename().string() + ".rejects.jsonl";
}

ImportOptions MakeImportOptions(const ImportRecipe& import, const ImportRequest& request) {
  ImportOptions options;
  options.source = import.source;
  options.source.path = request.path;
  options.knowledge = import.knowledge;
  options.lag_ms = import.lag_ms;
  options.strict = request.strict;
  options.dry_run = request.dry_run;
  options.reject_path = request.reject_path;
  if (request.reject_path.empty() && !request.dry_run)
    options.reject_path = RejectPathOf(request.path);
  if (request.progress) {
    options.progress = [report = request.progress](const ImportOptions::Progress& progress) {
      const double done = progress.total == 0 ? 0
                                              : static_cast<double>(progress.done) /
                                                    static_cast<double>(progress.total);
      report(progress.phase == ImportOptions::Progress::Phase::kReading ? "reading" : "writing",
             done);
    };
  }
  return options;
}

ImportReport ReportOf(const ImportSummary& summary) {
  return {.lines = summary.lines,
          .lines_skipped = summary.lines_skipped,
          .events = summary.events,
          .accepted = summary.accepted,
          .duplicates = summary.duplicates,
          .rejected = summary.rejected,
          .reject_path = summary.reject_path,
          .first_event_time_ms = summary.first_event_time_ms,
          .last_event_time_ms = summary.last_event_time_ms};
}

absl::StatusOr<ImportReport> Engine::Import(const ImportRequest& request) {
  FOURFOLD_ASSIGN_OR_RETURN(const ImportRecipe* import,
                            FindImport(impl_->recipe, request.path, request.format));
  ImportOptions options = MakeImportOptions(*import, request);
  options.temporary_directory = impl_->directory.temporary();
  FOURFOLD_ASSIGN_OR_RETURN(const ImportSummary summary,
                            ImportFile(impl_->store.get(), impl_->clock, options));
  FOURFOLD_RETURN_IF_ERROR(impl_->FillFeatures());
  return ReportOf(summary);
}

}  // namespace fourfold
