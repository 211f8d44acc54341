#include "data/byte_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kBufferBytes = 256 << 10;
constexpr int kZstdLevel = 3;

// Whatever standard output is, a file of the shell's among them, it is written as it stands.
bool IsStandardOutput(const std::string& path) { return path == "-" || path == "/dev/stdout"; }

// What a link points to: the file is replaced, the link stays.
std::string TargetOf(std::string path) {
  struct stat found = {};
  if (IsStandardOutput(path) || lstat(path.c_str(), &found) != 0 || !S_ISLNK(found.st_mode)) {
    return path;
  }
  char* const target = realpath(path.c_str(), nullptr);
  if (target == nullptr) return path;
  path = target;
  std::free(target);
  return path;
}

class PlainSink final : public ByteSink {
 public:
  explicit PlainSink(std::string path) : path_(TargetOf(std::move(path))) {
    struct stat found = {};
    streams_ =
        IsStandardOutput(path_) || (stat(path_.c_str(), &found) == 0 && !S_ISREG(found.st_mode));
    written_path_ = streams_ ? path_ : path_ + ".partial";
  }
  ~PlainSink() override {
    if (descriptor_ < 0) return;
    close(descriptor_);
    if (!streams_) unlink(written_path_.c_str());
  }

  absl::Status Open() {
    const int flags = O_WRONLY | O_CLOEXEC | (streams_ ? 0 : O_CREAT | O_TRUNC);
    descriptor_ = IsStandardOutput(path_) ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                          : open(written_path_.c_str(), flags, 0666);
    if (descriptor_ < 0) return FailedPrecondition(written_path_, ": ", std::strerror(errno));
    buffer_.reserve(kBufferBytes);
    return absl::OkStatus();
  }

  absl::Status Write(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() > kBufferBytes) {
      FOURFOLD_RETURN_IF_ERROR(WriteOut(buffer_));
      buffer_.clear();
    }
    if (bytes.size() >= kBufferBytes) return WriteOut(bytes);
    buffer_.append(bytes);
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    FOURFOLD_RETURN_IF_ERROR(WriteOut(buffer_));
    buffer_.clear();
    if (close(std::exchange(descriptor_, -1)) != 0) return Failure(written_path_);
    if (!streams_ && std::rename(written_path_.c_str(), path_.c_str()) != 0) return Failure(path_);
    return absl::OkStatus();
  }

  std::uint64_t bytes_on_disk() const override { return bytes_written_ + buffer_.size(); }

 private:
  static absl::Status Failure(const std::string& path) {
    return FailedPrecondition(path, ": cannot be written: ", std::strerror(errno));
  }

  absl::Status WriteOut(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failure(written_path_);
      bytes_written_ += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  const std::string path_;
  bool streams_ = false;
  std::string written_path_;
  int descriptor_ = -1;
  std::string buffer_;
  std::uint64_t bytes_written_ = 0;
};

class ZstdSink final : public ByteSink {
 public:
  explicit ZstdSink(std::unique_ptr<PlainSink> file)
      : file_(std::move(file)), packed_(kBufferBytes), stream_(ZSTD_createCStream()) {
    FOURFOLD_CHECK(stream_ != nullptr);
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_checksumFlag, 1);
    // Packed on a thread of its own; where the library has none, on the caller's.
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_nbWorkers, 1);
  }
  ~ZstdSink() override { ZSTD_freeCStream(stream_); }

  absl::Status Write(std::string_view bytes) override {
    ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
    while (in.pos < in.size) FOURFOLD_RETURN_IF_ERROR(Pack(&in, ZSTD_e_continue).status());
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    ZSTD_inBuffer in = {nullptr, 0, 0};
    for (bool more = true; more;) {
      FOURFOLD_ASSIGN_OR_RETURN(more, Pack(&in, ZSTD_e_end));
    }
    return file_->Finish();
  }
  std::uint64_t bytes_on_disk() const override { return file_->bytes_on_disk(); }

 private:
  // Whether the library holds more.
  absl::StatusOr<bool> Pack(ZSTD_inBuffer* in, ZSTD_EndDirective directive) {
    ZSTD_outBuffer out = {packed_.data(), packed_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(stream_, &out, in, directive);
    if (ZSTD_isError(left) != 0U) return Internal("zstd: ", ZSTD_getErrorName(left));
    FOURFOLD_RETURN_IF_ERROR(file_->Write({packed_.data(), out.pos}));
    return left != 0;
  }

  std::unique_ptr<PlainSink> file_;
  std::vector<char> packed_;
  ZSTD_CStream* const stream_;
};

class GzipSink final : public ByteSink {
 public:
  explicit GzipSink(std::unique_ptr<PlainSink> file)
      : file_(std::move(file)), packed_(kBufferBytes) {
    constexpr int kGzipOnly = 16;
    constexpr int kMemoryLevel = 8;
    FOURFOLD_CHECK(deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzipOnly,
                                kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  }
  ~GzipSink() override { deflateEnd(&stream_); }

  absl::Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kBufferBytes);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
      stream_.avail_in = static_cast<uInt>(piece.size());
      FOURFOLD_RETURN_IF_ERROR(Pack(Z_NO_FLUSH));
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    FOURFOLD_RETURN_IF_ERROR(Pack(Z_FINISH));
    return file_->Finish();
  }
  std::uint64_t bytes_on_disk() const override { return file_->bytes_on_disk(); }

 private:
  absl::Status Pack(int flush) {
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(packed_.data());
      stream_.avail_out = static_cast<uInt>(packed_.size());
      FOURFOLD_CHECK(deflate(&stream_, flush) != Z_STREAM_ERROR);
      FOURFOLD_RETURN_IF_ERROR(file_->Write({packed_.data(), packed_.size() - stream_.avail_out}));
    } while (stream_.avail_out == 0);
    return absl::OkStatus();
  }

  std::unique_ptr<PlainSink> file_;
  std::vector<char> packed_;
  z_stream stream_ = {};
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSink>> ByteSink::Create(const std::string& path) {
  auto file = std::make_unique<PlainSink>(path);
  FOURFOLD_RETURN_IF_ERROR(file->Open());
  if (path.ends_with(".zst")) return std::make_unique<ZstdSink>(std::move(file));
  if (path.ends_with(".gz")) return std::make_unique<GzipSink>(std::move(file));
  return file;
}

}  // namespace fourfold
