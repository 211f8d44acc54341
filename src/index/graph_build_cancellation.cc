#include "index/graph_build_cancellation.h"

#include <faiss/impl/AuxIndexStructures.h>

#include <memory>

namespace fourfold {
namespace {

class Interrupt final : public faiss::InterruptCallback {
 public:
  explicit Interrupt(const std::function<bool()>& is_cancelled) : is_cancelled_(is_cancelled) {}
  bool want_interrupt() override { return is_cancelled_(); }

 private:
  const std::function<bool()>& is_cancelled_;
};

}  // namespace

GraphBuildCancellation::GraphBuildCancellation(const std::function<bool()>& is_cancelled) {
  if (is_cancelled) {
    faiss::InterruptCallback::instance = std::make_unique<Interrupt>(is_cancelled);
  }
}

GraphBuildCancellation::~GraphBuildCancellation() { faiss::InterruptCallback::clear_instance(); }

}  // namespace fourfold
