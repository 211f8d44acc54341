#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "engine/recipe.h"
#include "fourfold/engine.h"
#include "offline/ingest/importer.h"

namespace fourfold {

// The import section that is meant for a file: the first one whose format (if one is wanted) and
// whose `files` pattern fit its name. Native JSON lines need no section. InvalidArgument: none.
absl::StatusOr<const ImportRecipe*> FindImport(const Recipe& recipe, const std::string& path,
                                               const std::string& format);

// Where a file's refused lines go by default: the current directory.
std::string RejectPathOf(const std::string& path);
ImportOptions MakeImportOptions(const ImportRecipe& import, const ImportRequest& request);
ImportReport ReportOf(const ImportSummary& summary);

}  // namespace fourfold
