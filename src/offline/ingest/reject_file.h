#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "data/event_source.h"

namespace fourfold {

// Rejected lines of one file as JSON lines {"file", "line", "field", "reason", "text"}. They are
// added to what stands under that name, so that several files can share one; it is made with the
// first of them. Not thread-safe.
class RejectFile {
 public:
  // An empty path: nothing is written.
  RejectFile(std::string path, std::string source)
      : path_(std::move(path)), source_(std::move(source)) {}
  ~RejectFile();
  RejectFile(const RejectFile&) = delete;
  RejectFile& operator=(const RejectFile&) = delete;

  absl::Status Write(const RejectedLine& line);
  absl::Status Close();
  std::uint64_t lines_written() const { return lines_written_; }
  const std::string& path() const { return path_; }

 private:
  absl::Status Error() const;

  const std::string path_;
  const std::string source_;
  std::FILE* file_ = nullptr;
  std::uint64_t lines_written_ = 0;
};

}  // namespace fourfold
