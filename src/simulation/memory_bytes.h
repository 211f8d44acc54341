#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "data/byte_sink.h"
#include "data/byte_source.h"

// Files in memory, for tests.
namespace fourfold::simulation {

class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::string* bytes) : bytes_(bytes) {}
  absl::Status Write(std::string_view bytes) override {
    bytes_->append(bytes);
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }
  std::uint64_t bytes_on_disk() const override { return bytes_->size(); }

 private:
  std::string* bytes_;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<std::size_t> Read(char* buffer, std::size_t size) override {
    const std::size_t count = bytes_.copy(buffer, size, at_);
    at_ += count;
    return count;
  }
  std::uint64_t bytes_read() const override { return at_; }
  std::uint64_t bytes_total() const override { return bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace fourfold::simulation
