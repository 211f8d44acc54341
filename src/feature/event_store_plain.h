#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "feature/event_store.h"
#include "feature/event_store_codec.h"

// The event store's plain twin, for tests: every read looks at all events that name the entity,
// filters and sorts.
namespace fourfold {

class PlainEvents {
 public:
  std::vector<LoggedEvent> log;
  std::vector<HistoryEntry> lines;                   // of the log, one for one
  std::map<std::string, std::int64_t> erased_at_ms;  // by user

  void Add(LoggedEvent logged) {
    const std::size_t place = log.size();
    lines.push_back(LineOf(logged));
    places_[logged.position] = place;
    named_by_item_[logged.event.item].push_back(place);
    named_by_user_[logged.event.user].push_back(place);
    named_by_session_[logged.event.session].push_back(place);
    log.push_back(std::move(logged));
  }

  std::vector<HistoryEntry> ReadHistory(const EventStore::HistoryRequest& request,
                                        const ReadPoint& at) const {
    std::map<std::size_t, HistoryEntry> entries;  // by place in the log: each once
    const auto add = [&](std::size_t place, std::int64_t known_from_ms) {
      const HistoryEntry& line = lines[place];
      const bool is_wanted = (line.kind == HistoryKind::kAction && request.actions) ||
                             (line.kind == HistoryKind::kImpression && request.impressions);
      if (!is_wanted || line.event_time_ms < request.since_ms || !at.Sees(line)) return;
      HistoryEntry& entry = entries.emplace(place, line).first->second;
      entry.known_time_ms = std::max(entry.known_time_ms, known_from_ms);
    };
    if (!request.session.empty()) {
      for (const std::size_t place : Named(named_by_session_, request.session)) {
        add(place, kSinceForEverMs);
      }
    }
    if (!request.user.empty()) {
      std::set<std::string> sessions;
      for (const std::size_t place : Named(named_by_user_, request.user)) {
        add(place, kSinceForEverMs);
        sessions.insert(lines[place].session);
      }
      sessions.erase("");
      for (const std::string& session : sessions) {
        const HistoryEntry* owner = OwnerOf(session, at);
        if (owner == nullptr || owner->user != request.user || session == request.session) continue;
        for (const std::size_t place : Named(named_by_session_, session)) {
          if (lines[place].user.empty()) add(place, owner->known_time_ms);
        }
      }
    }
    std::vector<HistoryEntry> newest;
    newest.reserve(entries.size());
    for (auto& [place, entry] : entries) newest.push_back(std::move(entry));
    return Newest(std::move(newest), request.limit);
  }

  std::vector<HistoryEntry> ReadItemHistory(std::string_view item, const ReadPoint& at,
                                            std::size_t limit) const {
    std::vector<HistoryEntry> entries;
    for (const std::size_t place : Named(named_by_item_, item)) {
      if (at.Sees(lines[place])) entries.push_back(lines[place]);
    }
    return Newest(std::move(entries), limit);
  }

  EntityAsOf ReadItem(std::string_view item, const ReadPoint& at) const {
    return ReadFacts(EventKind::kItem, Named(named_by_item_, item), at);
  }

  EntityAsOf ReadUser(std::string_view user, const ReadPoint& at) const {
    EntityAsOf entity = ReadFacts(EventKind::kUser, Named(named_by_user_, user), at);
    const auto erased = erased_at_ms.find(std::string(user));
    if (erased == erased_at_ms.end() || entity.exists) return entity;
    if (!ReadHistory({.user = user, .limit = 1, .impressions = true}, at).empty()) return entity;
    entity.erased = true;
    entity.erased_at_ms = erased->second;
    return entity;
  }

  // Takes out what EraseUser takes out; returns how many events that were.
  std::size_t EraseUser(const std::string& user, std::int64_t now_ms) {
    PlainEvents rest;
    rest.erased_at_ms = erased_at_ms;
    for (const LoggedEvent& logged : log) {
      const HistoryEntry* owner = OwnerOf(logged.event.session, EverythingKnown());
      const bool is_theirs = logged.event.user.empty() ? owner != nullptr && owner->user == user
                                                       : logged.event.user == user;
      if (!is_theirs) rest.Add(logged);
    }
    const std::size_t erased = log.size() - rest.log.size();
    if (erased > 0) rest.erased_at_ms[user] = now_ms;
    *this = std::move(rest);
    return erased;
  }

  std::set<std::string> Users() const {
    std::set<std::string> users;
    for (const LoggedEvent& logged : log) {
      if (!logged.event.user.empty()) users.insert(logged.event.user);
    }
    return users;
  }
  std::set<std::string> Items() const {
    std::set<std::string> items;
    for (const LoggedEvent& logged : log) {
      if (!logged.event.item.empty()) items.insert(logged.event.item);
    }
    return items;
  }
  std::set<std::string> Sessions() const {
    std::set<std::string> sessions;
    for (const LoggedEvent& logged : log) {
      if (!logged.event.session.empty()) sessions.insert(logged.event.session);
    }
    return sessions;
  }

  // The event of a position; null where it was never added.
  const LoggedEvent* Find(Position position) const {
    const auto place = places_.find(position);
    return place == places_.end() ? nullptr : &log[place->second];
  }

 private:
  using Places = std::map<std::string, std::vector<std::size_t>, std::less<>>;
  static const std::vector<std::size_t>& Named(const Places& places, std::string_view id) {
    static const std::vector<std::size_t> none;
    const auto found = places.find(id);
    return found == places.end() ? none : found->second;
  }

  static auto Order(const HistoryEntry& line) {
    return std::tie(line.event_time_ms, line.event_digest);
  }

  // The session's first seen event that carries a user; null where there is none.
  const HistoryEntry* OwnerOf(const std::string& session, const ReadPoint& at) const {
    if (session.empty()) return nullptr;
    const HistoryEntry* owner = nullptr;
    for (const std::size_t place : Named(named_by_session_, session)) {
      const HistoryEntry& line = lines[place];
      if (line.user.empty() || !at.Sees(line)) continue;
      if (owner == nullptr || Order(line) < Order(*owner)) owner = &line;
    }
    return owner;
  }

  static std::vector<HistoryEntry> Newest(std::vector<HistoryEntry> entries, std::size_t limit) {
    std::sort(entries.begin(), entries.end(),
              [](const HistoryEntry& a, const HistoryEntry& b) { return Order(a) > Order(b); });
    if (entries.size() > limit) entries.resize(limit);
    return entries;
  }

  // Folds the events in order, oldest first.
  EntityAsOf ReadFacts(EventKind kind, const std::vector<std::size_t>& named,
                       const ReadPoint& at) const {
    std::vector<std::pair<HistoryEntry, const Event*>> facts;
    for (const std::size_t place : named) {
      if (log[place].event.kind != kind) continue;
      if (at.Sees(lines[place])) facts.emplace_back(lines[place], &log[place].event);
    }
    std::sort(facts.begin(), facts.end(),
              [](const auto& a, const auto& b) { return Order(a.first) < Order(b.first); });
    EntityAsOf entity;
    std::map<std::string, FieldAsOf> fields;
    for (const auto& [line, event] : facts) {
      entity.exists = !event->deleted;
      if (event->deleted) {
        fields.clear();
        continue;
      }
      for (const Field& field : event->fields) {
        fields.insert_or_assign(field.name,
                                FieldAsOf{field.name, field.value, event->event_time_ms});
      }
    }
    for (auto& [name, field] : fields) {
      if (!std::holds_alternative<std::monostate>(field.value)) {
        entity.fields.push_back(std::move(field));
      }
    }
    return entity;
  }

  std::map<Position, std::size_t> places_;  // in the log
  Places named_by_item_;                    // of the events that name each
  Places named_by_user_;
  Places named_by_session_;
};

}  // namespace fourfold
