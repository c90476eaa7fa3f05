// One pass over the nodes of a graph, in their order: constants are computed, what only renames or
// turns a map moves with the name, everything else becomes a step or is refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/onnx_steps.h"

namespace tailor::net {

/// How a value lies: its pixels by channel or its channels by pixel, a vector alike.
enum class OnnxLayout { Nchw, Nhwc, Flat, FlatNhwc };

/// A value: what a step made, perhaps turned, rounded or with pads around it.
struct OnnxSource {
  size_t step = 0;
  OnnxLayout layout = OnnxLayout::Nchw;
  std::optional<OnnxType> type = {};
  Pads pads = {};
  bool lowest = false;  // the pads' values
  bool flat() const { return layout == OnnxLayout::Flat || layout == OnnxLayout::FlatNhwc; }
};

class OnnxWalk {
 public:
  OnnxWalk(const OnnxModel& model, const std::string& where, const OnnxInputSize& size);
  OnnxSteps run();

 private:
  using Handler = void (OnnxWalk::*)(const OnnxReason&);
  static const std::map<std::string, Handler>& handlers();
  void add_input(const OnnxInputSize& size);
  /// Whether the input's channels are last: it is turned before a convolution reads it.
  bool is_turned(const std::string& input) const;
  void visit(const OnnxReason& at);

  // ---- values
  void set(const OnnxReason& at, std::variant<OnnxSource, OnnxConstant> value);
  bool has_input(const OnnxReason& at, size_t i) const {
    return i < at.node().inputs.size() && !at.node().inputs[i].empty();
  }
  const OnnxConstant* find_constant(const OnnxReason& at, size_t i) const;
  const OnnxArray& constant(const OnnxReason& at, size_t i, const char* what) const;
  std::vector<OnnxConstant> constants(const OnnxReason& at) const;
  /// With the pads that stand around it.
  const OnnxSource& padded_source(const OnnxReason& at, size_t i = 0) const;
  const OnnxSource& source(const OnnxReason& at, size_t i = 0) const;
  const MapShape& map(const OnnxSource& s) const { return steps_.steps[s.step].out; }
  void need_nchw(const OnnxReason& at, const OnnxSource& s) const;
  OnnxStep& add(const OnnxReason& at, decltype(OnnxStep::what) what,
                const std::vector<OnnxSource>& inputs, const MapShape& out, OnnxLayout layout);
  bool may_be_negative(const OnnxStep& step) const;
  void alias(const OnnxReason& at, OnnxSource s) { set(at, std::move(s)); }

  // ---- windows
  static Size2 pair_of(const OnnxReason& at, const char* attribute);
  /// Rows or columns before and behind a map, so that there are as many windows as strides.
  static std::pair<int64_t, int64_t> same_pads(int64_t map, int64_t extent, int64_t stride,
                                               bool upper);
  Window window_of(const OnnxReason& at, const Size2& kernel, const OnnxSource& x) const;
  void conv(const OnnxReason& at);
  /// A constant of so many numbers, or of one that stands for all.
  Tensor vector(const OnnxReason& at, size_t i, const char* what, int64_t size) const;
  /// Of rounded weights [out, …], the step of each output; else nothing.
  static std::vector<double> steps_by_output(const OnnxReason& at, const OnnxArray& w);
  void max_pool(const OnnxReason& at);
  void average_pool(const OnnxReason& at);
  void pool(const OnnxReason& at, OnnxSource x, PoolKind kind);
  void global_average(const OnnxReason& at);
  void add_mean(const OnnxReason& at, const OnnxSource& x, OnnxLayout layout);
  void reduce_mean(const OnnxReason& at);

  // ---- pixel by pixel
  void relu(const OnnxReason& at);
  void clip(const OnnxReason& at);
  void batch_norm(const OnnxReason& at);
  /// One number a channel, of a constant that stretches over the map.
  std::vector<double> by_channel(const OnnxReason& at, const OnnxArray& a,
                                 const OnnxSource& x) const;
  /// `sign` and `inverse` of the constant in the second place.
  void affine(const OnnxReason& at, size_t constant_at, bool scales, bool inverse);
  void sum(const OnnxReason& at);
  void product(const OnnxReason& at);
  void difference(const OnnxReason& at);
  void quotient(const OnnxReason& at);

  // ---- what only moves
  void identity(const OnnxReason& at);
  void cast(const OnnxReason& at);
  void softmax(const OnnxReason& at);
  void transpose(const OnnxReason& at);
  void flatten(const OnnxReason& at);
  void flatten(const OnnxReason& at, OnnxSource x);
  void reshape(const OnnxReason& at);
  void squeeze(const OnnxReason& at);
  void shape(const OnnxReason& at);

  // ---- shortcuts without weights: every stride-th pixel, channels of zeros
  void slice(const OnnxReason& at);
  void pad(const OnnxReason& at);

  // ---- linear layers
  void gemm(const OnnxReason& at);
  void mat_mul(const OnnxReason& at);
  void linear(const OnnxReason& at, bool by_row, bool bias);

  // ---- QONNX
  /// But for its step.
  OnnxType type_of(const OnnxReason& at) const;
  const OnnxArray& scales_of(const OnnxReason& at) const;
  /// In steps.
  static double rounded(const OnnxReason& at, double v, double step, const OnnxType& t);
  void quant(const OnnxReason& at);
  void quant(const OnnxReason& at, OnnxArray out, const OnnxType& type);

  const OnnxModel& model_;
  const std::string& where_;
  OnnxSteps steps_;
  std::map<std::string, std::variant<OnnxSource, OnnxConstant>> known_;
};

}  // namespace tailor::net
