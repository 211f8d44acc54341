#include "offline/dataset/interaction_table.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"

namespace fourfold {
namespace {

// Ids as dense numbers in the order met.
class Dictionary {
 public:
  std::uint32_t NumberOf(std::string_view id) {
    const auto found = numbers_.find(id);
    if (found != numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(numbers_.size());
    numbers_.emplace(id, number);
    return number;
  }
  std::optional<std::uint32_t> Find(std::string_view id) const {
    const auto found = numbers_.find(id);
    if (found == numbers_.end()) return std::nullopt;
    return found->second;
  }
  std::size_t size() const { return numbers_.size(); }

  // The ids with `used` set, sorted; new_number[old] is a used one's place among them.
  std::vector<std::string> Sorted(const std::vector<bool>& used,
                                  std::vector<std::uint32_t>* new_number) const {
    std::vector<std::string> ids;
    for (const auto& [id, number] : numbers_) {
      if (used[number]) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    new_number->assign(size(), 0);
    for (std::size_t place = 0; place < ids.size(); ++place) {
      (*new_number)[numbers_.find(ids[place])->second] = static_cast<std::uint32_t>(place);
    }
    return ids;
  }

 private:
  StringMap<std::uint32_t> numbers_;
};

constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

// One action while the log is read; numbers are those of the dictionaries. 56 bytes.
struct Row {
  std::int64_t event_time_ms;
  std::int64_t known_time_ms;
  Digest event_digest;
  std::uint32_t user;  // kNobody: of the anonymous session
  std::uint32_t session;
  std::uint32_t item;
  std::uint32_t tie_group;
  std::uint16_t type;
};

// The first seen event of a session that carries a user says whose the session is (Time, rule 8).
struct Owner {
  std::int64_t event_time_ms = 0;
  std::int64_t known_time_ms = 0;
  Digest event_digest{};
  std::uint32_t user = kNobody;
};

class Reader {
 public:
  explicit Reader(const InteractionTableOptions& options) : options_(options) {}

  absl::Status Read(const EventStore& store) {
    const auto visit = [this](const LoggedEvent& logged) {
      Visit(logged);
      return problem_.ok();
    };
    FOURFOLD_RETURN_IF_ERROR(store.ScanLog(0, options_.at.position_end, visit));
    return problem_;
  }

  InteractionTable Finish() {
    GiveSessionsToOwners();
    std::erase_if(rows_, [&](const Row& row) { return !IsWanted(row); });
    return MakeTable();
  }

 private:
  void Visit(const LoggedEvent& logged) {
    const Event& event = logged.event;
    HistoryEntry line;
    line.event_time_ms = event.event_time_ms;
    line.known_time_ms = logged.known_time_ms;
    line.position = logged.position;
    line.session = event.session;
    line.tie_group = event.tie_group;
    line.step = event.step;
    if (!options_.at.Sees(line)) return;
    if (event.kind == EventKind::kItem) {
      if (options_.declared_items_only) NoteDeclared(event);
      return;
    }
    line.event_digest = DigestOf(event.id);
    if (!event.user.empty() && !event.session.empty()) NoteOwner(event, line);
    if (event.kind == EventKind::kInteraction && event.event_time_ms >= options_.since_ms &&
        IsWantedType(event.type)) {
      AddRow(event, line);
    }
  }

  // A deletion takes nothing back here: the item was declared when it was acted on.
  void NoteDeclared(const Event& event) {
    const std::uint32_t item = items_.NumberOf(event.item);
    declared_.resize(std::max<std::size_t>(declared_.size(), item + std::size_t{1}));
    declared_[item] = true;
  }

  void NoteOwner(const Event& event, const HistoryEntry& line) {
    const std::uint32_t session = sessions_.NumberOf(event.session);
    owners_.resize(std::max<std::size_t>(owners_.size(), session + std::size_t{1}));
    Owner& owner = owners_[session];
    if (owner.user != kNobody && std::tie(owner.event_time_ms, owner.event_digest) <
                                     std::tie(line.event_time_ms, line.event_digest)) {
      return;
    }
    owner = {line.event_time_ms, line.known_time_ms, line.event_digest,
             users_.NumberOf(event.user)};
  }

  void AddRow(const Event& event, const HistoryEntry& line) {
    const std::uint32_t type = types_.NumberOf(event.type);
    if (type > std::numeric_limits<std::uint16_t>::max()) {
      problem_ = absl::ResourceExhaustedError("the log has more than 65,536 types of action");
      return;
    }
    rows_.push_back(
        {.event_time_ms = line.event_time_ms,
         .known_time_ms = line.known_time_ms,
         .event_digest = line.event_digest,
         .user = event.user.empty() ? kNobody : users_.NumberOf(event.user),
         .session = event.user.empty() ? sessions_.NumberOf(event.session) : 0,
         .item = items_.NumberOf(event.item),
         .tie_group = event.tie_group.empty() ? 0 : tie_groups_.NumberOf(event.tie_group) + 1,
         .type = static_cast<std::uint16_t>(type)});
  }

  bool IsWantedType(std::string_view type) const {
    return options_.action_types.empty() ||
           std::find(options_.action_types.begin(), options_.action_types.end(), type) !=
               options_.action_types.end();
  }
  bool IsWanted(const Row& row) const {
    return !options_.declared_items_only || (row.item < declared_.size() && declared_[row.item]);
  }

  void GiveSessionsToOwners() {
    for (Row& row : rows_) {
      if (row.user != kNobody) continue;
      if (row.session < owners_.size() && owners_[row.session].user != kNobody) {
        const Owner& owner = owners_[row.session];
        row.user = owner.user;
        row.known_time_ms = std::max(row.known_time_ms, owner.known_time_ms);
      }
    }
  }

  // Replaces user and session by one number in users' order: users and the anonymous sessions.
  std::vector<std::string> NumberUsers() {
    std::vector<bool> acting_users(users_.size());
    std::vector<bool> anonymous(sessions_.size());
    for (const Row& row : rows_) {
      if (row.user == kNobody) {
        anonymous[row.session] = true;
      } else {
        acting_users[row.user] = true;
      }
    }
    std::vector<std::uint32_t> user_place;
    std::vector<std::uint32_t> session_place;
    std::vector<std::string> names = users_.Sorted(acting_users, &user_place);
    const auto users = static_cast<std::uint32_t>(names.size());
    for (std::string& session : sessions_.Sorted(anonymous, &session_place)) {
      names.push_back(StrCat("session:", session));
    }
    std::vector<std::uint32_t> order(names.size());
    std::iota(order.begin(), order.end(), 0u);
    // A user may have a name that looks like a session's: the user stands first.
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::tie(names[a], a) < std::tie(names[b], b);
    });
    std::vector<std::uint32_t> place(names.size());
    std::vector<std::string> sorted;
    for (const std::uint32_t name : order) {
      place[name] = static_cast<std::uint32_t>(sorted.size());
      sorted.push_back(std::move(names[name]));
    }
    for (Row& row : rows_) {
      row.user =
          place[row.user == kNobody ? users + session_place[row.session] : user_place[row.user]];
    }
    return sorted;
  }

  template <typename Column>
  std::vector<std::string> Renumber(const Dictionary& dictionary, Column column) {
    std::vector<bool> used(dictionary.size());
    for (const Row& row : rows_) used[row.*column] = true;
    std::vector<std::uint32_t> place;
    std::vector<std::string> sorted = dictionary.Sorted(used, &place);
    for (Row& row : rows_) {
      row.*column = static_cast<std::remove_reference_t<decltype(row.*column)>>(place[row.*column]);
    }
    return sorted;
  }

  InteractionTable MakeTable() {
    InteractionTable table;
    table.users = NumberUsers();
    table.items = Renumber(items_, &Row::item);
    table.types = Renumber(types_, &Row::type);
    for (std::size_t item = 0; item < table.items.size(); ++item) {
      table.item_index.emplace(table.items[item], static_cast<std::uint32_t>(item));
    }
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return std::tie(a.user, a.event_time_ms, a.event_digest) <
             std::tie(b.user, b.event_time_ms, b.event_digest);
    });

    table.user_begin.assign(table.users.size() + 1, 0);
    for (const Row& row : rows_) ++table.user_begin[row.user + 1];
    std::partial_sum(table.user_begin.begin(), table.user_begin.end(), table.user_begin.begin());
    // Tie groups get numbers in the order of the rows, which the log's order does not change.
    std::vector<std::uint32_t> group_number(tie_groups_.size() + 1, 0);
    std::uint32_t groups = 0;
    bool known_at_once = true;
    for (const Row& row : rows_) {
      if (row.tie_group != 0 && group_number[row.tie_group] == 0) {
        group_number[row.tie_group] = ++groups;
      }
      table.item.push_back(row.item);
      table.type.push_back(row.type);
      table.event_time_ms.push_back(row.event_time_ms);
      table.tie_group.push_back(group_number[row.tie_group]);
      known_at_once &= row.known_time_ms == row.event_time_ms;
    }
    if (!known_at_once) {
      for (const Row& row : rows_) table.known_time_ms.push_back(row.known_time_ms);
    }
    return table;
  }

  const InteractionTableOptions& options_;
  absl::Status problem_;
  Dictionary users_, sessions_, items_, types_, tie_groups_;
  std::vector<Owner> owners_;   // by session
  std::vector<bool> declared_;  // by item
  std::vector<Row> rows_;
};

}  // namespace

absl::StatusOr<InteractionTable> ReadInteractions(const EventStore& store,
                                                  const InteractionTableOptions& options) {
  Reader reader(options);
  FOURFOLD_RETURN_IF_ERROR(reader.Read(store));
  return reader.Finish();
}

}  // namespace fourfold
