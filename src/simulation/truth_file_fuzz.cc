#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "simulation/memory_bytes.h"
#include "simulation/truth_file.h"

// Any bytes are a truth file or an error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace simulation = fourfold::simulation;
  auto reader =
      simulation::TruthReader::Open(std::make_unique<simulation::MemorySource>(
                                        std::string(reinterpret_cast<const char*>(data), size)),
                                    "fuzzed");
  if (!reader.ok()) return 0;
  while (true) {
    const auto record = (*reader)->Next();
    if (!record.ok() || !record->has_value()) return 0;
  }
}
