#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "client/loopback_http.h"
#include "simulation/feed.h"

namespace fourfold::simulation {

// What a server answers, over HTTP: it is asked for slates, page after page of a session, and told
// of items, users and actions as they come. The server logs its slates itself.
class ServerFeed final : public Feed {
 public:
  // InvalidArgument for an address beyond this machine.
  static absl::StatusOr<std::unique_ptr<ServerFeed>> Make(const std::string& url,
                                                          const std::string& api_key);

  // Errors name the server. FailedPrecondition for an empty slate.
  absl::Status Choose(const World& world, const Moment& moment,
                      std::vector<PlacedItem>* slate) override;
  absl::Status Shown(const ShownSlate& slate) override;
  // FailedPrecondition when the server has the event already: it has lived this before.
  absl::Status Observe(const World& world, const Moment& moment) override;

  // By how much the server's clock was behind the world's at worst; what it is told is dated back
  // to its clock then.
  std::int64_t behind_ms() const { return behind_ms_; }
  // Slates that held fewer items than asked for, or some that are not alive.
  std::uint64_t poor_slates() const { return poor_slates_; }

 private:
  ServerFeed(Endpoint endpoint, std::string url, const std::string& api_key)
      : client_(std::move(endpoint), api_key), url_(std::move(url)) {}

  absl::Status Tell(std::string_view event);

  HttpClient client_;
  std::string url_;
  std::string line_;
  std::string request_id_;                                 // of the slate last chosen
  absl::flat_hash_map<std::uint64_t, std::string> names_;  // of slates, by their numbers
  absl::flat_hash_map<std::uint32_t, std::string> page_;   // last page of each user's session
  std::int64_t behind_ms_ = 0;
  std::uint64_t poor_slates_ = 0;
};

}  // namespace fourfold::simulation
