#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fourfold {

// A vector for each item, of length 1, so that the inner product of two is their cosine; and the
// parts that it was put together from, so that the vector of an item that came or changed later can
// be put together alike:
//   an item that was trained: sum of softmax(weights) over its own row and, for each field of which
//     it has values, the mean of their vectors;
//   one that was not (nobody had acted on it): the mean over those fields, where there are any.
// Values that were not trained have no vector and do not count. Immutable; thread-safe.
//
// On disk a safetensors file; docs/formats.md has its tensors. Opened by mapping it into memory.
class ItemEmbeddings {
 public:
  // The values of a field that training knows, and which of them each item had then: those of item
  // i are value[begin[i]] .. value[begin[i + 1] - 1], rising.
  struct Field {
    std::string name;
    std::vector<std::string> values;  // sorted, each once
    std::vector<std::int64_t> begin;  // [items + 1]
    std::vector<std::uint32_t> value;
    std::vector<float> vectors;  // [values, dimension]
  };
  struct Parts {
    int dimension = 0;                  // a multiple of 8
    std::vector<std::uint8_t> trained;  // [items], 0 or 1
    std::vector<float> rows;            // [items, dimension]
    std::vector<float> weights;         // [items, 1 + fields], before the softmax
    std::vector<Field> fields;
  };

  // The parts must fit together and be finite.
  static ItemEmbeddings FromParts(Parts parts);
  // Checks sizes, offsets, indexes, order and that every number is finite. DataLoss, naming the
  // file and the tensor, for anything else.
  static absl::StatusOr<ItemEmbeddings> Open(const std::string& path);
  absl::Status Save(const std::string& path) const;

  std::uint32_t items() const;
  std::size_t dimension() const;
  std::span<const float> vectors() const;  // [items, dimension]; zeros for an item without one
  // Empty for an item without a vector.
  std::span<const float> VectorOf(std::uint32_t item) const;

  // Whether it has a row of its own, beside what its side fields say.
  bool IsTrained(std::uint32_t item) const;

  std::size_t fields() const;
  const std::string& FieldName(std::size_t field) const;
  // The values of a field that some trained item had, sorted, each with its vector.
  void VisitValues(
      std::size_t field,
      absl::FunctionRef<void(std::string_view value, std::span<const float> vector)> visit) const;
  // The values of one item by each field, parallel to the fields, in any order.
  using SideValues = std::vector<std::vector<std::string>>;
  // Whether these, as far as training knows them, are what the item had then.
  bool AreThoseOf(std::uint32_t item, const SideValues& values) const;
  // The vector of an item with these values; `item` kNoItemRow for one that is not among the items.
  // Empty when nothing is known of it.
  static constexpr std::uint32_t kNoItemRow = 0xffffffffu;
  std::vector<float> Compose(std::uint32_t item, const SideValues& values) const;

  ItemEmbeddings(ItemEmbeddings&&) noexcept;
  ItemEmbeddings& operator=(ItemEmbeddings&&) noexcept;
  ~ItemEmbeddings();

 private:
  struct Storage;
  static absl::StatusOr<ItemEmbeddings> OpenUnnamed(const std::string& path);
  explicit ItemEmbeddings(std::unique_ptr<Storage> storage);
  std::unique_ptr<Storage> storage_;
};

// e^x / the sum of e^x, in place.
void Softmax(std::span<float> values);

}  // namespace fourfold
