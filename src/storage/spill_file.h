#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace fourfold::storage {

// Bytes that memory has no room for, in a nameless file that goes with the process. Thread-safe.
class SpillFile : public std::enable_shared_from_this<SpillFile> {
 public:
  // Where some bytes lie, theirs until the last holder lets go. Keeps the file open.
  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    std::size_t size() const { return size_; }

   private:
    friend class SpillFile;
    Place(std::shared_ptr<SpillFile> file, std::uint64_t offset, std::size_t size)
        : file_(std::move(file)), offset_(offset), size_(size) {}

    const std::shared_ptr<SpillFile> file_;
    const std::uint64_t offset_;
    const std::size_t size_;
  };

  // In a directory that exists.
  static absl::StatusOr<std::shared_ptr<SpillFile>> Open(const std::string& directory);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  absl::StatusOr<std::shared_ptr<const Place>> Write(std::string_view bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Appends what lies there.
  absl::Status Read(const Place& place, std::string* bytes) const;

  // The file's length. Places take a power of two each, so at least half of it was in use at once.
  std::uint64_t bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr int kSmallestBits = 9;
  static int ClassOf(std::size_t size);

  explicit SpillFile(int descriptor) : descriptor_(descriptor) {}
  void Free(std::uint64_t offset, std::size_t size) ABSL_LOCKS_EXCLUDED(mutex_);

  const int descriptor_;
  mutable Mutex mutex_;
  std::uint64_t end_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<std::vector<std::uint64_t>, 64> free_ ABSL_GUARDED_BY(mutex_);  // by class of size
};

}  // namespace fourfold::storage
