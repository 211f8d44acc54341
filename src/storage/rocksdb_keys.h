#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>

#include "base/coding.h"
#include "storage/store.h"

// Keys of the history family: storage/rocksdb_store.h has the bytes.
namespace fourfold::storage {

inline constexpr std::size_t kPlaceBytes = 24;  // time and record id

inline void AppendEntityKey(std::string_view entity, std::string* out) {
  for (;;) {
    const std::size_t zero = entity.find('\0');
    out->append(entity.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out->append("\0\xff", 2);
    entity.remove_prefix(zero + 1);
  }
  out->append("\0\0", 2);
}

// The entity of an escaped name, with or without its terminator.
inline std::string EntityOfKey(std::string_view escaped) {
  std::string entity;
  entity.reserve(escaped.size());
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] == '\0') {
      if (i + 1 == escaped.size() || escaped[i + 1] == '\0') break;
      ++i;
      entity.push_back('\0');
    } else {
      entity.push_back(escaped[i]);
    }
  }
  return entity;
}

inline void AppendPlaceKey(std::int64_t time, const RecordId& id, std::string* out) {
  AppendBigEndian64(out, ~OrderedBits(time));
  char flipped[std::tuple_size_v<RecordId>];
  for (std::size_t i = 0; i < id.size(); ++i) flipped[i] = static_cast<char>(~id[i]);
  out->append(flipped, sizeof(flipped));
}

inline std::int64_t TimeOfPlace(const char* place) {
  return FromOrderedBits(~ReadBigEndian64(place));
}

inline RecordId IdOfPlace(const char* place) {
  RecordId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<std::uint8_t>(~static_cast<unsigned char>(place[8 + i]));
  }
  return id;
}

}  // namespace fourfold::storage
