#pragma once

#include <string>

#include "online/pipeline/stage.h"

namespace fourfold {

// Drops the items for whose fields the request's own condition is false.
class RequestFilter final : public Filter {
 public:
  RequestFilter();

  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;
};

}  // namespace fourfold
