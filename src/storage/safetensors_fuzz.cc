#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "storage/safetensors.h"

// Any bytes: they open or they do not, and what opens can be read to its last element.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint64_t> aligned(size / 8 + 1);
  if (size > 0) std::memcpy(aligned.data(), data, size);
  const auto file =
      fourfold::SafetensorsFile::Parse({reinterpret_cast<const char*>(aligned.data()), size});
  if (!file.ok()) return 0;
  std::uint64_t sum = 0;
  for (const fourfold::TensorView& tensor : file->tensors()) {
    for (const char byte : tensor.bytes) sum += static_cast<unsigned char>(byte);
  }
  volatile std::uint64_t sink = sum;
  static_cast<void>(sink);
  return 0;
}
