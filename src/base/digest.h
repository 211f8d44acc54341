#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace fourfold {

// The first 16 bytes of SHA-256: what names contents and stands for event ids. 128 bits of a
// cryptographic hash, so two different inputs are taken to have different digests.
using Digest = std::array<std::uint8_t, 16>;

Digest DigestOf(std::string_view bytes);

// Over input that comes in pieces. Not thread-safe.
class DigestBuilder {
 public:
  DigestBuilder();
  ~DigestBuilder();
  DigestBuilder(const DigestBuilder&) = delete;
  DigestBuilder& operator=(const DigestBuilder&) = delete;
  void Add(std::string_view bytes);
  Digest Finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// 32 lower-case hexadecimal characters.
std::string DigestToHex(const Digest& digest);

// A well-mixed 64-bit hash that never changes between builds or machines (SplitMix64's finaliser
// over FNV-1a): for seeded order among ties and for buckets, not for security.
std::uint64_t StableHash(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace fourfold
