#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fourfold/event.h"

// Ids for events whose source gives none.
namespace fourfold {

// The id of the occurrence-th event (from 0) with this content in its file: 22 characters of
// base64url over the digest of the event's record (data/event_codec.h, version 1) without its id.
// The same file gives the same ids again, on every machine and in every later version, so that
// importing it twice changes nothing, while true repetitions stay apart.
std::string ContentId(const Event& event, std::uint64_t occurrence);

// The same, given the record of the event with an empty id.
std::string ContentIdOfRecord(std::string_view record, std::uint64_t occurrence);

}  // namespace fourfold
