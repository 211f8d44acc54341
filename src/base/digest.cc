#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/check.h"

namespace fourfold {

struct DigestBuilder::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

DigestBuilder::DigestBuilder() : state_(std::make_unique<State>()) {
  FOURFOLD_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
DigestBuilder::~DigestBuilder() = default;

void DigestBuilder::Add(std::string_view bytes) {
  FOURFOLD_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Digest DigestBuilder::Finish() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> full;
  FOURFOLD_CHECK(EVP_DigestFinal_ex(state_->context, full.data(), nullptr) == 1);
  Digest digest;
  std::memcpy(digest.data(), full.data(), digest.size());
  return digest;
}

Digest DigestOf(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> full;
  // The one-shot call costs a third of the EVP interface's for the short ids hashed on ingestion.
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), full.data());
  Digest digest;
  std::memcpy(digest.data(), full.data(), digest.size());
  return digest;
}

std::string DigestToHex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const std::uint8_t byte : digest) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::uint64_t StableHash(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  hash ^= hash >> 30;
  hash *= 0xbf58476d1ce4e5b9ULL;
  hash ^= hash >> 27;
  hash *= 0x94d049bb133111ebULL;
  hash ^= hash >> 31;
  return hash;
}

}  // namespace fourfold
