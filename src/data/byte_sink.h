#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fourfold {

// A file that is written from front to end and appears under its name when it is whole: until
// Finish it lies beside it as NAME.partial, and is removed when Finish is never reached. Pipes,
// terminals and devices get their bytes as they come, as does standard output ("-" or
// "/dev/stdout") whatever it is. Of a link, what it points to is replaced. A name that ends in .zst
// or .gz is packed accordingly. Bounded memory. Not thread-safe.
class ByteSink {
 public:
  // FailedPrecondition where the file cannot be made.
  static absl::StatusOr<std::unique_ptr<ByteSink>> Create(const std::string& path);
  virtual ~ByteSink() = default;

  // Messages name the file. After a failure nothing more can be written.
  virtual absl::Status Write(std::string_view bytes) = 0;
  virtual absl::Status Finish() = 0;                // once, last
  virtual std::uint64_t bytes_on_disk() const = 0;  // so far; what is packed counts packed
};

}  // namespace fourfold
