#pragma once

#include <string>

#include "online/pipeline/stage.h"

namespace fourfold {

// Drops the items that carry a mark.
class MarkFilter final : public Filter {
 public:
  MarkFilter(std::string name, Column column, std::uint32_t bit, std::string reason);
  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;

 private:
  const std::uint32_t bit_;
  const std::string reason_;
};

// Drops what include_items does not name, where it names anything.
class IncludeFilter final : public Filter {
 public:
  IncludeFilter();
  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;
};

// Drops what the catalogue does not hold: never declared, or deleted.
class ExistenceFilter final : public Filter {
 public:
  ExistenceFilter();
  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;
};

}  // namespace fourfold
