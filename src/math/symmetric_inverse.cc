#include "math/symmetric_inverse.h"

#include <cblas.h>
#include <f77blas.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kSizeMax = 46'340;
constexpr std::size_t kMultiplicationsPerStep = std::size_t{1} << 34;
constexpr std::size_t kLeastBlockRows = 64;  // narrower ones keep no processor busy

// Matrices that one step takes are one block, and LAPACK's own work from end to end.
std::size_t BlockRows(std::size_t size) {
  const std::size_t rows = std::max(kMultiplicationsPerStep / (size * size), kLeastBlockRows);
  return std::min(rows, size);
}

// The lower triangle of a matrix by columns, block by block.
class BlockedInverse {
 public:
  BlockedInverse(SymmetricMatrix* matrix, std::size_t block_rows,
                 const std::function<bool()>& is_cancelled)
      : values_(matrix->values.data()),
        size_(static_cast<blasint>(matrix->size)),
        block_rows_(static_cast<blasint>(block_rows)),
        is_cancelled_(is_cancelled) {}

  // A becomes L with A = L L'.
  absl::Status Factorise() {
    for (blasint begin = 0; begin < size_; begin += block_rows_) {
      FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled());
      blasint rows = RowsAt(begin), info = 0;
      spotrf_(&lower_, &rows, At(begin, begin), &size_, &info);
      FOURFOLD_CHECK(info >= 0);
      if (info > 0) {
        return FailedPrecondition("a matrix of ", size_,
                                  " rows is not positive definite: its leading minor of order ",
                                  begin + info, " is not");
      }
      const blasint next = begin + rows, rest = size_ - next;
      if (rest == 0) continue;
      cblas_strsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rest, rows, 1,
                  At(begin, begin), size_, At(next, begin), size_);
      cblas_ssyrk(CblasColMajor, CblasLower, CblasNoTrans, rest, rows, -1, At(next, begin), size_,
                  1, At(next, next), size_);
    }
    return absl::OkStatus();
  }

  // L becomes its inverse: from the last block on, so that what lies below one is inverted already.
  absl::Status InvertFactor() {
    for (blasint begin = (size_ - 1) / block_rows_ * block_rows_; begin >= 0;
         begin -= block_rows_) {
      FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled());
      blasint rows = RowsAt(begin), info = 0;
      const blasint next = begin + rows, rest = size_ - next;
      if (rest > 0) {
        cblas_strmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rest, rows, 1,
                    At(next, next), size_, At(next, begin), size_);
        cblas_strsm(CblasColMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, rest, rows,
                    -1, At(begin, begin), size_, At(next, begin), size_);
      }
      strtri_(&lower_, &no_unit_, &rows, At(begin, begin), &size_, &info);
      FOURFOLD_CHECK(info == 0);  // the diagonal of L is above 0
    }
    return absl::OkStatus();
  }

  // M, the inverse of L, becomes M' M.
  absl::Status MultiplyFactor() {
    for (blasint begin = 0; begin < size_; begin += block_rows_) {
      FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled());
      blasint rows = RowsAt(begin), info = 0;
      const blasint next = begin + rows, rest = size_ - next;
      if (begin > 0) {
        cblas_strmm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, rows, begin, 1,
                    At(begin, begin), size_, At(begin, 0), size_);
      }
      slauum_(&lower_, &rows, At(begin, begin), &size_, &info);
      FOURFOLD_CHECK(info == 0);
      if (rest == 0) continue;
      if (begin > 0) {
        cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, rows, begin, rest, 1, At(next, begin),
                    size_, At(next, 0), size_, 1, At(begin, 0), size_);
      }
      cblas_ssyrk(CblasColMajor, CblasLower, CblasTrans, rows, rest, 1, At(next, begin), size_, 1,
                  At(begin, begin), size_);
    }
    return absl::OkStatus();
  }

 private:
  float* At(blasint row, blasint column) const {
    return values_ + static_cast<std::ptrdiff_t>(row) +
           static_cast<std::ptrdiff_t>(column) * static_cast<std::ptrdiff_t>(size_);
  }
  blasint RowsAt(blasint begin) const { return std::min(block_rows_, size_ - begin); }
  absl::Status CheckNotCancelled() const {
    if (is_cancelled_ && is_cancelled_())
      return absl::CancelledError("the inversion was called off");
    return absl::OkStatus();
  }

  float* const values_;
  blasint size_;
  const blasint block_rows_;
  const std::function<bool()>& is_cancelled_;
  char lower_ = 'L', no_unit_ = 'N';
};

}  // namespace

absl::Status Invert(SymmetricMatrix* matrix, int threads, const std::function<bool()>& is_cancelled,
                    std::size_t block_rows) {
  FOURFOLD_CHECK(matrix->size <= kSizeMax && matrix->values.size() == matrix->size * matrix->size);
  if (matrix->size == 0) return absl::OkStatus();
  const unsigned processors = std::thread::hardware_concurrency();
  openblas_set_num_threads(threads > 0 ? threads : static_cast<int>(processors));
  BlockedInverse inverse(matrix, block_rows > 0 ? block_rows : BlockRows(matrix->size),
                         is_cancelled);
  FOURFOLD_RETURN_IF_ERROR(inverse.Factorise());
  FOURFOLD_RETURN_IF_ERROR(inverse.InvertFactor());
  FOURFOLD_RETURN_IF_ERROR(inverse.MultiplyFactor());
  for (std::size_t i = 0; i < matrix->size; ++i) {
    if (!std::isfinite(matrix->at(i, i))) {
      return FailedPrecondition("the inverse of a matrix of ", matrix->size,
                                " rows is not finite in row ", i);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
