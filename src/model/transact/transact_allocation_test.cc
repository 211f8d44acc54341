#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "model/transact/transact_ranker.h"
#include "model/transact/transact_ranker_testing.h"

// Sanitizers bring their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FOURFOLD_OWN_NEW
#endif
#endif
#ifndef FOURFOLD_OWN_NEW
namespace {

thread_local std::size_t allocations = 0;

void* Allocate(std::size_t alignment, std::size_t bytes) {
  ++allocations;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) std::abort();
  return memory;
}

}  // namespace

// AlignedFloats takes this one.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return Allocate(alignment, bytes);
}
void* operator new(std::size_t bytes) { return Allocate(alignof(std::max_align_t), bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return Allocate(static_cast<std::size_t>(alignment), bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace fourfold {
namespace {

// A request of a user with so many actions for so many candidates, of items known and unknown.
class Request {
 public:
  Request(std::size_t actions, std::size_t candidates, std::uint64_t seed) : item_codes_(2) {
    std::mt19937_64 random(seed);
    for (std::size_t a = 0; a < actions; ++a) {
      items_.emplace_back(1, static_cast<char>('a' + random() % 8));
      types_.emplace_back(random() % 2 == 0 ? "click" : "other");
      times_ms_.push_back(TransActUser::kRequestTimeMs - 1000 * static_cast<std::int64_t>(a + 1));
      for (std::vector<float>& codes : item_codes_) {
        codes.push_back(static_cast<float>(random() % 9));
      }
    }
    for (std::size_t c = 0; c < candidates; ++c) {
      ids_.emplace_back(1, static_cast<char>('a' + random() % 8));
      for (int column = 0; column < 5; ++column) {
        rows_.push_back(static_cast<float>(random() % 9));
      }
    }
    candidates_.assign(ids_.begin(), ids_.end());
  }
  TransActQuery query() const {
    return {
        {items_, types_, times_ms_, item_codes_}, TransActUser::kRequestTimeMs, candidates_, rows_};
  }
  std::size_t candidates() const { return candidates_.size(); }

 private:
  std::vector<std::string> items_, types_, ids_;
  std::vector<std::int64_t> times_ms_;
  std::vector<std::vector<float>> item_codes_;
  std::vector<std::string_view> candidates_;
  std::vector<float> rows_;
};

TEST(TransActAllocationTest, OnceARequestOfItsSizeWasThereScoringAllocatesNothing) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    TransActRankerModel model = RandomRankerModel(1);
    model.precision = precision;
    const TransActRanker ranker(std::move(model));
    TransActScratch scratch;
    std::vector<float> logits(2 * 70);
    const auto count = [&](const Request& request) {
      const std::span<float> of_request(logits.data(), 2 * request.candidates());
      const std::size_t before = allocations;
      ranker.Score(request.query(), &scratch, of_request);
      return allocations - before;
    };
    // Some twenty matrices alone.
    EXPECT_GT(count(Request(12, 70, 2)), 20u);
    EXPECT_EQ(count(Request(12, 70, 3)), 0u);
    EXPECT_EQ(count(Request(5, 33, 4)), 0u);
    EXPECT_EQ(count(Request(0, 1, 5)), 0u);
    EXPECT_EQ(count(Request(12, 70, 6)), 0u);
  }
}

}  // namespace
}  // namespace fourfold
#endif
