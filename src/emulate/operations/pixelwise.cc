// ReLU, addition, clone, and batch norm, which has no integers: no design has it.
#include <algorithm>
#include <cmath>

#include "tailor/emulate/kernels.h"

namespace tailor::emulate {
namespace {

using Map = std::vector<double>;

Map float64_relu(const Float64Call& call) {
  Map y = call.input();
  for (double& v : y) v = std::max(v, 0.0);
  return y;
}

Map float64_add(const Float64Call& call) {
  Map y = call.input();
  for (size_t s = 1; s < call.inputs.size(); ++s) {
    for (size_t i = 0; i < y.size(); ++i) y[i] += call.input(s)[i];
  }
  return y;
}

Map float64_clone(const Float64Call& call) { return call.input(); }

void prepare_batch_norm(Float64Stage& stage, const Graph& graph, const Node& node,
                        const Float64WeightChange& /*change*/) {
  const auto gamma = graph.tensor(node, "weight").to_doubles(),
             beta = graph.tensor(node, "bias").to_doubles();
  const auto mean = graph.tensor(node, "running_mean").to_doubles(),
             variance = graph.tensor(node, "running_var").to_doubles();
  const double epsilon = node.as<ops::BatchNorm>().epsilon;
  stage = {};
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(variance[c] + epsilon);
    stage.weight.push_back(scale);
    stage.bias.push_back(beta[c] - mean[c] * scale);
  }
}

Map float64_batch_norm(const Float64Call& call) {
  Map y = call.input();
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t c = i % call.stage.weight.size();
    y[i] = y[i] * call.stage.weight[c] + call.stage.bias[c];
  }
  return y;
}

struct IntegerRelu {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    return call.template cast_each<U>(
        [&](size_t i) { return std::max<int64_t>(call.input()[i], 0); });
  }
};

struct IntegerAdd {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const int fraction = call.node.hardware.accumulator->fraction();
    std::vector<int> fractions;
    for (size_t s = 0; s < call.inputs.size(); ++s) fractions.push_back(call.type(s).fraction());
    return call.template cast_each<U>([&](size_t i) {
      int64_t sum = 0;
      for (size_t s = 0; s < call.inputs.size(); ++s)
        sum += aligned(call.input(s)[i], fractions[s], fraction);
      return sum;
    });
  }
};

struct IntegerClone {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    return std::vector<U>(call.input().begin(), call.input().end());
  }
};

const RegisterKernels<ops::Relu> kReluKernels({float64_relu}, integer_kernel<IntegerRelu>());
const RegisterKernels<ops::Add> kAddKernels({float64_add}, integer_kernel<IntegerAdd>());
const RegisterKernels<ops::Clone> kCloneKernels({float64_clone}, integer_kernel<IntegerClone>());
const RegisterKernels<ops::BatchNorm> kBatchNormKernels({float64_batch_norm, prepare_batch_norm},
                                                        IntegerKernel{});

}  // namespace
}  // namespace tailor::emulate
