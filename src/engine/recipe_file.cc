#include "engine/recipe_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "engine/recipe_override.h"

namespace fourfold {
namespace {

constexpr std::size_t kRecipeBytesMax = 1 << 20;

absl::Status ProblemsOf(const RecipeReading& reading) {
  std::vector<std::pair<int, std::string>> problems = reading.problems;
  if (problems.empty()) return absl::OkStatus();
  std::stable_sort(problems.begin(), problems.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return absl::InvalidArgumentError(absl::StrJoin(
      problems, "\n", [](std::string* out, const auto& problem) { out->append(problem.second); }));
}

}  // namespace

absl::StatusOr<std::string> ReadRecipeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound(path, ": ", std::strerror(errno));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::Status ReadRecipeText(const std::string& text, std::string_view file,
                            std::span<const Environment::value_type> overrides,
                            const std::function<void(RecipeSection& root)>& read) {
  RecipeReading reading;
  reading.file = file;
  if (text.size() > kRecipeBytesMax) return InvalidArgument(file, ": longer than 1 MiB");
  try {
    YAML::Node document = YAML::Load(text);
    if (!document.IsDefined() || document.IsNull()) return InvalidArgument(file, ": is empty");
    for (const auto& [variable, value] : overrides) {
      const absl::Status status = ApplyRecipeOverride(variable, value, &document, &reading);
      if (!status.ok()) reading.problems.emplace_back(0, std::string(MessageOf(status)));
    }
    RecipeSection root(&reading, document, "");
    read(root);
    root.Finish();
  } catch (const YAML::Exception& error) {
    return InvalidArgument(file, ":", error.mark.line + 1, ": not YAML: column ",
                           error.mark.column + 1, ": ", error.msg);
  }
  return ProblemsOf(reading);
}

std::vector<RecipeKey> CollectRecipeKeys(const std::function<void(RecipeSection& root)>& read) {
  std::vector<RecipeKey> keys;
  RecipeReading reading;
  reading.keys = &keys;
  RecipeSection root(&reading, YAML::Node(), "");
  read(root);
  return keys;
}

}  // namespace fourfold
