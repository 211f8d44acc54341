#include "storage/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>

#include "base/strings.h"

namespace fourfold::storage {

SpillFile::Place::~Place() { file_->Free(offset_, size_); }

absl::StatusOr<std::shared_ptr<SpillFile>> SpillFile::Open(const std::string& directory) {
  std::string path = StrCat(directory, "/spill-XXXXXX");
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, StrCat("making a file in ", directory));
  unlink(path.c_str());
  return std::shared_ptr<SpillFile>(new SpillFile(descriptor));
}

SpillFile::~SpillFile() { close(descriptor_); }

int SpillFile::ClassOf(std::size_t size) {
  return std::max(kSmallestBits, static_cast<int>(std::bit_width(size - (size > 0 ? 1 : 0))));
}

absl::StatusOr<std::shared_ptr<const SpillFile::Place>> SpillFile::Write(std::string_view bytes) {
  const int size_class = ClassOf(bytes.size());
  std::uint64_t offset = 0;
  {
    const MutexLock lock(&mutex_);
    std::vector<std::uint64_t>& free = free_[static_cast<std::size_t>(size_class)];
    if (free.empty()) {
      offset = end_;
      end_ += std::uint64_t{1} << size_class;
    } else {
      offset = free.back();
      free.pop_back();
    }
  }
  // Given back by itself should the writing fail.
  std::shared_ptr<const Place> place(new Place(shared_from_this(), offset, bytes.size()));
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "writing what memory has no room for");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return place;
}

absl::Status SpillFile::Read(const Place& place, std::string* bytes) const {
  const std::size_t before = bytes->size();
  bytes->resize(before + place.size_);
  std::size_t done = 0;
  while (done < place.size_) {
    const ssize_t got = pread(descriptor_, bytes->data() + before + done, place.size_ - done,
                              static_cast<off_t>(place.offset_ + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "reading what memory had no room for");
    if (got == 0) return DataLoss("what memory had no room for was cut off");
    done += static_cast<std::size_t>(got);
  }
  return absl::OkStatus();
}

void SpillFile::Free(std::uint64_t offset, std::size_t size) {
  const MutexLock lock(&mutex_);
  free_[static_cast<std::size_t>(ClassOf(size))].push_back(offset);
}

std::uint64_t SpillFile::bytes() const {
  const MutexLock lock(&mutex_);
  return end_;
}

}  // namespace fourfold::storage
