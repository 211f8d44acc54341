#pragma once

#include <ostream>

namespace fourfold {

// The program `fourfold` without its process: reads the arguments, does what they say, prints, and
// returns the exit code (context.h).
int RunCommandLine(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace fourfold
