#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace fourfold {

// While it lives, the kernel keeps processors out of idle states from which they wake up late
// (power management's quality of service, as tuned's latency profiles ask for it): a latency
// bought with power. On a virtual machine an idle processor polls instead of being handed back to
// its host, which is where most of a late wake-up comes from. The request ends with the process,
// however that ends. Source: the kernel's Documentation/power/pm_qos_interface.rst.
class AwakeProcessors {
 public:
  static constexpr char kDevice[] = "/dev/cpu_dma_latency";

  // Errors: PermissionDenied (root only, as a rule), NotFound (a kernel without it), Internal.
  static absl::StatusOr<AwakeProcessors> Hold(const std::string& device = kDevice);
  ~AwakeProcessors();
  AwakeProcessors(AwakeProcessors&& other) noexcept;
  AwakeProcessors& operator=(AwakeProcessors&& other) noexcept;

 private:
  explicit AwakeProcessors(int file) : file_(file) {}
  int file_;  // the request holds as long as this is open; -1: given away
};

}  // namespace fourfold
