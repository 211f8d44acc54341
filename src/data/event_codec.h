#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fourfold/event.h"

// An event as bytes: the record that the log keeps and that sorted runs of an import hold.
//
//   version    1 byte    kEventCodecVersion
//   kind       1 byte    EventKind
//   parts      varint    which of the parts below follow; bit i is the part numbered i
//    0 id           bytes              8 step         signed varint
//    1 event time   signed varint      9 surface      bytes
//    2 user         bytes             10 query text   bytes
//    3 session      bytes             11 fields       fields
//    4 item         bytes             12 items        varint count, then per item: bytes, fields
//    5 type         bytes             13 deleted      nothing follows
//    6 ranking      bytes             14 served from  signed varint as_of_ms, signed varint
//    7 tie group    bytes                known_at_ms, varint position_end, bytes servable, bytes
//                                        after_request
//
//   varint         LEB128, at most 10 bytes        signed varint  zig-zag, then varint
//   bytes          varint length, then that many   fields         varint count, then fields
//   field          bytes name, 1 byte tag, value:
//                  0 null: nothing                 4 string: bytes
//                  1 false: nothing                5 list of strings: varint count, then bytes
//                  2 true: nothing                 6 list of numbers: varint count, then 8 bytes
//                  3 number: 8 bytes, the bits of     each as in 3
//                    a double, big-endian          7 whole number below 2^53: signed varint
//
// A part that holds its default (empty, kNoTimeMs, 0) is left out, so that one event has one
// encoding. docs/formats.md says the same.
namespace fourfold {

inline constexpr unsigned char kEventCodecVersion = 1;

// Appends the record of any event, checked or not. The record has no length of its own.
void EncodeEvent(const Event& event, std::string* out);

// Reads a whole record: bytes left over are an error. DataLoss says what is wrong with it. Limits
// are not checked again, but no record makes it allocate more than a small multiple of its size.
absl::StatusOr<Event> DecodeEvent(std::string_view record);

}  // namespace fourfold
