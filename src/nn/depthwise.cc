#include "nn/depthwise.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "nn/convolution.h"
#include "nn/floats.h"
#include "nn/vector_kernels.h"
#include "tailor/nn/workers.h"

namespace tailor::nn {
namespace {

/// Of packed rows, so that they stay in the first-level cache while all taps pass over them.
constexpr int64_t kPackedBytes = 32 << 10;
/// Partial sums of a weight gradient, added up in order: parallel, yet alike for any number of
/// threads.
constexpr int64_t kMostPartialSums = 8;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t ceil_divide(int64_t a, int64_t b) { return floor_divide(a + b - 1, b); }

/// One row of a map, at any place of the batch, is a sequence of `length` positions.
struct RowConv {
  int64_t sequences, channels, length, out_length, taps, stride, dilation, left;
};

RowConv row_conv(const at::Tensor& x, const ConvGeometry& g) {
  const Window& w = g.window;
  const Size2 out = count_windows(w, {x.size(1), x.size(2), x.size(3)});
  return {x.size(0) * x.size(2), x.size(1),      x.size(3),        out.width,
          w.kernel.width,        w.stride.width, w.dilation.width, w.pads.left};
}

/// Tap k of output t reads padded position t · stride + k · dilation. With padded positions dealt
/// out by their remainder (phase), the taps of a phase p lie evenly: position r of the phase is
/// r · stride + p, and tap k reads t + reach(k).
struct Phase {
  int64_t remainder;
  std::vector<int64_t> taps;  // k
  int64_t first_reach, reach_step;
};

std::vector<Phase> phases_of(const RowConv& c) {
  std::vector<Phase> phases;
  for (int64_t p = 0; p < c.stride; ++p) {
    Phase phase{p, {}, 0, c.dilation / std::gcd(c.stride, c.dilation)};
    for (int64_t k = 0; k < c.taps; ++k) {
      if (k * c.dilation % c.stride == p) phase.taps.push_back(k);
    }
    if (!phase.taps.empty()) phase.first_reach = (phase.taps[0] * c.dilation - p) / c.stride;
    phases.push_back(phase);
  }
  return phases;
}

/// How one convolution is cut: blocks of `lanes` channels, blocks of time that fit the cache.
struct Cut {
  RowConv conv;
  const VectorKernels& kernels;
  std::vector<Phase> phases;
  int64_t reach;           // largest of any tap
  int64_t channel_blocks;  // the last may be partial

  explicit Cut(const RowConv& c)
      : conv(c),
        kernels(vector_kernels()),
        phases(phases_of(c)),
        reach((c.taps - 1) * c.dilation / c.stride),
        channel_blocks(ceil_divide(c.channels, kernels.lanes)) {}

  /// Channels of a block.
  int64_t width(int64_t block) const {
    return std::min(kernels.lanes, conv.channels - block * kernels.lanes);
  }
  int64_t floats(int64_t rows) const { return rows * kernels.lanes; }
  /// Positions of a block of time, when each takes so many packed rows and `halo` more are needed.
  int64_t block_length(int64_t positions, int64_t rows_each, int64_t halo) const {
    const int64_t rows = kPackedBytes / (4 * kernels.lanes);
    const int64_t most = std::max<int64_t>(64, (rows - halo) / rows_each);
    return ceil_divide(positions, ceil_divide(positions, most));
  }
};

/// Rows first, first + step, … of a sequence's channel block; zeros outside of it.
void pack_rows(const Cut& cut, const float* sequence, int64_t length, int64_t block, int64_t first,
               int64_t step, int64_t count, float* rows) {
  const int64_t lanes = cut.kernels.lanes, channels = cut.conv.channels, width = cut.width(block),
                begin = std::clamp<int64_t>(ceil_divide(-first, step), 0, count),
                end = std::clamp<int64_t>(ceil_divide(length - first, step), begin, count);
  std::fill(rows, rows + begin * lanes, 0.0F);
  std::fill(rows + end * lanes, rows + count * lanes, 0.0F);
  if (begin == end) return;
  const float* source = sequence + (first + begin * step) * channels + block * lanes;
  rows += begin * lanes;
  if (width == lanes) {
    cut.kernels.pack(source, step * channels, rows, end - begin);
    return;
  }
  for (int64_t r = begin; r < end; ++r, source += step * channels, rows += lanes) {
    std::memcpy(rows, source, sizeof(float) * static_cast<size_t>(width));
    std::fill(rows + width, rows + lanes, 0.0F);
  }
}

/// Weights [channels][taps] as [channel block][taps, phase by phase][lanes].
Floats pack_weights(const Cut& cut, const float* weight) {
  const int64_t lanes = cut.kernels.lanes;
  Floats packed(cut.channel_blocks * cut.conv.taps * lanes);
  float* out = packed.data();
  for (int64_t block = 0; block < cut.channel_blocks; ++block) {
    for (const Phase& phase : cut.phases) {
      for (int64_t k : phase.taps) {
        for (int64_t i = 0; i < cut.width(block); ++i)
          out[i] = weight[(block * lanes + i) * cut.conv.taps + k];
        out += lanes;
      }
    }
  }
  return packed;
}

/// The taps where the phases stand one after another, `rows` packed rows each.
std::vector<TapRun> runs_of(const Cut& cut, int64_t rows) {
  std::vector<TapRun> runs;
  for (const Phase& p : cut.phases) {
    runs.push_back(
        {p.remainder * rows + p.first_reach, p.reach_step, static_cast<int64_t>(p.taps.size())});
  }
  return runs;
}

/// Outputs `begin` to `end`'s inputs, phase by phase.
void pack_inputs(const Cut& cut, const float* sequence, int64_t block, int64_t begin, int64_t rows,
                 float* packed) {
  const RowConv& c = cut.conv;
  for (int64_t p = 0; p < c.stride; ++p) {
    pack_rows(cut, sequence, c.length, block, begin * c.stride + p - c.left, c.stride, rows,
              packed + cut.floats(p * rows));
  }
}

/// Sums of taps, to where the channels of a block stand in a map.
void correlate_block(const Cut& cut, int64_t block, const float* rows, const TapRun* runs,
                     int64_t run_count, const float* weights, const float* start, float* out,
                     int64_t out_stride, int64_t count, Floats& scratch) {
  const int64_t lanes = cut.kernels.lanes, width = cut.width(block);
  if (width == lanes) {
    cut.kernels.correlate(rows, runs, run_count, weights, start, out, out_stride, count);
    return;
  }
  scratch.resize(cut.floats(count));
  cut.kernels.correlate(rows, runs, run_count, weights, start, scratch.data(), lanes, count);
  for (int64_t t = 0; t < count; ++t) {
    std::memcpy(out + t * out_stride, scratch.data() + t * lanes,
                sizeof(float) * static_cast<size_t>(width));
  }
}

void convolve_rows(const RowConv& conv, const float* x, const float* weight, const float* bias,
                   float* y) {
  const Cut cut(conv);
  const int64_t lanes = cut.kernels.lanes,
                most = cut.block_length(conv.out_length, conv.stride, conv.stride * cut.reach),
                time_blocks = ceil_divide(conv.out_length, most), rows = most + cut.reach;
  const std::vector<TapRun> runs = runs_of(cut, rows);
  const Floats weights = pack_weights(cut, weight);
  Floats starts(cut.floats(cut.channel_blocks));
  if (bias) std::copy(bias, bias + conv.channels, starts.data());
  work_off(conv.sequences * time_blocks * cut.channel_blocks, [&](WorkQueue& queue) {
    Floats packed(cut.floats(conv.stride * rows)), scratch;
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      const int64_t block = i % cut.channel_blocks, unit = i / cut.channel_blocks,
                    sequence = unit / time_blocks, begin = unit % time_blocks * most,
                    count = std::min(most, conv.out_length - begin);
      pack_inputs(cut, x + sequence * conv.length * conv.channels, block, begin, rows,
                  packed.data());
      correlate_block(cut, block, packed.data(), runs.data(), static_cast<int64_t>(runs.size()),
                      weights.data() + cut.floats(block * conv.taps), starts.data() + block * lanes,
                      y + (sequence * conv.out_length + begin) * conv.channels + block * lanes,
                      conv.channels, count, scratch);
    }
  });
}

/// The gradient of the positions `begin` to `end` of one sequence's channel block. Position i is
/// row j = (i + left) / stride of the phase of its remainder, and got tap k from output
/// j - reach(k).
void input_gradient_block(const Cut& cut, const float* gradient, const float* weights,
                          const float* zeros, int64_t block, int64_t begin, int64_t end, float* out,
                          Floats& packed, Floats& scratch) {
  const RowConv& c = cut.conv;
  const int64_t first_row = floor_divide(begin + c.left, c.stride),
                rows = ceil_divide(end + c.left, c.stride) - first_row + cut.reach;
  packed.resize(cut.floats(rows));
  pack_rows(cut, gradient, c.out_length, block, first_row - cut.reach, 1, rows, packed.data());
  for (const Phase& phase : cut.phases) {
    const auto taps = static_cast<int64_t>(phase.taps.size());
    const int64_t from = ceil_divide(begin + c.left - phase.remainder, c.stride),
                  to = ceil_divide(end + c.left - phase.remainder, c.stride),
                  position = from * c.stride + phase.remainder - c.left;
    const TapRun run{from - first_row + cut.reach - phase.first_reach, -phase.reach_step, taps};
    correlate_block(cut, block, packed.data(), &run, 1, weights, zeros,
                    out + position * c.channels + block * cut.kernels.lanes, c.stride * c.channels,
                    to - from, scratch);
    weights += cut.floats(taps);
  }
}

void input_gradient_rows(const RowConv& conv, const float* gradient, const float* weight,
                         float* input_gradient) {
  const Cut cut(conv);
  const int64_t most = cut.block_length(conv.length, 1, cut.reach),
                time_blocks = ceil_divide(conv.length, most);
  const Floats weights = pack_weights(cut, weight), zeros(cut.kernels.lanes);
  work_off(conv.sequences * time_blocks * cut.channel_blocks, [&](WorkQueue& queue) {
    Floats packed, scratch;
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      const int64_t block = i % cut.channel_blocks, unit = i / cut.channel_blocks,
                    sequence = unit / time_blocks, begin = unit % time_blocks * most;
      input_gradient_block(cut, gradient + sequence * conv.out_length * conv.channels,
                           weights.data() + cut.floats(block * conv.taps), zeros.data(), block,
                           begin, std::min(begin + most, conv.length),
                           input_gradient + sequence * conv.length * conv.channels, packed,
                           scratch);
    }
  });
}

/// Partial sums [part][channel block][taps, phase by phase][lanes], added up into [channels][taps].
void add_parts(const Cut& cut, const Floats& parts, int64_t count, float* weight_gradient) {
  const int64_t lanes = cut.kernels.lanes, taps = cut.conv.taps,
                part_size = cut.floats(cut.channel_blocks * taps);
  const float* from = parts.data();
  for (int64_t block = 0; block < cut.channel_blocks; ++block) {
    for (const Phase& phase : cut.phases) {
      for (int64_t k : phase.taps) {
        for (int64_t i = 0; i < cut.width(block); ++i) {
          float sum = 0;
          for (int64_t part = 0; part < count; ++part) sum += from[part * part_size + i];
          weight_gradient[(block * lanes + i) * taps + k] = sum;
        }
        from += lanes;
      }
    }
  }
}

void weight_gradient_rows(const RowConv& conv, const float* x, const float* gradient,
                          float* weight_gradient) {
  const Cut cut(conv);
  const int64_t most = cut.block_length(conv.out_length, conv.stride + 1, conv.stride * cut.reach),
                time_blocks = ceil_divide(conv.out_length, most), rows = most + cut.reach,
                units = conv.sequences * time_blocks,
                part_count = std::min(units, kMostPartialSums),
                part_size = cut.floats(cut.channel_blocks * conv.taps);
  const std::vector<TapRun> runs = runs_of(cut, rows);
  Floats parts(part_count * part_size);
  work_off(part_count * cut.channel_blocks, [&](WorkQueue& queue) {
    Floats packed(cut.floats(conv.stride * rows)), factors(cut.floats(most));
    for (int64_t i = queue.take(); i >= 0; i = queue.take()) {
      const int64_t block = i % cut.channel_blocks, part = i / cut.channel_blocks;
      for (int64_t unit = part * units / part_count; unit < (part + 1) * units / part_count;
           ++unit) {
        const int64_t sequence = unit / time_blocks, begin = unit % time_blocks * most,
                      count = std::min(most, conv.out_length - begin);
        pack_inputs(cut, x + sequence * conv.length * conv.channels, block, begin, rows,
                    packed.data());
        pack_rows(cut, gradient + sequence * conv.out_length * conv.channels, conv.out_length,
                  block, begin, 1, count, factors.data());
        float* sums = parts.data() + part * part_size + cut.floats(block * conv.taps);
        for (const TapRun& run : runs) {
          cut.kernels.accumulate(packed.data(), run, factors.data(), sums, count);
          sums += cut.floats(run.taps);
        }
      }
    }
  });
  add_parts(cut, parts, part_count, weight_gradient);
}

at::Tensor depthwise_forward(const at::Tensor& x, const ConvGeometry& geometry,
                             const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor in = channels_last(x), w = weight.contiguous(),
                   b = bias.defined() ? bias.contiguous() : bias;
  const RowConv conv = row_conv(in, geometry);
  at::Tensor y = at::empty({x.size(0), x.size(1), x.size(2), conv.out_length},
                           x.options().memory_format(at::MemoryFormat::ChannelsLast));
  convolve_rows(conv, in.data_ptr<float>(), w.data_ptr<float>(),
                b.defined() ? b.data_ptr<float>() : nullptr, y.data_ptr<float>());
  return y;
}

std::vector<int64_t> numbers_of(const ConvGeometry& g) {
  const Window& w = g.window;
  return {w.kernel.width, w.stride.width, w.dilation.width, w.pads.left, w.pads.right, g.groups};
}

ConvGeometry geometry_of(const std::vector<int64_t>& v) {
  return {{{1, v.at(0)}, {1, v.at(1)}, {1, v.at(2)}, {0, v.at(3), 0, v.at(4)}}, v.at(5)};
}

struct DepthwiseFunction : torch::autograd::Function<DepthwiseFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias_or_empty,
                            const std::vector<int64_t>& geometry) {
    const at::Tensor bias = bias_or_empty.numel() > 0 ? bias_or_empty : at::Tensor();
    context->save_for_backward({x, weight});
    context->saved_data["geometry"] = geometry;
    context->saved_data["x"] = x.requires_grad();
    context->saved_data["weight"] = weight.requires_grad();
    context->saved_data["bias"] = bias.defined() && bias.requires_grad();
    return depthwise_forward(x, geometry_of(geometry), weight, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    if (at::GradMode::is_enabled()) {
      fail(ErrorKind::Internal,
           "a depthwise convolution was asked for a gradient of its gradient, which has no kernel; "
           "call backward without create_graph");
    }
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor x = channels_last(saved[0]), weight = saved[1].contiguous(),
                     gradient = channels_last(gradients[0]);
    const RowConv conv = row_conv(x, geometry_of(context->saved_data["geometry"].toIntVector()));
    at::Tensor for_x, for_weight, for_bias;
    if (context->saved_data["x"].toBool()) {
      for_x = at::empty_like(x);
      input_gradient_rows(conv, gradient.data_ptr<float>(), weight.data_ptr<float>(),
                          for_x.data_ptr<float>());
    }
    if (context->saved_data["weight"].toBool()) {
      for_weight = at::empty_like(weight);
      weight_gradient_rows(conv, x.data_ptr<float>(), gradient.data_ptr<float>(),
                           for_weight.data_ptr<float>());
    }
    if (context->saved_data["bias"].toBool()) for_bias = at::sum(gradient, {0, 2, 3});
    return {for_x, for_weight, for_bias, at::Tensor()};
  }
};

}  // namespace

bool is_row_depthwise(const at::Tensor& x, const ConvGeometry& geometry, const at::Tensor& weight) {
  const Window& w = geometry.window;
  return x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         geometry.groups == x.size(1) && weight.size(0) == x.size(1) && w.kernel.height == 1 &&
         w.pads.top == 0 && w.pads.bottom == 0 && (w.stride.height == 1 || x.size(2) == 1) &&
         x.numel() > 0 && count_windows(w, {x.size(1), x.size(2), x.size(3)}).size() > 0;
}

at::Tensor depthwise_convolve(const at::Tensor& x, const ConvGeometry& geometry,
                              const at::Tensor& weight, const at::Tensor& bias) {
  const bool learns = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                                     (bias.defined() && bias.requires_grad()));
  if (!learns) return depthwise_forward(x, geometry, weight, bias);
  // LibTorch 1.13 takes no undefined tensor here.
  return DepthwiseFunction::apply(x, weight, bias.defined() ? bias : at::empty({0}, x.options()),
                                  numbers_of(geometry));
}

}  // namespace tailor::nn
