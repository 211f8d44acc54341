#pragma once

// What Faiss's headers and src/index/hnsw_links.cc need of OpenMP's header, which clang does not
// bring along in Debian, and GCC's does not compile with it. The functions are libgomp's.
struct omp_lock_t;
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int threads);
