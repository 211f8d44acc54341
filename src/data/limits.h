#pragma once

#include <cstddef>
#include <cstdint>

// Every limit on what comes in, in one place; docs/limits.md says what happens past each.
namespace fourfold::limits {

inline constexpr std::size_t kIdBytesMax = 256;               // of any id, name of a field or type
inline constexpr std::size_t kFieldsMax = 128;                // of one event
inline constexpr std::size_t kFieldValueBytesMax = 32 << 10;  // one string, or one list in all
inline constexpr std::size_t kListElementsMax = 1024;
inline constexpr std::size_t kSlateItemsMax = 500;
inline constexpr std::size_t kQueryTextBytesMax = 1024;
inline constexpr std::size_t kEventBytesMax = 256 << 10;  // one event as JSON
inline constexpr std::size_t kEventsPerBatchMax = 10'000;
inline constexpr std::size_t kBodyBytesMax = 8 << 20;  // one HTTP body
inline constexpr std::size_t kLineBytesMax = 1 << 20;  // one line of an imported file
inline constexpr std::size_t kItemsMax = 8'000'000;    // of one catalogue in memory
// Put or changed since the embeddings were trained, and compared one by one in each request.
inline constexpr std::size_t kFreshEmbeddingsMax = 20'000;
inline constexpr std::size_t kExpressionBytesMax = 4096;
inline constexpr std::size_t kRequestItemListMax = 1000;  // include_items, exclude_items
inline constexpr int kSlateLimitMax = 500;
inline constexpr int kPagesMax = 50;  // of one after_request chain
// Event times: years 1 to 9999 on a 64-bit count of milliseconds; kSinceForEverMs besides.
inline constexpr std::int64_t kTimeMsMin = -62'135'596'800'000;
inline constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;

}  // namespace fourfold::limits
