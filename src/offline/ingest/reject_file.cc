#include "offline/ingest/reject_file.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/strings.h"

namespace fourfold {

RejectFile::~RejectFile() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status RejectFile::Write(const RejectedLine& line) {
  if (path_.empty()) return absl::OkStatus();
  if (file_ == nullptr) file_ = std::fopen(path_.c_str(), "ae");
  if (file_ == nullptr) return Error();
  const nlohmann::ordered_json json = {{"file", source_},
                                       {"line", line.line},
                                       {"field", line.field},
                                       {"reason", line.reason},
                                       {"text", line.text}};
  // A line may be rejected for not being UTF-8, or be cut within a character.
  const std::string text =
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) return Error();
  ++lines_written_;
  return absl::OkStatus();
}

absl::Status RejectFile::Close() {
  if (file_ == nullptr) return absl::OkStatus();
  return std::fclose(std::exchange(file_, nullptr)) == 0 ? absl::OkStatus() : Error();
}

absl::Status RejectFile::Error() const {
  return absl::ErrnoToStatus(errno, StrCat("writing the reject file ", path_));
}

}  // namespace fourfold
