#include "tailor/nn/witness.h"

#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <functional>

#include "nn/convolution.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/random.h"

namespace tailor::nn {
namespace {

/// Without oneDNN and cuDNN.
class PlainKernels {
 public:
  PlainKernels()
      : one_dnn_(at::globalContext().userEnabledMkldnn()),
        cu_dnn_(at::globalContext().userEnabledCuDNN()) {
    set(false, false);
  }
  ~PlainKernels() { set(one_dnn_, cu_dnn_); }
  PlainKernels(const PlainKernels&) = delete;
  PlainKernels& operator=(const PlainKernels&) = delete;

 private:
  static void set(bool one_dnn, bool cu_dnn) {
    at::globalContext().setUserEnabledMkldnn(one_dnn);
    at::globalContext().setUserEnabledCuDNN(cu_dnn);
  }
  bool one_dnn_, cu_dnn_;
};

using Convolve = std::function<at::Tensor(const at::Tensor&, const ConvGeometry&, const at::Tensor&,
                                          const at::Tensor&)>;

LayerPass layer_pass(const ConvCall& call, const at::Tensor& output_gradient,
                     at::MemoryFormat format, const Convolve& kernel) {
  auto leaf = [](const at::Tensor& t) {
    return t.defined() ? t.detach().set_requires_grad(true) : at::Tensor();
  };
  const at::Tensor input = leaf(call.input.detach().contiguous(format)),
                   weight = leaf(call.weight.detach().contiguous(format)), bias = leaf(call.bias);
  const at::Tensor output = kernel(input, call.geometry, weight, bias);
  output.backward(output_gradient.contiguous(format));
  return {output.detach(), input.grad(), weight.grad(),
          bias.defined() ? bias.grad() : at::Tensor()};
}

/// The call on magnitudes: each result is the sum of the magnitudes that the call's own sums.
ConvCall magnitudes_of(const ConvCall& call) {
  auto magnitude = [](const at::Tensor& t) {
    return t.defined() ? t.detach().abs() : at::Tensor();
  };
  return {call.name,
          call.geometry,
          magnitude(call.input),
          magnitude(call.weight),
          magnitude(call.bias),
          at::Tensor()};
}

}  // namespace

WitnessErrors compare_layer(const std::string& layer, const LayerPass& fast, const LayerPass& plain,
                            const LayerPass& magnitudes) {
  auto error = [&](const char* what, const at::Tensor& a, const at::Tensor& b,
                   const at::Tensor& size) {
    const double difference = at::sub(a.to(at::kDouble), b.to(at::kDouble)).norm().item<double>();
    const double relative =
        difference / std::max(size.to(at::kDouble).norm().item<double>(), 1e-30);
    if (!(relative <= kKernelTolerance)) {  // so that a NaN is a fault
      fail(ErrorKind::Mismatch,
           "LibTorch computes {} wrongly on this machine: its {} differs from plain convolutions "
           "by {:.3g} of what is summed, expected at most {}; try another instruction set "
           "(ONEDNN_MAX_CPU_ISA=SSE41 DNNL_MAX_CPU_ISA=SSE41 in the environment) or another "
           "LibTorch",
           layer, what, relative, kKernelTolerance);
    }
    return relative;
  };
  WitnessErrors errors;
  errors.output = error("output", fast.output, plain.output, magnitudes.output);
  errors.gradient = std::max(
      error("input gradient", fast.input_gradient, plain.input_gradient, magnitudes.input_gradient),
      error("weight gradient", fast.weight_gradient, plain.weight_gradient,
            magnitudes.weight_gradient));
  if (plain.bias_gradient.defined()) {
    errors.gradient = std::max(
        errors.gradient,
        error("bias gradient", fast.bias_gradient, plain.bias_gradient, magnitudes.bias_gradient));
  }
  return errors;
}

WitnessErrors verify_kernels(const Network& network, const TensorMap& tensors,
                             const at::Tensor& x) {
  Model model(network, tensors, x.device());
  std::vector<ConvCall> calls;
  const at::Tensor logits = model.forward(x, /*training=*/true, {}, &calls);
  for (const ConvCall& call : calls) call.output.retain_grad();
  CounterRandom random(1, RandomStream::Witness, 0);
  std::vector<float> direction(static_cast<size_t>(logits.numel()));
  for (float& v : direction) v = static_cast<float>(random.uniform(-1, 1));
  logits.backward(at::from_blob(direction.data(), logits.sizes(), at::kFloat).to(x.device()));
  WitnessErrors largest;
  for (const ConvCall& call : calls) {
    throw_if_interrupted();
    const at::Tensor gradient = call.output.grad();
    const LayerPass fast =
        layer_pass(call, gradient, at::MemoryFormat::ChannelsLast,
                   [](const auto&... operands) { return convolve(operands...); });
    const PlainKernels guard;
    auto plain = [&](const ConvCall& c, const at::Tensor& g) {
      return layer_pass(c, g, at::MemoryFormat::Contiguous, plain_convolve);
    };
    const WitnessErrors errors = compare_layer(call.name, fast, plain(call, gradient),
                                               plain(magnitudes_of(call), gradient.abs()));
    largest.output = std::max(largest.output, errors.output);
    largest.gradient = std::max(largest.gradient, errors.gradient);
  }
  return largest;
}

}  // namespace tailor::nn
