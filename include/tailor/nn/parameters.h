// The tensors of a network on a device. Parameters and gradients are one flat buffer each, in which
// every tensor is a range; what autograd sees are views of them, so that an optimiser's step is a
// few operations on whole buffers. Running statistics lie beside, each on its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "tailor/net/network.h"
#include "tailor/tensors/tensor.h"

namespace tailor::nn {

/// A parameter's place in a flat buffer: elements from `offset` on, 4-D ones channels-last. Between
/// ranges are zeros, so that each begins on a cache line.
struct ParameterRange {
  std::string name;
  Shape shape;
  int64_t offset = 0;

  int64_t size() const { return element_count(shape); }
  /// Its part of a flat buffer, in its shape.
  at::Tensor view(const at::Tensor& flat) const;
};

class Parameters {
 public:
  at::Tensor values, gradients;  // float32 [size], on one device
  std::vector<ParameterRange> ranges;
  at::Tensor places;  // int64 [ranges], on the device: of each range up to where the next begins

  /// Of a network that computes in bfloat16: what its convolutions and linear layers read, and
  /// their gradients, [size]; the others' places hold what nobody reads, and 0. Else undefined.
  at::Tensor narrow_values, narrow_gradients;

  Parameters() = default;
  /// `tensors` has one of every spec's name and shape; `compute` is kFloat or kBFloat16.
  Parameters(const std::vector<TensorSpec>& specs, const TensorMap& tensors, at::Device device,
             at::ScalarType compute = at::kFloat);

  at::Device device() const { return values.device(); }
  /// The leaf that autograd sees; its gradient is a view of `gradients`, or of the narrow ones.
  const at::Tensor& parameter(const std::string& name) const { return leaves_.at(name); }
  /// The same in float32, whatever the network computes in.
  const at::Tensor& master(const std::string& name) const;
  /// A running statistic.
  const at::Tensor& buffer(const std::string& name) const { return buffers_.at(name); }
  const std::map<std::string, at::Tensor>& buffers() const { return buffers_; }
  void zero_gradients() const;
  /// After a backward pass: `gradients` are all of them.
  void gather_gradients() const { gather_gradients(0, gradients.numel()); }
  /// The same of the elements [first, end) alone.
  void gather_gradients(int64_t first, int64_t end) const;
  /// After the values have moved: the narrow ones follow.
  void spread_values() const;
  /// Elements of all ranges.
  int64_t count() const;
  /// Host copies of parameters and running statistics, by name.
  TensorMap tensors() const;

 private:
  std::map<std::string, at::Tensor> leaves_, masters_, buffers_;
};

}  // namespace tailor::nn
