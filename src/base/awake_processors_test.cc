#include "base/awake_processors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace fourfold {
namespace {

// What the kernel holds itself to now, in microseconds.
std::int32_t LatencyOfKernel() {
  std::ifstream device(AwakeProcessors::kDevice, std::ios::binary);
  std::int32_t latency_us = -1;
  device.read(reinterpret_cast<char*>(&latency_us), sizeof latency_us);
  return latency_us;
}

TEST(AwakeProcessorsTest, KernelIsHeldToNoLatencyUntilTheEnd) {
  // Only root may ask, and a container may lack the device.
  if (::access(AwakeProcessors::kDevice, R_OK | W_OK) != 0) GTEST_SKIP();
  const std::int32_t before = LatencyOfKernel();
  {
    auto held = AwakeProcessors::Hold();
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_EQ(LatencyOfKernel(), 0);
    const AwakeProcessors moved = *std::move(held);
    EXPECT_EQ(LatencyOfKernel(), 0);
  }
  EXPECT_EQ(LatencyOfKernel(), before);
}

TEST(AwakeProcessorsTest, AsksForZeroInBinary) {
  const std::string path = testing::TempDir() + "awake_processors_test_device";
  std::ofstream(path, std::ios::binary).close();
  ASSERT_TRUE(AwakeProcessors::Hold(path).ok());
  std::ifstream written(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(written), {}};
  EXPECT_EQ(bytes, std::string(4, '\0'));
  std::filesystem::remove(path);
}

TEST(AwakeProcessorsTest, KernelWithoutTheDeviceIsNamed) {
  const auto held = AwakeProcessors::Hold("/nowhere/cpu_dma_latency");
  EXPECT_EQ(held.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(held.status().ToString().find("/nowhere/cpu_dma_latency"), std::string::npos);
}

}  // namespace
}  // namespace fourfold
