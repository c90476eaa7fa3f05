#include "tailor/nn/bfloat16.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/ones.h>

#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace tailor::nn {
namespace {

bool convolves(c10::Device device) {
  const at::AutoGradMode with_gradients(true);
  const auto options = at::TensorOptions(at::kBFloat16).device(device);
  auto ones = [&](std::vector<int64_t> sizes) {
    return at::ones(sizes, options).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  };
  try {
    const at::Tensor x = ones({2, 16, 8, 8}), weight = ones({16, 16, 3, 3});
    at::conv2d(x, weight, {}, {1, 1}, at::IntArrayRef{1, 1}).sum().backward();
    return x.grad().defined() && weight.grad().defined();
  } catch (const std::exception&) {  // what it is that is missing depends on the version
    return false;
  }
}

}  // namespace

bool has_bfloat16(c10::Device device) {
  static std::mutex mutex;
  static std::map<std::string, bool> known;
  const std::lock_guard lock(mutex);
  const auto [found, is_new] = known.emplace(device.str(), false);
  if (is_new) found->second = convolves(device);
  return found->second;
}

}  // namespace tailor::nn
