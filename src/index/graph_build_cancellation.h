#pragma once

#include <functional>

namespace fourfold {

// While it lives, a VectorGraph::Build asks `is_cancelled` now and then, from any of its threads.
// Once it says so the build ends, within about a second, with a graph without items; who asked for
// it knows why. One at a time, as builds are.
class GraphBuildCancellation {
 public:
  // Empty: never. Otherwise it outlives this object.
  explicit GraphBuildCancellation(const std::function<bool()>& is_cancelled);
  ~GraphBuildCancellation();
  GraphBuildCancellation(const GraphBuildCancellation&) = delete;
  GraphBuildCancellation& operator=(const GraphBuildCancellation&) = delete;
};

}  // namespace fourfold
