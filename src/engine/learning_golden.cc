#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/learning.h"
#include "offline/retrieval/train_retrievers.h"

namespace fourfold {
namespace {

// Enough for a difference in any part to show, and small beside the rest of a servable.
constexpr std::size_t kGoldenHistoryMax = 200;
constexpr std::size_t kGoldenItemsMax = 2000;

// Users by a fixed hash, so that retraining asks the same ones.
std::vector<std::string> ChooseUsers(const InteractionTable& table, std::size_t count) {
  std::vector<std::string> users;
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    if (table.user_begin[user] < table.user_begin[user + 1]) users.push_back(table.users[user]);
  }
  std::sort(users.begin(), users.end(), [](const std::string& a, const std::string& b) {
    return std::make_pair(StableHash(a), std::string_view(a)) <
           std::make_pair(StableHash(b), std::string_view(b));
  });
  users.resize(std::min(users.size(), count));
  return users;
}

// Who it was is nobody's business, and must not outlive an erasure.
void Anonymise(HistoryEntry* entry) {
  entry->user.clear();
  entry->session.clear();
  entry->ranking.clear();
  entry->tie_group.clear();
  entry->event_digest = {};
  entry->position = 0;
}

// The names of the fields that the filter or a retriever reads: nothing else of an item changes an
// answer.
std::set<std::string> FieldsRead(const Recipe& recipe) {
  const std::vector<std::string> side = SideFieldNames(recipe.retrievers);
  std::set<std::string> names(side.begin(), side.end());
  if (recipe.policy.filter.has_value()) {
    const auto& filtered = recipe.policy.filter->field_names();
    names.insert(filtered.begin(), filtered.end());
  }
  return names;
}

std::vector<Field> ReadFields(const Catalogue::ReadLock& catalogue, const std::string& item,
                              const std::set<std::string>& names) {
  std::vector<Field> fields;
  const ItemIndex index = catalogue.Find(item);
  if (index == kNoItem) return fields;
  for (const std::string& name : names) {
    const FieldValue* value = catalogue.FieldOf(index, name);
    if (value != nullptr) fields.push_back({.name = name, .value = *value});
  }
  return fields;
}

// The items of the histories, and a fixed sample of the rest.
std::vector<std::string> ChooseItems(const Servable& servable) {
  StringSet chosen;
  for (const GoldenRequest& request : servable.golden.requests) {
    for (const HistoryEntry& entry : request.history) chosen.insert(entry.item);
  }
  std::vector<std::string> rest;
  for (const std::string& item : servable.vocabulary) {
    if (!chosen.contains(item)) rest.push_back(item);
  }
  std::sort(rest.begin(), rest.end(), [](const std::string& a, const std::string& b) {
    return std::make_pair(StableHash(a), std::string_view(a)) <
           std::make_pair(StableHash(b), std::string_view(b));
  });
  const std::size_t room = kGoldenItemsMax - std::min(kGoldenItemsMax, chosen.size());
  rest.resize(std::min(rest.size(), room));
  std::vector<std::string> items(chosen.begin(), chosen.end());
  items.insert(items.end(), rest.begin(), rest.end());
  std::sort(items.begin(), items.end());
  return items;
}

}  // namespace

absl::Status AddGoldenRequests(const Learning& learning, const InteractionTable& table,
                               Servable* servable) {
  const Recipe& recipe = learning.recipe;
  if (learning.progress) learning.progress("golden requests", 0);
  const auto count = static_cast<std::size_t>(recipe.servables.golden_requests);
  const std::size_t history_max =
      std::min(kGoldenHistoryMax, static_cast<std::size_t>(recipe.policy.history_actions));
  for (const std::string& name : ChooseUsers(table, count)) {
    EventStore::HistoryRequest request;
    request.since_ms = learning.since_ms;
    request.limit = history_max;
    if (name.starts_with(kAnonymousPrefix)) {
      request.session = std::string_view(name).substr(kAnonymousPrefix.size());
    } else {
      request.user = name;
    }
    GoldenRequest golden;
    golden.name = StrCat("golden-", servable->golden.requests.size() + 1);
    golden.as_of_ms = servable->manifest.as_of_ms;
    if (recipe.policy.filter.has_value()) golden.filter = recipe.policy.filter->text();
    FOURFOLD_RETURN_IF_ERROR(learning.store.ReadHistory(request, learning.at, &golden.history));
    for (HistoryEntry& entry : golden.history) Anonymise(&entry);
    servable->golden.requests.push_back(std::move(golden));
  }
  {
    const std::set<std::string> names = FieldsRead(recipe);
    const Catalogue::ReadLock catalogue(learning.catalogue);
    for (std::string& item : ChooseItems(*servable)) {
      std::vector<Field> fields = ReadFields(catalogue, item, names);
      servable->golden.catalogue.push_back({.item = std::move(item), .fields = std::move(fields)});
    }
  }
  FOURFOLD_ASSIGN_OR_RETURN(servable->golden.requests, AnswerGoldenRequests(*servable));
  if (learning.progress) learning.progress("golden requests", 1);
  return absl::OkStatus();
}

}  // namespace fourfold
