#include "simulation/event_line.h"

#include <charconv>
#include <cstring>

#include "base/check.h"

namespace fourfold::simulation {
namespace {

constexpr std::array<std::string_view, kTopicsMax> kTopics = {
    "garden", "travel", "food",   "fashion",  "music",   "sport",   "film",    "cars",
    "homes",  "art",    "books",  "animals",  "games",   "science", "history", "beauty",
    "health", "toys",   "crafts", "weddings", "parties", "nature",  "ships",   "trains",
    "maps",   "jewels", "tea",    "coffee",   "wine",    "dance",   "theatre", "poetry"};

// More than any line without its impressions and without the name of its ranking; and more than an
// impression.
constexpr std::size_t kLineBytesMax = 512;
constexpr std::size_t kImpressionBytesMax = 32;

// Writes into room made beforehand: a log is mostly this.
class LineWriter {
 public:
  LineWriter(std::string* out, std::size_t bytes_max) : out_(out), begin_(out->size()) {
    out->resize(begin_ + bytes_max);
    at_ = out->data() + begin_;
  }
  ~LineWriter() {
    const auto size = static_cast<std::size_t>(at_ - out_->data());
    FOURFOLD_CHECK(size <= out_->size());
    out_->resize(size);
  }
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  LineWriter& Text(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  LineWriter& Number(std::uint64_t number) {
    constexpr std::ptrdiff_t kDigitsMax = 20;
    at_ = std::to_chars(at_, at_ + kDigitsMax, number).ptr;
    return *this;
  }
  LineWriter& Time(std::int64_t time_ms) {
    return Text("\",\"timestamp\":\"").Number(static_cast<std::uint64_t>(time_ms));
  }
  LineWriter& Visit(const Session& session) {
    Text("\",\"user\":\"u").Number(session.user).Text("\",\"session\":\"u").Number(session.user);
    return Text("-").Number(session.number);
  }

 private:
  std::string* out_;
  std::size_t begin_;
  char* at_;
};

}  // namespace

std::string_view TopicName(int topic) { return kTopics[static_cast<std::size_t>(topic)]; }

void AppendItemBorn(const Item& item, std::int64_t time_ms, std::string* out) {
  LineWriter line(out, kLineBytesMax);
  const std::string_view topic = TopicName(item.main_topic);
  line.Text("{\"event\":\"item\",\"id\":\"i").Number(item.number).Text("-born").Time(time_ms);
  line.Text("\",\"item\":\"i").Number(item.number);
  line.Text("\",\"fields\":[{\"name\":\"title\",\"value\":\"").Text(topic).Text(" ");
  line.Number(item.number).Text("\"},{\"name\":\"topic\",\"value\":\"").Text(topic);
  line.Text("\"},{\"name\":\"second_topic\",\"value\":\"").Text(TopicName(item.second_topic));
  line.Text("\"}]}\n");
}

void AppendItemDied(const Item& item, std::int64_t time_ms, std::string* out) {
  LineWriter line(out, kLineBytesMax);
  line.Text("{\"event\":\"item\",\"id\":\"i").Number(item.number).Text("-died").Time(time_ms);
  line.Text("\",\"item\":\"i").Number(item.number).Text("\",\"deleted\":true}\n");
}

void AppendUserArrived(const User& user, std::int64_t time_ms, std::string* out) {
  LineWriter line(out, kLineBytesMax);
  line.Text("{\"event\":\"user\",\"id\":\"u").Number(user.number).Text("-arrived").Time(time_ms);
  line.Text("\",\"user\":\"u").Number(user.number);
  line.Text("\",\"fields\":[{\"name\":\"topics\",\"value\":[");
  for (int i = 0; i < user.known_topics; ++i) {
    line.Text(i == 0 ? "\"" : ",\"").Text(TopicName(user.known_topic[i])).Text("\"");
  }
  line.Text("]}]}\n");
}

void AppendRanking(const ShownSlate& slate, std::string* out) {
  LineWriter line(out, kLineBytesMax + slate.impressions.size() * kImpressionBytesMax);
  line.Text("{\"event\":\"ranking\",\"id\":\"r").Number(slate.ranking).Time(slate.time_ms);
  line.Visit(*slate.session).Text("\",\"surface\":\"home\",\"items\":[{\"id\":\"i");
  bool first = true;
  for (const Impression& impression : slate.impressions) {
    if (!first) line.Text("\"},{\"id\":\"i");
    first = false;
    line.Number(impression.item);
  }
  line.Text("\"}]}\n");
}

void AppendAction(const Action& action, const Session& session, std::int64_t time_ms,
                  std::string_view ranking, std::string* out) {
  LineWriter line(out, kLineBytesMax + ranking.size());
  const std::string_view kind = kActionNames[static_cast<std::size_t>(action.kind)];
  line.Text("{\"event\":\"interaction\",\"id\":\"r").Number(action.ranking).Text("-i");
  line.Number(action.item).Text("-").Text(kind).Time(time_ms).Visit(session);
  line.Text("\",\"type\":\"").Text(kind).Text("\",\"item\":\"i").Number(action.item);
  line.Text("\",\"ranking\":\"");
  if (ranking.empty()) {
    line.Text("r").Number(action.ranking);
  } else {
    line.Text(ranking);
  }
  line.Text("\"}\n");
}

}  // namespace fourfold::simulation
