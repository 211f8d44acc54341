#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "feature/event_store_plain.h"
#include "feature/plan/feature_declaration.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/learned_items.h"
#include "math/exp2.h"

// The features' plain twin, for tests: every value looks at all events that name the entity,
// written anew from what docs/features.md says of each kind.
namespace fourfold {

class PlainFeatures {
 public:
  PlainFeatures(const std::vector<FeatureDeclaration>& declarations, const PlainEvents& events)
      : declarations_(declarations), events_(events) {}

  FeatureTable Read(const FeatureRequest& request) {
    request_ = &request;
    FeatureTable table;
    for (const FeatureDeclaration& declaration : declarations_) {
      declared_ = &declaration;
      if (declaration.kind == "sequence") {
        for (std::size_t code = 0; code < Texts("item_fields").size() * ItemValues(); ++code) {
          std::vector<float>& column = table.columns.emplace_back();
          for (const FeatureCandidate& candidate : request.candidates) {
            column.push_back(ItemCode(candidate.item, code));
          }
        }
        table.sequences.push_back(Sequence());
        continue;
      }
      std::vector<float> column;
      const std::size_t count = PerCandidate() ? request.candidates.size() : 1;
      for (std::size_t c = 0; c < count; ++c) column.push_back(ValueOf(c));
      values_[declaration.name] = column;
      table.columns.push_back(std::move(column));
    }
    return table;
  }

 private:
  struct Action {
    HistoryEntry line;
    std::vector<Field> fields;
  };

  // Parameters.
  const FieldValue* Parameter(const std::string& name) const {
    for (const Field& field : declared_->parameters) {
      if (field.name == name) return &field.value;
    }
    return nullptr;
  }
  std::string Text(const std::string& name, const std::string& fallback = "") const {
    const FieldValue* value = Parameter(name);
    return value == nullptr ? fallback : std::get<std::string>(*value);
  }
  std::vector<std::string> Texts(const std::string& name) const {
    const FieldValue* value = Parameter(name);
    return value == nullptr ? std::vector<std::string>()
                            : std::get<std::vector<std::string>>(*value);
  }
  double Number(const std::string& name, double fallback) const {
    const FieldValue* value = Parameter(name);
    return value == nullptr ? fallback : std::get<double>(*value);
  }
  std::int64_t Duration(const std::string& name) const {
    return Parameter(name) == nullptr ? 0 : *ParseDuration(Text(name));
  }
  std::string Entity() const {
    const bool is_own = declared_->kind == "affinity" || IsLearned();
    return Text("entity", is_own ? "user" : "item");
  }

  bool IsLearned() const { return declared_->kind == "covisit" || declared_->kind == "similarity"; }

  bool PerCandidate() const {
    static const std::set<std::string> kAlways = {"affinity",       "input_field",  "input_rank",
                                                  "shown_position", "slate_offset", "slate_rank",
                                                  "slate_zscore"};
    if (kAlways.contains(declared_->kind) || IsLearned()) return true;
    if (declared_->kind == "request") return false;
    return Entity().find("item") != std::string::npos;
  }

  std::vector<Action> WithFields(const std::vector<HistoryEntry>& lines) const {
    std::vector<Action> actions;
    for (const HistoryEntry& line : lines) {
      if (line.kind != HistoryKind::kAction) continue;
      actions.push_back({line, events_.Find(line.position)->event.fields});
    }
    return actions;
  }

  static const FieldValue* FieldOf(const std::vector<Field>& fields, const std::string& name) {
    for (const Field& field : fields) {
      if (field.name == name) return &field.value;
    }
    return nullptr;
  }

  // Newest first: of the entity, of the types, within the window.
  std::vector<Action> Actions(std::size_t c, const std::string& types_name) const {
    const std::string entity = Entity();
    const std::string item = entity.find("item") == std::string::npos || entity == "global"
                                 ? ""
                                 : request_->candidates[c].item;
    std::vector<HistoryEntry> lines;
    if (entity == "item" || entity == "item_context" || entity == "query_item") {
      lines = events_.ReadItemHistory(item, request_->at, SIZE_MAX);
    } else if (entity == "user" || entity == "user_item") {
      if (!request_->user.empty()) {
        lines = events_.ReadHistory({.user = request_->user, .limit = SIZE_MAX}, request_->at);
      }
    } else if (entity == "session" || entity == "session_item") {
      if (!request_->session.empty()) {
        lines =
            events_.ReadHistory({.session = request_->session, .limit = SIZE_MAX}, request_->at);
      }
    } else {
      for (const HistoryEntry& line : events_.lines) {
        if (request_->at.Sees(line)) lines.push_back(line);
      }
      std::sort(lines.begin(), lines.end(), [](const HistoryEntry& a, const HistoryEntry& b) {
        return std::tie(a.event_time_ms, a.event_digest) >
               std::tie(b.event_time_ms, b.event_digest);
      });
    }
    const std::vector<std::string> types = Texts(types_name);
    const std::int64_t window_ms = Duration("window");
    std::vector<Action> actions = WithFields(lines);
    std::erase_if(actions, [&](const Action& action) {
      if (!item.empty() && action.line.item != item) return true;
      if (!types.empty() &&
          std::find(types.begin(), types.end(), action.line.type) == types.end()) {
        return true;
      }
      if (window_ms > 0 && action.line.event_time_ms <= request_->now_ms - window_ms) return true;
      // Written so that joined sessions' actions are judged by the join's known time, too.
      if (!request_->at.Sees(action.line)) return true;
      if (entity != "item_context" && entity != "query_item") return false;
      const std::string name = entity == "query_item" ? "query" : Text("context");
      const FieldValue* theirs = FieldOf(action.fields, name);
      const FieldValue* ours = FieldOf(request_->fields, name);
      return theirs == nullptr || ours == nullptr ||
             !std::holds_alternative<std::string>(*theirs) ||
             std::get<std::string>(*theirs).empty() || *theirs != *ours;
    });
    return actions;
  }

  static double Rounded(const FieldValue* value) {
    double number = 0;
    if (value != nullptr) {
      if (const auto* as_number = std::get_if<double>(value)) number = *as_number;
      if (const auto* flag = std::get_if<bool>(value)) number = *flag ? 1 : 0;
    }
    return std::round(std::clamp(number, -4294967296.0, 4294967296.0) * 1048576);
  }

  // In exact whole numbers, as doubles of at most 2^53 or long doubles of at most 2^64.
  double SumOf(std::size_t c, const std::string& types_name, const std::string& field) const {
    const std::int64_t half_life_ms = Duration("half_life");
    __extension__ __int128 sum = 0;
    for (const Action& action : Actions(c, types_name)) {
      const auto term =
          field.empty() ? 1 : static_cast<std::int64_t>(Rounded(FieldOf(action.fields, field)));
      std::int64_t weight = 1;
      if (half_life_ms > 0) {
        const auto step_ms = static_cast<double>(std::max<std::int64_t>(1, half_life_ms / 8));
        const double steps = std::floor(static_cast<double>(request_->now_ms) / step_ms) -
                             std::floor(static_cast<double>(action.line.event_time_ms) / step_ms);
        if (steps >= 8 * 41) continue;
        weight = std::llround(Exp2(-std::max(0.0, steps) / 8) * 1099511627776.0);
      }
      __extension__ const __int128 weighted = static_cast<__int128>(term) * weight;
      sum += weighted;
    }
    const int bits = (field.empty() ? 0 : 20) + (half_life_ms > 0 ? 40 : 0);
    return static_cast<double>(sum) / std::pow(2.0, bits);
  }

  float AsNumber(const FieldValue* value) const {
    if (value == nullptr) return kNoFeature;
    const std::string contains = Text("contains");
    if (!contains.empty()) {
      if (const auto* text = std::get_if<std::string>(value)) return *text == contains;
      if (const auto* texts = std::get_if<std::vector<std::string>>(value)) {
        return std::count(texts->begin(), texts->end(), contains) > 0;
      }
      return kNoFeature;
    }
    if (const auto* number = std::get_if<double>(value)) return static_cast<float>(*number);
    if (const auto* flag = std::get_if<bool>(value)) return *flag;
    if (const auto* text = std::get_if<std::string>(value)) {
      const std::vector<std::string> categories = Texts("categories");
      for (std::size_t i = 0; i < categories.size(); ++i) {
        if (categories[i] == *text) return static_cast<float>(i);
      }
    }
    return kNoFeature;
  }

  std::optional<FieldValue> Fact(bool is_item, const std::string& id,
                                 const std::string& field) const {
    const EntityAsOf entity =
        is_item ? events_.ReadItem(id, request_->at) : events_.ReadUser(id, request_->at);
    for (const FieldAsOf& fact : entity.fields) {
      if (fact.name == field) return fact.value;
    }
    return std::nullopt;
  }

  std::set<std::string> FactTexts(const std::string& item) const {
    const std::optional<FieldValue> value = Fact(true, item, Text("field"));
    if (!value.has_value()) return {};
    if (const auto* text = std::get_if<std::string>(&*value)) return {*text};
    if (const auto* number = std::get_if<double>(&*value)) return {StrCat(*number)};
    if (const auto* flag = std::get_if<bool>(&*value)) return {*flag ? "true" : "false"};
    if (const auto* texts = std::get_if<std::vector<std::string>>(&*value)) {
      return {texts->begin(), texts->end()};
    }
    return {};
  }

  float Affinity(std::size_t c) const {
    std::vector<Action> actions = Actions(c, "types");
    const auto most = static_cast<std::size_t>(Number("actions", 100));
    if (actions.size() > most) actions.resize(most);
    const std::set<std::string> wanted = FactTexts(request_->candidates[c].item);
    if (actions.empty() || wanted.empty()) return kNoFeature;
    double shared = 0;
    for (const Action& action : actions) {
      for (const std::string& value : FactTexts(action.line.item))
        shared += wanted.contains(value) ? 1 : 0;
    }
    return static_cast<float>(shared / static_cast<double>(actions.size()));
  }

  // The items of the newest actions with their weights, newest first.
  std::vector<std::pair<std::string, double>> Recent(std::size_t c) const {
    std::vector<Action> actions = Actions(c, "types");
    const auto most = static_cast<std::size_t>(Number("actions", 100));
    if (actions.size() > most) actions.resize(most);
    std::vector<std::pair<std::string, double>> recent;
    for (const Action& action : actions) {
      const bool is_met = std::any_of(recent.begin(), recent.end(), [&](const auto& item) {
        return item.first == action.line.item;
      });
      if (is_met) continue;
      double weight = 1;
      for (std::size_t i = 0; i < recent.size(); ++i) weight *= Number("decay", 1);
      recent.emplace_back(action.line.item, weight);
    }
    return recent;
  }

  float Covisit(std::size_t c) const {
    const LearnedItems& learned = *request_->learned;
    const ItemNeighbours* map = learned.FindNeighbours(Text("retriever"));
    const auto recent = Recent(c);
    if (map == nullptr || recent.empty()) return kNoFeature;
    const std::string of = Text("of", "sum");
    std::vector<double> shares;
    for (const auto& [item, weight] : recent) {
      if (learned.Find(item) == LearnedItems::kUnknown) continue;
      const auto neighbours = map->NeighboursOf(learned.Find(item));
      for (std::size_t n = 0; n < neighbours.size(); ++n) {
        if (neighbours[n] != learned.Find(request_->candidates[c].item)) continue;
        const double score = map->ScoresOf(learned.Find(item))[n];
        shares.push_back(of == "count" ? weight : weight * score);
      }
    }
    if (shares.empty()) return 0;
    if (of == "max") return static_cast<float>(*std::max_element(shares.begin(), shares.end()));
    double sum = 0;
    for (const double share : shares) sum += share;
    return static_cast<float>(sum);
  }

  std::vector<double> VectorOf(const std::string& item) const {
    const ItemVectors* vectors = request_->learned->FindVectors(Text("retriever"));
    const std::uint32_t number = request_->learned->Find(item);
    if (vectors == nullptr || number == LearnedItems::kUnknown) return {};
    const auto vector = vectors->VectorOf(number);
    return {vector.begin(), vector.end()};
  }

  static double Product(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }

  float Similarity(std::size_t c) const {
    const std::vector<double> vector = VectorOf(request_->candidates[c].item);
    if (vector.empty()) return kNoFeature;
    std::vector<double> mean(vector.size());
    double weights = 0;
    for (const auto& [item, weight] : Recent(c)) {
      const std::vector<double> other = VectorOf(item);
      if (other.empty()) continue;
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weight * other[i];
      weights += weight;
    }
    if (weights == 0) return kNoFeature;
    for (double& value : mean) value = value / weights;
    const double product = Product(vector, mean);
    if (Text("of", "cosine") == "dot") return static_cast<float>(product);
    const double lengths = std::sqrt(Product(vector, vector)) * std::sqrt(Product(mean, mean));
    return lengths == 0 ? kNoFeature : static_cast<float>(product / lengths);
  }

  float Distinct(std::size_t c) const {
    std::set<std::string> met;
    for (const Action& action : Actions(c, "types")) {
      const std::string of = Text("of", "item");
      met.insert(of == "item"   ? action.line.item
                 : of == "user" ? UserIn(action)
                                : action.line.session);
    }
    met.erase("");
    return static_cast<float>(met.size());
  }
  // A joined session's actions stay anonymous.
  static std::string UserIn(const Action& action) { return action.line.user; }

  float Seconds(std::int64_t then_ms) const {
    return static_cast<float>(static_cast<double>(request_->now_ms - then_ms) / 1000);
  }

  float OfRequest() const {
    const std::string of = Text("of", "hour");
    const auto days = std::floor(static_cast<double>(request_->now_ms) / 86'400'000);
    const double of_day_ms = static_cast<double>(request_->now_ms) - days * 86'400'000;
    FieldValue value;
    if (of == "hour") value = std::floor(of_day_ms / 3'600'000);
    if (of == "weekday") value = days + 3 - 7 * std::floor((days + 3) / 7);
    if (of == "surface") value = request_->surface;
    if (of == "field") {
      const FieldValue* given = FieldOf(request_->fields, Text("field"));
      if (given != nullptr) value = *given;
    }
    return IsEmbedded() ? FirstCodeOf(of == "field" ? Text("field") : of, value) : AsNumber(&value);
  }

  float InSlate(std::size_t c) const {
    const std::vector<float>& column = values_.at(Text("feature"));
    if (declared_->kind == "slate_offset") {
      const std::vector<float>& by = values_.at(Text("by"));
      std::vector<std::pair<float, std::size_t>> order;
      for (std::size_t i = 0; i < by.size(); ++i) {
        const float sign = Text("order") == "ascending" ? 1.0F : -1.0F;
        if (!std::isnan(by[i])) order.push_back({sign * by[i], i});
      }
      if (order.empty()) return kNoFeature;
      const std::size_t first = std::min_element(order.begin(), order.end())->second;
      return std::isnan(column[c]) || std::isnan(column[first]) ? kNoFeature
                                                                : column[c] - column[first];
    }
    if (std::isnan(column[c])) return kNoFeature;
    std::vector<float> known;
    for (const float value : column) {
      if (!std::isnan(value)) known.push_back(value);
    }
    if (declared_->kind == "slate_rank") {
      std::sort(known.begin(), known.end());
      if (Text("order") != "ascending") std::reverse(known.begin(), known.end());
      return static_cast<float>(std::find(known.begin(), known.end(), column[c]) - known.begin() +
                                1);
    }
    double mean = 0;
    for (const float value : known) mean += static_cast<double>(value);
    mean /= static_cast<double>(known.size());
    double variance = 0;
    for (const float value : known) {
      const double off = static_cast<double>(value) - mean;
      variance += off * off;
    }
    const double deviation = std::sqrt(variance / static_cast<double>(known.size()));
    return deviation == 0 ? 0
                          : static_cast<float>((static_cast<double>(column[c]) - mean) / deviation);
  }

  float ValueOf(std::size_t c) {
    const std::string& kind = declared_->kind;
    if (kind == "count") return static_cast<float>(SumOf(c, "types", ""));
    if (kind == "sum") return static_cast<float>(SumOf(c, "types", Text("field")));
    if (kind == "rate") {
      const double strength = Number("strength", 0);
      const double below = SumOf(c, "of_types", "") + strength;
      const double above = SumOf(c, "types", Text("field")) + Number("prior", 0) * strength;
      return below == 0 ? kNoFeature : static_cast<float>(above / below);
    }
    if (kind == "distinct") return Distinct(c);
    if (kind == "recency" || kind == "age" || kind == "last") {
      const std::vector<Action> actions = Actions(c, "types");
      if (actions.empty()) return kNoFeature;
      if (kind == "recency") return Seconds(actions.front().line.event_time_ms);
      if (kind == "age") return Seconds(actions.back().line.event_time_ms);
      if (Text("of") == "type") {
        const FieldValue type = actions.front().line.type;
        return IsEmbedded() ? FirstCodeOf("type", type) : AsNumber(&type);
      }
      const FieldValue* value = FieldOf(actions.front().fields, Text("field"));
      const bool is_text = value != nullptr && std::holds_alternative<std::string>(*value);
      if (IsEmbedded()) return is_text ? FirstCodeOf(Text("field"), *value) : kNoFeature;
      return is_text != (Parameter("categories") != nullptr) ? kNoFeature : AsNumber(value);
    }
    if (kind == "affinity") return Affinity(c);
    if (kind == "covisit") return Covisit(c);
    if (kind == "similarity") return Similarity(c);
    if (kind == "attribute") {
      const bool is_item = Entity() == "item";
      const std::optional<FieldValue> value =
          Fact(is_item, is_item ? request_->candidates[c].item : request_->user, Text("field"));
      if (IsEmbedded()) return FirstCodeOf(Text("field"), value.value_or(FieldValue()));
      return value.has_value() ? AsNumber(&*value) : kNoFeature;
    }
    if (kind == "input_field") {
      const FieldValue* value = FieldOf(request_->candidates[c].fields, Text("field"));
      if (IsEmbedded()) return FirstCodeOf(Text("field"), value ? *value : FieldValue());
      return AsNumber(value);
    }
    if (kind == "input_rank") return static_cast<float>(c + 1);
    if (kind == "shown_position") {
      const int position = request_->candidates[c].shown_position;
      return static_cast<float>(position > 0 ? position : Number("serving", 1));
    }
    return kind == "request" ? OfRequest() : InSlate(c);
  }

  // The shorter of the two ways to write it, each with the fewest digits that say it.
  static std::string Shortest(double number) {
    std::string shortest;
    for (const auto way : {std::ios::fixed, std::ios::scientific}) {
      std::ostringstream text;
      text.setf(way, std::ios::floatfield);
      for (int digits = 0; text.str().empty() || std::stod(text.str()) != number; ++digits) {
        text.str("");
        text << std::setprecision(digits) << number;
      }
      if (shortest.empty() || text.str().size() < shortest.size()) shortest = text.str();
    }
    return shortest;
  }

  // The codes of a field's values, rising.
  static std::vector<float> CodesOf(const std::string& field, const FieldValue& value) {
    std::vector<std::string> texts;
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) texts = *list;
    if (const auto* text = std::get_if<std::string>(&value)) texts = {*text};
    if (const auto* flag = std::get_if<bool>(&value)) texts = {*flag ? "true" : "false"};
    std::vector<double> numbers;
    if (const auto* list = std::get_if<std::vector<double>>(&value)) numbers = *list;
    if (const auto* number = std::get_if<double>(&value)) numbers = {*number};
    for (const double number : numbers) texts.push_back(Shortest(number));
    std::set<float> codes;
    for (const std::string& text : texts) {
      codes.insert(static_cast<float>(StableHash(text, StableHash(field)) >> 40));
    }
    return {codes.begin(), codes.end()};
  }

  bool IsEmbedded() const { return Parameter("embedded") != nullptr; }
  static float FirstCodeOf(const std::string& field, const FieldValue& value) {
    const std::vector<float> codes = CodesOf(field, value);
    return codes.empty() ? kNoFeature : codes[0];
  }

  std::size_t ItemValues() const { return static_cast<std::size_t>(Number("item_values", 1)); }
  float ItemCode(const std::string& item, std::size_t code) const {
    const std::string field = Texts("item_fields")[code / ItemValues()];
    const std::vector<float> codes =
        CodesOf(field, Fact(/*is_item=*/true, item, field).value_or(FieldValue()));
    return code % ItemValues() < codes.size() ? codes[code % ItemValues()] : kNoFeature;
  }

  FeatureSequence Sequence() const {
    FeatureSequence sequence;
    const std::vector<std::string> fields = Texts("fields");
    const std::size_t codes = Texts("item_fields").size() * ItemValues();
    sequence.fields.resize(fields.size() + codes);
    for (const Action& action : Actions(0, "types")) {
      if (sequence.items.size() >= static_cast<std::size_t>(Number("length", 100))) break;
      sequence.items.push_back(action.line.item);
      sequence.types.push_back(action.line.type);
      sequence.event_times_ms.push_back(action.line.event_time_ms);
      for (std::size_t i = 0; i < fields.size(); ++i) {
        const FieldValue* value = FieldOf(action.fields, fields[i]);
        const bool is_text = value != nullptr && std::holds_alternative<std::string>(*value);
        sequence.fields[i].push_back(is_text ? kNoFeature : AsNumber(value));
      }
      for (std::size_t code = 0; code < codes; ++code) {
        sequence.fields[fields.size() + code].push_back(ItemCode(action.line.item, code));
      }
    }
    return sequence;
  }

  const std::vector<FeatureDeclaration>& declarations_;
  const PlainEvents& events_;
  const FeatureRequest* request_ = nullptr;
  const FeatureDeclaration* declared_ = nullptr;
  std::map<std::string, std::vector<float>> values_;
};

}  // namespace fourfold
