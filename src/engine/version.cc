#include "engine/version.h"

namespace fourfold {

std::string_view EngineVersion() { return FOURFOLD_VERSION; }

}  // namespace fourfold
