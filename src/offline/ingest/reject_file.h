#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "data/event_source.h"

namespace fourfold {

// Rejected lines as JSON lines {"line", "field", "reason", "text"}. The file is made, over one of
// that name, with the first of them. Not thread-safe.
class RejectFile {
 public:
  explicit RejectFile(std::string path) : path_(std::move(path)) {}
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
  std::FILE* file_ = nullptr;
  std::uint64_t lines_written_ = 0;
};

}  // namespace fourfold
