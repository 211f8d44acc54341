#include "engine/past_fits.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/exam.h"
#include "servable/learned_items.h"

namespace fourfold {
namespace {

// Of a log that was known only once it was imported, what had happened.
InteractionTable Before(const InteractionTable& table, std::int64_t cut_ms,
                        bool is_known_at_import) {
  const bool all_known = is_known_at_import || table.known_time_ms.empty();
  std::vector<char> keep(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const bool known = all_known || table.known_time_ms[row] < cut_ms;
    keep[row] = known && table.event_time_ms[row] < cut_ms ? 1 : 0;
  }
  return KeepRows(table, keep);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PastFits>> PastFits::Make(
    const Learning& learning, const InteractionTable& table, const BlendSpec& blend,
    const std::vector<RetrieverSpec>& retrievers, const std::vector<std::int64_t>& from_ms) {
  const auto fits = std::shared_ptr<PastFits>(new PastFits());
  for (const std::int64_t cut_ms : from_ms) {
    const InteractionTable past = Before(table, cut_ms, IsKnownAtImport(learning.recipe));
    if (past.rows() == 0) {
      return InvalidArgument("the log holds too few actions to learn retrieval from before the ",
                             "rows of the ranker");
    }
    FOURFOLD_ASSIGN_OR_RETURN(Servable fitted,
                              FitServable(KnownBy(learning, cut_ms - 1), past, cut_ms - 1,
                                          "fitting what the ranker's rows know", &retrievers));
    fitted.manifest.blend = blend;
    auto servable = std::make_shared<const Servable>(std::move(fitted));
    fits->learned_.emplace(cut_ms, LearnedItemsOf(servable));
    fits->servables_.emplace(cut_ms, std::move(servable));
  }
  return std::shared_ptr<const PastFits>(fits);
}

const std::shared_ptr<const LearnedItems>& PastFits::LearnedBefore(std::int64_t now_ms) const {
  const auto after = learned_.upper_bound(now_ms);
  FOURFOLD_CHECK(after != learned_.begin());
  return std::prev(after)->second;
}

}  // namespace fourfold
