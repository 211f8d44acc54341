#include "servable/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

absl::Status ErrnoStatus(std::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, StrCat(what, " ", path));
}

absl::Status ReadPieces(const std::string& path,
                        const std::function<void(std::string_view piece)>& visit) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) return ErrnoStatus("cannot open", path);
  std::vector<char> buffer(1 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    visit({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) return ErrnoStatus("cannot read", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::string contents;
  FOURFOLD_RETURN_IF_ERROR(
      ReadPieces(path, [&](std::string_view piece) { contents.append(piece); }));
  return contents;
}

absl::StatusOr<Digest> DigestFile(const std::string& path) {
  DigestBuilder digest;
  FOURFOLD_RETURN_IF_ERROR(ReadPieces(path, [&](std::string_view piece) { digest.Add(piece); }));
  return digest.Finish();
}

absl::Status SyncPath(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoStatus("cannot open", path);
  absl::Status status;
  if (fsync(file) != 0) status = ErrnoStatus("cannot sync", path);
  close(file);
  return status;
}

absl::Status WriteFileSynced(const std::string& path, std::string_view contents) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) return ErrnoStatus("cannot write", path);
  return SyncPath(path);
}

absl::Status ReplaceFile(const std::string& path, std::string_view contents) {
  const std::string temporary = path + ".tmp";
  FOURFOLD_RETURN_IF_ERROR(WriteFileSynced(temporary, contents));
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus("cannot replace", path);
  return SyncPath(std::filesystem::path(path).parent_path());
}

}  // namespace fourfold
