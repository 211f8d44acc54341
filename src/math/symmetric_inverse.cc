#include "math/symmetric_inverse.h"

#include <cblas.h>
#include <f77blas.h>

#include <cmath>
#include <thread>

#include "base/check.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kSizeMax = 46'340;

}  // namespace

absl::Status Invert(SymmetricMatrix* matrix, int threads) {
  FOURFOLD_CHECK(matrix->size <= kSizeMax && matrix->values.size() == matrix->size * matrix->size);
  if (matrix->size == 0) return absl::OkStatus();
  const unsigned processors = std::thread::hardware_concurrency();
  openblas_set_num_threads(threads > 0 ? threads : static_cast<int>(processors));
  char triangle = 'L';
  auto size = static_cast<blasint>(matrix->size);
  blasint info = 0;
  spotrf_(&triangle, &size, matrix->values.data(), &size, &info);
  if (info == 0) spotri_(&triangle, &size, matrix->values.data(), &size, &info);
  FOURFOLD_CHECK(info >= 0);
  if (info > 0) {
    return FailedPrecondition("a matrix of ", matrix->size,
                              " rows is not positive definite: its leading minor of order ", info,
                              " is not");
  }
  for (std::size_t i = 0; i < matrix->size; ++i) {
    if (!std::isfinite(matrix->at(i, i))) {
      return FailedPrecondition("the inverse of a matrix of ", matrix->size,
                                " rows is not finite in row ", i);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
