#include "simulation/server_feed.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "base/strings.h"
#include "simulation/event_line.h"

namespace fourfold::simulation {
namespace {

using Json = nlohmann::json;

// kNoSlot: no item that is alive.
std::uint32_t SlotOf(const Items& items, std::string_view id) {
  std::uint32_t number = 0;
  const char* end = id.data() + id.size();
  if (!id.starts_with('i')) return kNoSlot;
  const auto [stop, error] = std::from_chars(id.data() + 1, end, number);
  return error == std::errc() && stop == end ? items.SlotOf(number) : kNoSlot;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerFeed>> ServerFeed::Make(const std::string& url,
                                                             const std::string& api_key) {
  FOURFOLD_ASSIGN_OR_RETURN(Endpoint endpoint, ParseLoopbackUrl(url));
  return std::unique_ptr<ServerFeed>(new ServerFeed(std::move(endpoint), url, api_key));
}

absl::Status ServerFeed::Choose(const World& world, const Moment& moment,
                                std::vector<PlacedItem>* slate) {
  const Session& session = *moment.session;
  Json request = {{"user", StrCat("u", session.user)},
                  {"session", StrCat("u", session.user, "-", session.number)},
                  {"limit", world.options().slates.size}};
  if (session.slates_shown > 0) {
    if (const auto page = page_.find(session.user); page != page_.end()) {
      request["after_request"] = page->second;
    }
  }
  const absl::StatusOr<std::string> body = client_.Post("/v1/recommend", request.dump());
  if (!body.ok()) return Annotate(body.status(), url_);
  try {
    const Json answer = Json::parse(*body);
    request_id_ = answer.at("request_id").get<std::string>();
    page_[session.user] = request_id_;
    behind_ms_ = std::max(behind_ms_, moment.time_ms - answer.at("as_of_ms").get<std::int64_t>());
    slate->clear();
    bool poor = false;
    for (const Json& item : answer.at("items")) {
      slate->push_back({.slot = SlotOf(world.items(), item.at("item").get<std::string>())});
      poor = poor || slate->back().slot == kNoSlot;
    }
    poor = poor || slate->size() < static_cast<std::size_t>(world.options().slates.size);
    poor_slates_ += poor ? 1 : 0;
  } catch (const Json::exception& error) {
    return Internal(url_, ": not the answer of a server: ", error.what());
  }
  if (!slate->empty()) return absl::OkStatus();
  return FailedPrecondition(url_, ": an empty slate; has the log been imported there?");
}

absl::Status ServerFeed::Shown(const ShownSlate& slate) {
  names_[slate.ranking] = request_id_;
  return absl::OkStatus();
}

absl::Status ServerFeed::Observe(const World&, const Moment& moment) {
  line_.clear();
  switch (moment.kind) {
    case Moment::Kind::kItemBorn:
      AppendItemBorn(moment.item, moment.time_ms, &line_);
      return Tell(line_);
    case Moment::Kind::kItemDied:
      AppendItemDied(moment.item, moment.time_ms, &line_);
      return Tell(line_);
    case Moment::Kind::kUserArrived:
      AppendUserArrived(*moment.user, moment.time_ms, &line_);
      return Tell(line_);
    case Moment::Kind::kAction: {
      const auto name = names_.find(moment.action.ranking);
      AppendAction(moment.action, *moment.session, moment.time_ms,
                   name == names_.end() ? std::string_view() : name->second, &line_);
      return Tell(line_);
    }
    case Moment::Kind::kDay:
    case Moment::Kind::kSessionStarted:
    case Moment::Kind::kSlateDue:
      break;
  }
  return absl::OkStatus();
}

absl::Status ServerFeed::Tell(std::string_view event) {
  const absl::StatusOr<std::string> body = client_.Post("/v1/events", event);
  if (!body.ok()) return Annotate(body.status(), url_);
  try {
    if (Json::parse(*body).at("results").at(0).at("outcome") == "accepted") {
      return absl::OkStatus();
    }
  } catch (const Json::exception& error) {
    return Internal(url_, ": not the answer of a server: ", error.what());
  }
  return FailedPrecondition(url_, ": has lived through this before (", event.substr(0, 60),
                            "...); begin with a fresh copy of its directory");
}

}  // namespace fourfold::simulation
