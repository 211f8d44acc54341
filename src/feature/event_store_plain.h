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

// The event store's plain twin, for tests: every read looks at the whole log, filters and sorts.
namespace fourfold {

class PlainEvents {
 public:
  std::vector<LoggedEvent> log;
  std::vector<HistoryEntry> lines;                   // of the log, one for one
  std::map<std::string, std::int64_t> erased_at_ms;  // by user

  void Add(LoggedEvent logged) {
    lines.push_back(LineOf(logged));
    log.push_back(std::move(logged));
  }

  std::vector<HistoryEntry> ReadHistory(const EventStore::HistoryRequest& request,
                                        const ReadPoint& at) const {
    std::map<std::string, HistoryEntry> owners;
    if (!request.user.empty()) owners = Owners(at);
    std::vector<HistoryEntry> entries;
    for (HistoryEntry& line : Seen(at)) {
      const bool is_wanted = (line.kind == HistoryKind::kAction && request.actions) ||
                             (line.kind == HistoryKind::kImpression && request.impressions);
      if (!is_wanted || line.event_time_ms < request.since_ms) continue;
      const bool by_session = !request.session.empty() && line.session == request.session;
      const bool by_user = !request.user.empty() && line.user == request.user;
      if (!by_session && !by_user) {
        if (!line.user.empty()) continue;
        const auto owner = owners.find(line.session);
        if (owner == owners.end() || owner->second.user != request.user) continue;
        line.known_time_ms = std::max(line.known_time_ms, owner->second.known_time_ms);
      }
      entries.push_back(std::move(line));
    }
    return Newest(std::move(entries), request.limit);
  }

  std::vector<HistoryEntry> ReadItemHistory(std::string_view item, const ReadPoint& at,
                                            std::size_t limit) const {
    std::vector<HistoryEntry> entries;
    for (HistoryEntry& line : Seen(at)) {
      if (line.item == item) entries.push_back(std::move(line));
    }
    return Newest(std::move(entries), limit);
  }

  EntityAsOf ReadItem(std::string_view item, const ReadPoint& at) const {
    return ReadFacts(EventKind::kItem, item, at);
  }

  EntityAsOf ReadUser(std::string_view user, const ReadPoint& at) const {
    EntityAsOf entity = ReadFacts(EventKind::kUser, user, at);
    const auto erased = erased_at_ms.find(std::string(user));
    if (erased == erased_at_ms.end() || entity.exists) return entity;
    if (!ReadHistory({.user = user, .limit = 1, .impressions = true}, at).empty()) return entity;
    entity.erased = true;
    entity.erased_at_ms = erased->second;
    return entity;
  }

  // Takes out what EraseUser takes out; returns how many events that were.
  std::size_t EraseUser(const std::string& user, std::int64_t now_ms) {
    const std::map<std::string, HistoryEntry> owners = Owners(EverythingKnown());
    PlainEvents rest;
    for (LoggedEvent& logged : log) {
      const auto owner = owners.find(logged.event.session);
      const bool is_theirs = logged.event.user.empty()
                                 ? owner != owners.end() && owner->second.user == user
                                 : logged.event.user == user;
      if (!is_theirs) rest.Add(std::move(logged));
    }
    const std::size_t erased = log.size() - rest.log.size();
    log = std::move(rest.log);
    lines = std::move(rest.lines);
    if (erased > 0) erased_at_ms[user] = now_ms;
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

 private:
  static auto Order(const HistoryEntry& line) {
    return std::tie(line.event_time_ms, line.event_digest);
  }

  std::vector<HistoryEntry> Seen(const ReadPoint& at) const {
    std::vector<HistoryEntry> seen;
    std::copy_if(lines.begin(), lines.end(), std::back_inserter(seen),
                 [&](const HistoryEntry& line) { return at.Sees(line); });
    return seen;
  }

  // By session: its first seen event that carries a user.
  std::map<std::string, HistoryEntry> Owners(const ReadPoint& at) const {
    std::map<std::string, HistoryEntry> owners;
    for (const HistoryEntry& line : Seen(at)) {
      if (line.session.empty() || line.user.empty()) continue;
      const auto [owner, is_first] = owners.emplace(line.session, line);
      if (!is_first && Order(line) < Order(owner->second)) owner->second = line;
    }
    return owners;
  }

  static std::vector<HistoryEntry> Newest(std::vector<HistoryEntry> entries, std::size_t limit) {
    std::sort(entries.begin(), entries.end(),
              [](const HistoryEntry& a, const HistoryEntry& b) { return Order(a) > Order(b); });
    if (entries.size() > limit) entries.resize(limit);
    return entries;
  }

  // Folds the events in order, oldest first.
  EntityAsOf ReadFacts(EventKind kind, std::string_view id, const ReadPoint& at) const {
    std::vector<std::pair<HistoryEntry, const Event*>> facts;
    for (std::size_t i = 0; i < log.size(); ++i) {
      const Event& event = log[i].event;
      if (event.kind != kind || (kind == EventKind::kItem ? event.item : event.user) != id)
        continue;
      if (at.Sees(lines[i])) facts.emplace_back(lines[i], &event);
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
};

}  // namespace fourfold
