#include "storage/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they lie on disk");

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kDataAlignment = 64;

struct DtypeTraits {
  Dtype dtype;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<DtypeTraits, 13> kDtypes = {{{Dtype::kBool, "BOOL", 1},
                                                  {Dtype::kU8, "U8", 1},
                                                  {Dtype::kI8, "I8", 1},
                                                  {Dtype::kU16, "U16", 2},
                                                  {Dtype::kI16, "I16", 2},
                                                  {Dtype::kF16, "F16", 2},
                                                  {Dtype::kBf16, "BF16", 2},
                                                  {Dtype::kU32, "U32", 4},
                                                  {Dtype::kI32, "I32", 4},
                                                  {Dtype::kF32, "F32", 4},
                                                  {Dtype::kU64, "U64", 8},
                                                  {Dtype::kI64, "I64", 8},
                                                  {Dtype::kF64, "F64", 8}}};

const DtypeTraits& TraitsOf(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

std::optional<Dtype> ParseDtype(std::string_view name) {
  for (const DtypeTraits& traits : kDtypes) {
    if (traits.name == name) return traits.dtype;
  }
  return std::nullopt;
}

// Elements of a shape times the width of one; nullopt past 2^64.
std::optional<std::uint64_t> BytesOfShape(const std::vector<std::uint64_t>& shape, Dtype dtype) {
  std::uint64_t bytes = DtypeBytes(dtype);
  for (const std::uint64_t dimension : shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return bytes;
}

absl::StatusOr<std::vector<std::uint64_t>> ParseUnsignedList(const Json& list) {
  if (!list.is_array()) return DataLoss("not a list");
  std::vector<std::uint64_t> numbers;
  for (const Json& number : list) {
    if (!number.is_number_unsigned()) return DataLoss("not a list of non-negative integers");
    numbers.push_back(number.get<std::uint64_t>());
  }
  return numbers;
}

absl::StatusOr<TensorView> ParseTensor(std::string_view name, const Json& entry,
                                       std::string_view data) {
  const auto fail = [&](const auto&... what) {
    return DataLoss("tensor \"", name, "\": ", what...);
  };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return fail("not an object of dtype, shape and data_offsets");
  }
  TensorView tensor{.name = std::string(name), .dtype = Dtype::kU8, .shape = {}, .bytes = {}};
  if (!entry["dtype"].is_string()) return fail("dtype is not a string");
  const std::string& dtype_name = entry["dtype"].get_ref<const std::string&>();
  const std::optional<Dtype> dtype = ParseDtype(dtype_name);
  if (!dtype) return fail("unknown dtype \"", dtype_name, "\"");
  tensor.dtype = *dtype;
  auto shape = ParseUnsignedList(entry["shape"]);
  if (!shape.ok()) return fail("shape: ", MessageOf(shape.status()));
  tensor.shape = *std::move(shape);
  const auto offsets = ParseUnsignedList(entry["data_offsets"]);
  if (!offsets.ok()) return fail("data_offsets: ", MessageOf(offsets.status()));
  if (offsets->size() != 2) return fail("data_offsets are not two");
  const std::uint64_t begin = (*offsets)[0];
  const std::uint64_t end = (*offsets)[1];
  if (begin > end || end > data.size()) {
    return fail("bytes [", begin, ", ", end, ") do not lie in the data of ", data.size());
  }
  const std::optional<std::uint64_t> bytes = BytesOfShape(tensor.shape, tensor.dtype);
  if (!bytes || *bytes != end - begin) return fail("shape and data_offsets disagree");
  tensor.bytes = data.substr(begin, end - begin);
  return tensor;
}

// Sorts by place and demands that the tensors cover the data exactly, aligned.
absl::Status CheckLayout(std::vector<TensorView>* tensors, std::string_view file,
                         std::string_view data) {
  std::sort(tensors->begin(), tensors->end(), [](const TensorView& a, const TensorView& b) {
    return std::tuple(a.bytes.data(), a.bytes.size(), std::string_view(a.name)) <
           std::tuple(b.bytes.data(), b.bytes.size(), std::string_view(b.name));
  });
  const char* expected = data.data();
  for (const TensorView& tensor : *tensors) {
    if (tensor.bytes.data() != expected) {
      return DataLoss("tensor \"", tensor.name, "\": ",
                      tensor.bytes.data() < expected ? "overlaps another" : "gap before it");
    }
    if (static_cast<std::size_t>(tensor.bytes.data() - file.data()) % DtypeBytes(tensor.dtype)) {
      return DataLoss("tensor \"", tensor.name, "\": not aligned to its elements");
    }
    expected = tensor.bytes.data() + tensor.bytes.size();
  }
  if (expected != data.data() + data.size()) return DataLoss("bytes after the last tensor");
  return absl::OkStatus();
}

// The header as JSON; discards duplicate keys as malformed, which the parser alone would not.
absl::StatusOr<Json> ParseHeader(std::string_view header) {
  std::set<std::string> names;
  bool duplicate = false;
  const Json::parser_callback_t note_names = [&](int depth, Json::parse_event_t event,
                                                 Json& value) {
    if (depth == 1 && event == Json::parse_event_t::key) {
      duplicate |= !names.insert(value.get<std::string>()).second;
    }
    return true;
  };
  Json json = Json::parse(header.begin(), header.end(), note_names, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return DataLoss("header is not a JSON object");
  if (duplicate) return DataLoss("header names a tensor twice");
  return json;
}

}  // namespace

std::string_view DtypeName(Dtype dtype) { return TraitsOf(dtype).name; }
std::size_t DtypeBytes(Dtype dtype) { return TraitsOf(dtype).bytes; }

class SafetensorsFile::Mapping {
 public:
  static absl::StatusOr<std::unique_ptr<Mapping>> Open(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      return absl::ErrnoToStatus(errno, StrCat("cannot open ", path));
    }
    struct stat info {};
    void* address = MAP_FAILED;
    const bool known = fstat(file, &info) == 0;
    const std::size_t size = known ? static_cast<std::size_t>(info.st_size) : 0;
    if (size > 0) address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    const int error = errno;
    close(file);
    if (!known) return absl::ErrnoToStatus(error, StrCat("cannot read ", path));
    if (size == 0) return DataLoss("empty file");
    if (address == MAP_FAILED) return absl::ErrnoToStatus(error, StrCat("cannot map ", path));
    return std::unique_ptr<Mapping>(new Mapping(static_cast<char*>(address), size));
  }
  ~Mapping() { munmap(address_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view bytes() const { return {address_, size_}; }

 private:
  Mapping(char* address, std::size_t size) : address_(address), size_(size) {}
  char* address_;
  std::size_t size_;
};

SafetensorsFile::SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  auto mapping = Mapping::Open(path);
  if (!mapping.ok()) return Annotate(mapping.status(), path);
  auto file = Parse((*mapping)->bytes());
  if (!file.ok()) return Annotate(file.status(), path);
  file->mapping_ = *std::move(mapping);
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) return DataLoss("shorter than the length of its header");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  if (header_bytes > kHeaderBytesMax) {
    return DataLoss("header of ", header_bytes, " bytes is above the limit of ", kHeaderBytesMax);
  }
  if (header_bytes > bytes.size() - kLengthBytes) return DataLoss("truncated within its header");
  const std::string_view header = bytes.substr(kLengthBytes, header_bytes);
  const std::string_view data = bytes.substr(kLengthBytes + header_bytes);
  if (!header.starts_with('{')) return DataLoss("header does not begin with {");
  FOURFOLD_ASSIGN_OR_RETURN(const Json json, ParseHeader(header));

  SafetensorsFile file;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) return DataLoss("__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return DataLoss("__metadata__: \"", key, "\" is not a string");
        file.metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    FOURFOLD_ASSIGN_OR_RETURN(TensorView tensor, ParseTensor(name, entry, data));
    file.tensors_.push_back(std::move(tensor));
  }
  FOURFOLD_RETURN_IF_ERROR(CheckLayout(&file.tensors_, bytes, data));
  return file;
}

absl::StatusOr<TensorView> SafetensorsFile::Find(std::string_view name, Dtype dtype,
                                                 std::size_t rank) const {
  for (const TensorView& tensor : tensors_) {
    if (tensor.name != name) continue;
    if (tensor.dtype != dtype) {
      return DataLoss("tensor \"", name, "\" is ", DtypeName(tensor.dtype), ", not ",
                      DtypeName(dtype));
    }
    if (tensor.shape.size() != rank) {
      return DataLoss("tensor \"", name, "\" has ", tensor.shape.size(), " dimensions, not ", rank);
    }
    return tensor;
  }
  return DataLoss("no tensor \"", name, "\"");
}

absl::Status WriteSafetensors(const std::string& path, absl::Span<const TensorView> tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return std::tuple(DtypeBytes(b->dtype), std::string_view(a->name)) <
           std::tuple(DtypeBytes(a->dtype), std::string_view(b->name));
  });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t end = 0;
  for (const TensorView* tensor : order) {
    if (tensor->name == "__metadata__" || header.contains(tensor->name)) {
      return InvalidArgument(path, ": tensor name \"", tensor->name, "\" is taken");
    }
    if (BytesOfShape(tensor->shape, tensor->dtype) != tensor->bytes.size()) {
      return InvalidArgument(path, ": tensor \"", tensor->name, "\": shape and bytes disagree");
    }
    const std::uint64_t begin = end;
    end += tensor->bytes.size();
    header[tensor->name] = {{"dtype", DtypeName(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    return InvalidArgument(path, ": a tensor's name is not UTF-8");
  }
  while ((kLengthBytes + text.size()) % kDataAlignment != 0) text.push_back(' ');
  const std::uint64_t header_bytes = text.size();
  if (header_bytes > SafetensorsFile::kHeaderBytesMax) {
    return InvalidArgument(path, ": header of ", header_bytes, " bytes is above the limit");
  }

  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(&header_bytes), kLengthBytes);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const TensorView* tensor : order) {
    file.write(tensor->bytes.data(), static_cast<std::streamsize>(tensor->bytes.size()));
  }
  file.close();
  if (!file) return Internal("cannot write ", path, ": ", std::strerror(errno));
  return absl::OkStatus();
}

}  // namespace fourfold
