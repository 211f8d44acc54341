#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace fourfold {

// Has this thread, and those that it starts, leave the processors to others that want them.
inline void YieldToRequests() {
  constexpr int kNice = 10;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
}

}  // namespace fourfold
