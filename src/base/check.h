#pragma once

#include <cstdio>
#include <cstdlib>

// For what cannot happen: a failed check is our own bug and ends the process. On in every build.
// What can happen (bad input, a full disk) is an absl::Status.
#define FOURFOLD_CHECK(condition)                                                        \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
