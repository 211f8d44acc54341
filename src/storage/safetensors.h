#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/check.h"

// The safetensors file format: 8 bytes little-endian length of a JSON header, the header, the
// tensors' bytes without gaps. Source: https://github.com/huggingface/safetensors, "Format".
namespace fourfold {

enum class Dtype : std::uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kF16,
  kBf16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64
};

std::string_view DtypeName(Dtype dtype);  // as the format spells it: "F32"
std::size_t DtypeBytes(Dtype dtype);      // of one element

// A tensor whose elements lie elsewhere: in an open file, or in the memory of who writes one.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kU8;
  std::vector<std::uint64_t> shape;  // row-major
  std::string_view bytes;

  std::uint64_t elements() const { return bytes.size() / DtypeBytes(dtype); }
  // T must be as wide as the dtype's elements.
  template <typename T>
  std::span<const T> As() const {
    FOURFOLD_CHECK(sizeof(T) == DtypeBytes(dtype));
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

template <typename T>
TensorView MakeTensor(std::string name, Dtype dtype, std::span<const T> elements) {
  FOURFOLD_CHECK(sizeof(T) == DtypeBytes(dtype));
  return {std::move(name),
          dtype,
          {elements.size()},
          {reinterpret_cast<const char*>(elements.data()), elements.size_bytes()}};
}

// An open file, mapped into memory. Immutable; thread-safe. The file must not be changed in place
// while it is open (replacing it by a rename is fine).
//
// Whatever the bytes: a file that opens has a well-formed header, known dtypes, shapes that agree
// with the sizes, and tensors that lie inside the file, aligned to their elements, and cover its
// data exactly, without overlap or gap. Anything else is DataLoss, naming the tensor and the
// reason. The header is at most kHeaderBytesMax long.
class SafetensorsFile {
 public:
  static constexpr std::uint64_t kHeaderBytesMax = 16 << 20;

  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  // The same from memory; `bytes` must outlive the result and start at a multiple of 8.
  static absl::StatusOr<SafetensorsFile> Parse(std::string_view bytes);

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in the data's order
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // DataLoss when there is no such tensor or it has another dtype or is not of `rank` dimensions.
  absl::StatusOr<TensorView> Find(std::string_view name, Dtype dtype, std::size_t rank = 1) const;

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

 private:
  class Mapping;
  SafetensorsFile();
  std::unique_ptr<Mapping> mapping_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes a file that any reader of the format opens: the data starts at a multiple of 64, wider
// elements first and names in order within a width, so the same tensors give the same bytes.
// Not atomic: the caller writes beside the final place and renames. InvalidArgument for a name
// that occurs twice or a shape that disagrees with the bytes.
absl::Status WriteSafetensors(const std::string& path, absl::Span<const TensorView> tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace fourfold
