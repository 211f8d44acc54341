#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace fourfold {

// Runs body(begin, end) over [0, count) in pieces of at most `piece`, each once, on `threads`
// threads (0: one per processor; the caller's is one of them). Which thread takes which piece
// differs from run to run, so a body writes only to places of its own range.
inline void ForEachPiece(std::size_t count, std::size_t piece, int threads,
                         const std::function<void(std::size_t begin, std::size_t end)>& body) {
  const std::size_t pieces = (count + piece - 1) / piece;
  const std::size_t wanted = threads > 0 ? static_cast<std::size_t>(threads)
                                         : std::max(1u, std::thread::hardware_concurrency());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < pieces; i = next++) {
      body(i * piece, std::min(count, (i + 1) * piece));
    }
  };
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < std::min(wanted, pieces); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace fourfold
