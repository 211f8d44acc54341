#include "server/feature_bodies.h"

#include "base/strings.h"
#include "data/limits.h"
#include "server/body_reader.h"

namespace fourfold {
namespace {

namespace dom = simdjson::dom;

void ReadId(std::string_view key, dom::element value, std::string* id, FieldErrors* errors) {
  std::string_view read;
  if (value.get(read) || read.size() > limits::kIdBytesMax) {
    errors->push_back(
        {std::string(key), StrCat("must be a string of at most ", limits::kIdBytesMax, " bytes")});
  } else {
    id->assign(read);
  }
}

void ReadItems(dom::element value, std::vector<std::string>* items, FieldErrors* errors) {
  dom::array list;
  if (value.get(list) || list.size() > limits::kSlateItemsMax) {
    errors->push_back(
        {"items", StrCat("must be a list of at most ", limits::kSlateItemsMax, " strings")});
    return;
  }
  for (const dom::element element : list) {
    ReadId(StrCat("items[", items->size(), "]"), element, &items->emplace_back(), errors);
  }
}

void ReadMoment(std::string_view key, dom::element value, std::optional<std::int64_t>* time_ms,
                FieldErrors* errors) {
  std::int64_t read_ms = kNoTimeMs;
  ReadTimestamp(key, value, &read_ms, errors);
  if (read_ms != kNoTimeMs) *time_ms = read_ms;
}

// "id", or {"item": "id", "fields": {...}}.
void ReadRankItem(std::string_view key, dom::element value, RankItem* item, FieldErrors* errors) {
  dom::object object;
  if (value.get(object)) return ReadId(key, value, &item->item, errors);
  for (const dom::key_value_pair member : object) {
    if (member.key == "item") {
      ReadId(StrCat(key, ".item"), member.value, &item->item, errors);
    } else if (member.key == "fields") {
      ReadFields(StrCat(key, ".fields"), member.value, &item->fields, errors);
    } else {
      errors->push_back({StrCat(key, ".", std::string_view(member.key)), "is not known here"});
    }
  }
}

void ReadRankItems(dom::element value, std::vector<RankItem>* items, FieldErrors* errors) {
  dom::array list;
  if (value.get(list) || list.size() > limits::kSlateItemsMax) {
    errors->push_back({"items", StrCat("must be a list of at most ", limits::kSlateItemsMax)});
    return;
  }
  for (const dom::element element : list) {
    if (errors->size() >= 100) return;  // enough to be told at once
    const std::string key = StrCat("items[", items->size(), "]");
    ReadRankItem(key, element, &items->emplace_back(), errors);
  }
}

// The keys that requests about features share; false for any other.
template <typename Request>
bool ReadWho(std::string_view key, dom::element value, Request* request, FieldErrors* errors) {
  if (key == "user") {
    ReadId(key, value, &request->user, errors);
  } else if (key == "session") {
    ReadId(key, value, &request->session, errors);
  } else if (key == "surface") {
    ReadId(key, value, &request->surface, errors);
  } else if (key == "fields") {
    ReadFields(key, value, &request->fields, errors);
  } else {
    return false;
  }
  return true;
}

}  // namespace

FieldErrors DecodeRankBody(std::string_view body, RankRequest* request) {
  FieldErrors errors;
  ForEachMember(body, &errors, [&](std::string_view key, dom::element value) {
    if (value.is_null() || ReadWho(key, value, request, &errors)) return;
    if (key == "items") {
      ReadRankItems(value, &request->items, &errors);
    } else if (key == "explain") {
      if (value.get(request->explain)) errors.push_back({"explain", "must be true or false"});
    } else {
      errors.push_back({std::string(key), "is not known here"});
    }
  });
  return errors;
}

FieldErrors DecodeValueModelBody(std::string_view body,
                                 std::vector<std::pair<std::string, double>>* weights) {
  FieldErrors errors;
  bool given = false;
  ForEachMember(body, &errors, [&](std::string_view key, dom::element value) {
    if (key != "weights") {
      errors.push_back({std::string(key), "is not known here"});
      return;
    }
    given = true;
    dom::object object;
    if (value.get(object)) {
      errors.push_back({"weights", "must be an object of heads and numbers"});
      return;
    }
    for (const dom::key_value_pair member : object) {
      double weight = 0;
      if (errors.size() >= 100) return;  // enough to be told at once
      if (member.value.get(weight)) {
        errors.push_back({StrCat("weights.", std::string_view(member.key)), "must be a number"});
      } else {
        weights->emplace_back(member.key, weight);
      }
    }
  });
  if (errors.empty() && !given) errors.push_back({"weights", "is missing"});
  return errors;
}

FieldErrors DecodeFeatureReadBody(std::string_view body, FeatureReadRequest* request) {
  FieldErrors errors;
  ForEachMember(body, &errors, [&](std::string_view key, dom::element value) {
    if (value.is_null() || ReadWho(key, value, request, &errors)) return;
    if (key == "items") {
      ReadItems(value, &request->items, &errors);
    } else if (key == "as_of") {
      ReadMoment(key, value, &request->as_of_ms, &errors);
    } else if (key == "known_at") {
      ReadMoment(key, value, &request->known_at_ms, &errors);
    } else {
      errors.push_back({std::string(key), "is not known here"});
    }
  });
  return errors;
}

}  // namespace fourfold
