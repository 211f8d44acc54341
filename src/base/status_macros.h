#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Hand an error to the caller; for functions that return absl::Status or absl::StatusOr<T>.
#define FOURFOLD_RETURN_IF_ERROR(expression)           \
  do {                                                 \
    absl::Status fourfold_status = (expression);       \
    if (!fourfold_status.ok()) return fourfold_status; \
  } while (false)

#define FOURFOLD_STATUS_CONCAT_INNER(a, b) a##b
#define FOURFOLD_STATUS_CONCAT(a, b) FOURFOLD_STATUS_CONCAT_INNER(a, b)

// FOURFOLD_ASSIGN_OR_RETURN(auto value, Compute());
#define FOURFOLD_ASSIGN_OR_RETURN(declaration, expression)                                   \
  FOURFOLD_ASSIGN_OR_RETURN_INNER(FOURFOLD_STATUS_CONCAT(status_or_, __LINE__), declaration, \
                                  expression)
#define FOURFOLD_ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                            \
  if (!temporary.ok()) return std::move(temporary).status();                \
  declaration = *std::move(temporary)
