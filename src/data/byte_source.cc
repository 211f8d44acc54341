#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kPackedBufferBytes = 256 << 10;
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

// The file as it lies on disk, with the few bytes that were read ahead to tell its compression.
class PlainSource final : public ByteSource {
 public:
  PlainSource(std::string path, int descriptor, std::uint64_t bytes_total)
      : path_(std::move(path)), descriptor_(descriptor), bytes_total_(bytes_total) {}
  ~PlainSource() override { close(descriptor_); }

  absl::Status ReadHead() {
    head_.resize(kZstdMagic.size());
    std::size_t size = 0;
    while (size < head_.size()) {
      FOURFOLD_ASSIGN_OR_RETURN(const std::size_t count,
                                ReadFile(head_.data() + size, head_.size() - size));
      if (count == 0) break;
      size += count;
    }
    head_.resize(size);
    return absl::OkStatus();
  }
  std::string_view head() const { return head_; }
  const std::string& path() const { return path_; }

  absl::StatusOr<std::size_t> Read(char* buffer, std::size_t size) override {
    if (!head_.empty()) {
      const std::size_t count = head_.copy(buffer, size);
      head_.erase(0, count);
      return count;
    }
    return ReadFile(buffer, size);
  }
  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::uint64_t bytes_total() const override { return bytes_total_; }

 private:
  absl::StatusOr<std::size_t> ReadFile(char* buffer, std::size_t size) {
    ssize_t count = 0;
    do {
      count = read(descriptor_, buffer, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return absl::ErrnoToStatus(errno, StrCat("reading ", path_));
    bytes_read_ += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }

  const std::string path_;
  const int descriptor_;
  const std::uint64_t bytes_total_;
  std::uint64_t bytes_read_ = 0;
  std::string head_;
};

// What both decompressors share: a buffer of packed bytes, filled as it empties.
class PackedSource : public ByteSource {
 public:
  explicit PackedSource(std::unique_ptr<PlainSource> file)
      : file_(std::move(file)), packed_(kPackedBufferBytes) {}
  std::uint64_t bytes_read() const override { return file_->bytes_read(); }
  std::uint64_t bytes_total() const override { return file_->bytes_total(); }

 protected:
  // False at the end of the file.
  absl::StatusOr<bool> Fill() {
    FOURFOLD_ASSIGN_OR_RETURN(packed_size_, file_->Read(packed_.data(), packed_.size()));
    return packed_size_ > 0;
  }
  absl::Status Broken(std::string_view what) const { return DataLoss(file_->path(), ": ", what); }

  std::unique_ptr<PlainSource> file_;
  std::vector<char> packed_;
  std::size_t packed_size_ = 0;
};

class GzipSource final : public PackedSource {
 public:
  explicit GzipSource(std::unique_ptr<PlainSource> file) : PackedSource(std::move(file)) {
    constexpr int kGzipOnly = 16;
    FOURFOLD_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  absl::StatusOr<std::size_t> Read(char* buffer, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size) {
      if (stream_.avail_in == 0) {
        FOURFOLD_ASSIGN_OR_RETURN(const bool more, Fill());
        if (!more) {
          if (in_member_) return Broken("the gzip data ends too early");
          return 0;
        }
        stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
        stream_.avail_in = static_cast<uInt>(packed_size_);
      }
      if (!in_member_) {
        FOURFOLD_CHECK(inflateReset(&stream_) == Z_OK);
        in_member_ = true;
      }
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        in_member_ = false;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return Broken("the gzip data is broken");
      }
    }
    return size - stream_.avail_out;
  }

 private:
  z_stream stream_ = {};
  bool in_member_ = false;
};

class ZstdSource final : public PackedSource {
 public:
  explicit ZstdSource(std::unique_ptr<PlainSource> file)
      : PackedSource(std::move(file)), stream_(ZSTD_createDStream()) {
    FOURFOLD_CHECK(stream_ != nullptr);
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  absl::StatusOr<std::size_t> Read(char* buffer, std::size_t size) override {
    ZSTD_outBuffer out = {buffer, size, 0};
    while (out.pos == 0) {
      // A full output buffer may have left unpacked bytes inside, without any input.
      if (in_.pos == in_.size && !has_more_inside_) {
        FOURFOLD_ASSIGN_OR_RETURN(const bool more, Fill());
        if (!more) {
          if (in_frame_) return Broken("the zstd data ends too early");
          return 0;
        }
        in_ = {packed_.data(), packed_size_, 0};
      }
      const std::size_t result = ZSTD_decompressStream(stream_, &out, &in_);
      if (ZSTD_isError(result) != 0U) {
        return Broken(StrCat("the zstd data is broken: ", ZSTD_getErrorName(result)));
      }
      in_frame_ = result != 0;
      has_more_inside_ = in_frame_ && out.pos == out.size;
    }
    return out.pos;
  }

 private:
  ZSTD_DStream* const stream_;
  ZSTD_inBuffer in_ = {};
  bool in_frame_ = false;
  bool has_more_inside_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> ByteSource::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, StrCat("opening ", path));
  struct stat info = {};
  if (fstat(descriptor, &info) != 0) {
    const int error = errno;
    close(descriptor);
    return absl::ErrnoToStatus(error, StrCat("opening ", path));
  }
  if (S_ISDIR(info.st_mode)) {
    close(descriptor);
    return InvalidArgument(path, " is a directory");
  }
  auto file =
      std::make_unique<PlainSource>(path, descriptor, static_cast<std::uint64_t>(info.st_size));
  FOURFOLD_RETURN_IF_ERROR(file->ReadHead());
  if (file->head().starts_with(kGzipMagic)) return std::make_unique<GzipSource>(std::move(file));
  if (file->head().starts_with(kZstdMagic)) return std::make_unique<ZstdSource>(std::move(file));
  return file;
}

}  // namespace fourfold
