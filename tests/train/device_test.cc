// Which device a configuration means; what is not there is an error that names what is.
#include "tailor/train/device.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

TEST(Device, TheCpuIsAlwaysThereAndFirst) {
  ASSERT_FALSE(list_devices().empty());
  EXPECT_EQ(list_devices()[0].name, "cpu");
  EXPECT_TRUE(resolve_device("cpu", "test").is_cpu());
}

TEST(Device, AutoIsTheFirstGpuOrTheCpu) {
  const bool gpu = list_devices().size() > 1;
  EXPECT_EQ(resolve_device("auto", "test").str(), gpu ? "cuda:0" : "cpu");
  if (gpu) {
    EXPECT_EQ(resolve_device("cuda", "test").str(), "cuda:0");
  }
}

TEST(Device, WhatIsNotThereIsAnErrorThatNamesWhatIs) {
  for (const char* name : {"cuda:97", "cuda:", "cuda:-1", "cuda:x", "gpu", ""}) {
    testing::expect_error(ErrorKind::Config,
                          {"/runtime/device", "cpu", std::string("\"") + name + "\"", "test"},
                          [&] { resolve_device(name, "test"); });
  }
}

TEST(Device, KernelsOfAGpuAreNotThoseOfItsHost) {
  RuntimeConfig runtime;
  const std::string host = kernels_in_words(runtime, "bfloat16", c10::kCPU);
  testing::expect_words(host, {"fast kernels (", "LibTorch's"});
  EXPECT_EQ(kernels_in_words(runtime, "bfloat16", c10::Device(c10::kCUDA, 0)),
            "fast kernels (cuda)");
  runtime.kernels = "reference";
  EXPECT_EQ(kernels_in_words(runtime, "float32", c10::Device(c10::kCUDA, 1)),
            "reference kernels (cuda)");
}

}  // namespace
}  // namespace tailor::test
