#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace fourfold {

// The bytes of a file, unpacked if it is gzip or zstd (told by its first bytes; several members or
// frames one after the other are one stream). Bounded memory: zstd windows above 128 MiB are
// refused. Not thread-safe.
class ByteSource {
 public:
  static absl::StatusOr<std::unique_ptr<ByteSource>> Open(const std::string& path);
  virtual ~ByteSource() = default;

  // Fills at most `size` bytes and returns how many, 0 only at the end. DataLoss for broken or
  // truncated compression. Messages name the file.
  virtual absl::StatusOr<std::size_t> Read(char* buffer, std::size_t size) = 0;
  virtual std::uint64_t bytes_read() const = 0;   // of the file as it lies on disk
  virtual std::uint64_t bytes_total() const = 0;  // 0 where it is unknown (a pipe)
};

}  // namespace fourfold
