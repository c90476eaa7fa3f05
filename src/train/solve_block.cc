#include "train/solve_block.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/im2col.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tailor/core/random.h"
#include "tailor/net/batch_norm.h"
#include "tailor/nn/host.h"
#include "tailor/nn/model.h"
#include "tailor/train/optimizer.h"

namespace tailor::train {
namespace {

/// Images at once: of a map's patches a convolution's taps are as many maps.
constexpr int64_t kAtOnce = 32;
/// Where the teacher's ReLU gives 0 only "below 0" is asked for: the regression is repeated so
/// often with what it gave there, if that is below.
constexpr int kRepeats = 3;
constexpr double kLocalRate = 1e-3;

/// Blocks up to and with `block`, of which only the first `stages` stages are there, and no head: a
/// network that answers [n, pixels, channels] at that point.
Network up_to(const Network& network, size_t block, size_t stages) {
  Network part = network;
  part.head.clear();
  part.blocks.resize(block + 1);
  Block& last = part.blocks.back();
  last.stages.resize(stages);
  auto beyond = [&](const Skip& skip) { return skip.to > static_cast<int64_t>(stages); };
  last.skips.erase(std::remove_if(last.skips.begin(), last.skips.end(), beyond), last.skips.end());
  return part;
}

TensorMap tensors_of(const Network& part, const TensorMap& tensors) {
  TensorMap own;
  for (const TensorSpec& spec : tensor_specs(part)) own.emplace(spec.name, tensors.at(spec.name));
  return own;
}

/// [n, pixels, channels] of all images, in eval mode.
at::Tensor maps_of(const Network& part, const TensorMap& tensors, const at::Tensor& images) {
  const FrozenModel model(part, tensors_of(part, tensors), images.device());
  std::vector<at::Tensor> maps;
  for (int64_t i = 0; i < images.size(0); i += kAtOnce)
    maps.push_back(model.forward(images.narrow(0, i, std::min(kAtOnce, images.size(0) - i))));
  return at::cat(maps);
}

/// [n, channels, height, width], channels-last, of what maps_of gives.
at::Tensor as_images(const at::Tensor& maps, const MapShape& shape) {
  return maps.reshape({maps.size(0), shape.height, shape.width, shape.channels})
      .permute({0, 3, 1, 2});
}

/// Cholesky's factor, below the diagonal and on it, of a symmetric positive g [n][n], in place.
/// What rounding leaves of a pivot that is nothing is taken for a little.
void factorise(std::vector<double>& g, int64_t n, const Pause& pause) {
  auto row = [&](int64_t i) { return g.data() + i * n; };
  for (int64_t j = 0; j < n; ++j) {
    pause();
    const double least = 1e-12 * std::max(row(j)[j], 1e-300);
    for (int64_t i = j; i < n; ++i) {
      const double *a = row(i), *b = row(j);
      double sums[4] = {};
      int64_t k = 0;
      for (; k + 4 <= j; k += 4)
        for (int64_t q = 0; q < 4; ++q) sums[q] += a[k + q] * b[k + q];
      for (; k < j; ++k) sums[0] += a[k] * b[k];
      const double rest = a[j] - ((sums[0] + sums[1]) + (sums[2] + sums[3]));
      row(i)[j] = i == j ? std::sqrt(std::max(rest, least)) : rest / row(j)[j];
    }
  }
}

/// Solves g · x = b by the factor of g; b [n][m] becomes x.
void substitute(const std::vector<double>& factor, int64_t n, std::vector<double>& b, int64_t m) {
  auto at = [&](int64_t i, int64_t j) { return factor[static_cast<size_t>(i * n + j)]; };
  auto row = [&](int64_t i) { return b.data() + i * m; };
  auto take_off = [&](int64_t i, int64_t first, int64_t last, bool forward) {
    double* x = row(i);
    for (int64_t k = first; k < last; ++k) {
      const double of = forward ? at(i, k) : at(k, i);
      for (int64_t c = 0; c < m; ++c) x[c] -= of * row(k)[c];
    }
    for (int64_t c = 0; c < m; ++c) x[c] /= at(i, i);
  };
  for (int64_t i = 0; i < n; ++i) take_off(i, 0, i, true);
  for (int64_t i = n; i-- > 0;) take_off(i, i + 1, n, false);
}

std::vector<double> doubles_of(const at::Tensor& t) {
  const at::Tensor host = t.to(at::kCPU, at::kDouble).contiguous();
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
}

/// What a convolution reads at some positions, and what it is to give there.
struct Equations {
  std::vector<at::Tensor> reads, targets;  // [rows, taps · inputs + 1] and [rows, outputs], float64
};

class Regression {
 public:
  Regression(const Equations& equations, double ridge, const Pause& pause)
      : equations_(equations),
        unknowns_(equations.reads[0].size(1)),
        outputs_(equations.targets[0].size(1)) {
    at::Tensor all;
    for (const at::Tensor& a : equations.reads) {
      const at::Tensor part = at::matmul(a.t(), a);
      all = all.defined() ? all.add_(part) : part;
    }
    gram_ = doubles_of(all);
    double trace = 0;
    for (int64_t i = 0; i + 1 < unknowns_; ++i) trace += diagonal(i);
    const double weight = ridge * trace / static_cast<double>(unknowns_ - 1);
    // The last unknown is the bias.
    for (int64_t i = 0; i + 1 < unknowns_; ++i) diagonal(i) += weight + 1e-9;
    diagonal(unknowns_ - 1) += 1e-9;
    factorise(gram_, unknowns_, pause);
  }

  /// [taps · inputs + 1, outputs]. `rectified`: a ReLU follows.
  at::Tensor solve(bool rectified) const {
    at::Tensor x;
    for (int i = 0; i <= (rectified ? kRepeats : 0); ++i) x = solve_once(x);
    return x;
  }

 private:
  double& diagonal(int64_t i) { return gram_[static_cast<size_t>(i * unknowns_ + i)]; }

  /// Where the target is no more than 0, what `before` gives there takes its place, or 0.
  at::Tensor solve_once(const at::Tensor& before) const {
    at::Tensor all;
    for (size_t i = 0; i < equations_.reads.size(); ++i) {
      const at::Tensor &a = equations_.reads[i], &t = equations_.targets[i];
      at::Tensor target = t;
      if (before.defined()) {
        const at::Tensor given = at::matmul(a, before);
        target = at::where(t.le(0), at::minimum(given, at::zeros_like(given)), t);
      }
      const at::Tensor part = at::matmul(a.t(), target);
      all = all.defined() ? all.add_(part) : part;
    }
    std::vector<double> x = doubles_of(all);
    substitute(gram_, unknowns_, x, outputs_);
    return at::tensor(x, at::kDouble).reshape({unknowns_, outputs_}).to(all.device());
  }

  const Equations& equations_;
  int64_t unknowns_, outputs_;
  std::vector<double> gram_;  // its factor
};

/// `count` of so many positions, each once.
std::vector<int64_t> chosen(int64_t positions, int64_t count, int64_t seed, int64_t batch) {
  std::vector<int64_t> all(static_cast<size_t>(positions));
  std::iota(all.begin(), all.end(), 0);
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Solve,
                       static_cast<uint64_t>(batch));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t other = i + random.below(positions - i);
    std::swap(all[static_cast<size_t>(i)], all[static_cast<size_t>(other)]);
  }
  all.resize(static_cast<size_t>(count));
  return all;
}

/// `maps` [n, channels, height, width] are read by windows; `targets` [n, positions, outputs].
Equations equations_of(const at::Tensor& maps, const Window& w, const at::Tensor& targets,
                       const SolveConfig& config, int64_t seed) {
  const int64_t images = maps.size(0), positions = targets.size(1);
  const int64_t of_each =
      std::clamp<int64_t>((config.positions + images - 1) / images, 1, positions);
  const int64_t pads[] = {w.pads.left, w.pads.right, w.pads.top, w.pads.bottom},
                kernel[] = {w.kernel.height, w.kernel.width},
                dilation[] = {w.dilation.height, w.dilation.width}, none[] = {0, 0},
                stride[] = {w.stride.height, w.stride.width};
  Equations e;
  for (int64_t i = 0; i < images; i += kAtOnce) {
    const int64_t n = std::min(kAtOnce, images - i);
    const at::Tensor at =
        at::tensor(chosen(positions, of_each, seed, i), at::kLong).to(maps.device());
    const at::Tensor padded = at::constant_pad_nd(maps.narrow(0, i, n).contiguous(), pads, 0);
    const at::Tensor rows = at::im2col(padded, kernel, dilation, none, stride)
                                .index_select(2, at)
                                .permute({0, 2, 1})
                                .reshape({n * of_each, -1})
                                .to(at::kDouble);
    e.reads.push_back(at::cat({rows, at::ones({rows.size(0), 1}, rows.options())}, 1));
    e.targets.push_back(
        targets.narrow(0, i, n).index_select(1, at).reshape({n * of_each, -1}).to(at::kDouble));
  }
  return e;
}

/// Of the rows of one map to those of another, relative to the square of that.
double distance(const at::Tensor& maps, const at::Tensor& wanted) {
  const at::Tensor exact = wanted.to(at::kDouble), apart = maps.to(at::kDouble).sub(exact);
  return apart.mul(apart).sum().item<double>() /
         std::max(exact.mul(exact).sum().item<double>(), 1e-30);
}

/// The block under alteration, without its skip and as a network of its own, which reads what the
/// student's blocks before it give.
class Solver {
 public:
  Solver(const TrainedNetwork& student, const SolvableBlock& place, const at::Tensor& images,
         const Pause& pause)
      : tensors_(student.tensors),
        place_(place),
        alone_(up_to(student.network, place.block, static_cast<size_t>(place.skip.to))),
        pause_(pause) {
    alone_.input = block_inputs(student.network)[place.block];
    alone_.blocks.erase(alone_.blocks.begin(), alone_.blocks.end() - 1);
    alone_.blocks[0].skips.clear();
    Network before = student.network;
    before.head.clear();
    before.blocks.resize(place.block);
    inputs_ = as_images(maps_of(before, tensors_, images), alone_.input);
  }

  /// The skip, as a map of channels, goes into the first convolution's tap at its pixel, and the
  /// batch norm's factor into the convolution, so that the skip keeps its size.
  void ride_through() {
    const auto* conv = place_.first[0].as<ConvLayer>();
    FoldedConv folded =
        fold_batch_norm(tensors_, place_.first[0], place_.first[1].name, alone_.bn_epsilon);
    add_skip(folded, conv->window);
    tensors_.insert_or_assign(place_.first[0].name + ".weight", folded.weight);
    const auto shift = folded.bias.as<float>();
    settle(place_.first, convolved(1), {shift.begin(), shift.end()});
  }

  /// The last convolution gives what the targets [n, positions, outputs] say.
  void regress(const at::Tensor& targets, bool rectified, const SolveConfig& config, int64_t seed) {
    const auto* conv = place_.last[0].as<ConvLayer>();
    const at::Tensor maps = as_images(maps_of(up_to(alone_, 0, 1), tensors_, inputs_),
                                      point_shapes(alone_.blocks[0], alone_.input)[1]);
    const Equations e = equations_of(maps, conv->window, targets, config, seed);
    const at::Tensor x = Regression(e, config.ridge, pause_).solve(rectified);
    const int64_t unknowns = x.size(0) - 1;
    const at::Tensor kernel = x.narrow(0, 0, unknowns).t().contiguous();
    tensors_.insert_or_assign(place_.last[0].name + ".weight",
                              to_host(kernel
                                          .reshape({conv->out, conv->in, conv->window.kernel.height,
                                                    conv->window.kernel.width})
                                          .to(at::kFloat)));
    settle(place_.last, convolved(2), doubles_of(x.select(0, unknowns)));
  }

  /// AdamW on the block alone, whose maps become those of the targets, behind a ReLU where there is
  /// one.
  void step_alone(const at::Tensor& targets, int64_t steps, int64_t batch_size, int64_t seed) {
    Model model(alone_, tensors_of(alone_, tensors_), inputs_.device());
    OptimizerConfig config;
    config.kind = "adamw", config.weight_decay = 0;
    const auto optimizer = make_optimizer(config);
    optimizer->bind(model.parameters(), {});
    const at::Tensor wanted = outputs(targets);
    for (int64_t step = 0; step < steps; ++step) {
      pause_();
      const at::Tensor at =
          at::tensor(chosen(inputs_.size(0), std::min(batch_size, inputs_.size(0)), seed, step),
                     at::kLong)
              .to(inputs_.device());
      Parameters& parameters = model.parameters();
      parameters.zero_gradients();
      const at::AutoGradMode enabled(true);
      at::mse_loss(
          model.forward(inputs_.index_select(0, at).contiguous(at::MemoryFormat::ChannelsLast),
                        /*training=*/true),
          wanted.index_select(0, at))
          .backward();
      const at::NoGradGuard no_grad;
      parameters.gather_gradients();
      optimizer->step(parameters,
                      kLocalRate * (1 - static_cast<double>(step) / static_cast<double>(steps)));
      parameters.spread_values();
    }
    for (auto& [name, tensor] : model.tensors()) tensors_.insert_or_assign(name, tensor);
  }

  BlockSolution solution(const at::Tensor& targets) const {
    return {tensors_of(alone_, tensors_),
            distance(maps_of(alone_, tensors_, inputs_), outputs(targets))};
  }

 private:
  /// What the block is to give: behind the ReLU where the targets stand before it.
  at::Tensor outputs(const at::Tensor& targets) const {
    const bool before = alone_.join == Join::BeforeActivation && place_.last.size() == 3;
    return before ? at::relu(targets) : targets;
  }

  /// What the convolution of stage `stage` gives, [n, pixels, channels]; its own bias is 0.
  at::Tensor convolved(size_t stage) {
    Network part = up_to(alone_, 0, stage);
    Layers& layers = part.blocks[0].stages.back().layers;
    layers.resize(1);
    const std::string bias = (stage == 1 ? place_.first : place_.last)[0].name + ".bias";
    if (std::get<ConvLayer>(layers[0]).bias)
      tensors_.insert_or_assign(bias, Tensor(DType::F32, tensors_.at(bias).shape()));
    return maps_of(part, tensors_, inputs_);
  }

  /// The batch norm of a stage has the statistics of these maps, and adds `shift` to them, in
  /// training as in eval mode.
  void settle(const std::vector<NamedLayer>& stage, const at::Tensor& maps,
              const std::vector<double>& shift) {
    const auto [variance, mean] =
        at::var_mean(maps.to(at::kDouble), at::IntArrayRef({0, 1}), /*unbiased=*/false);
    const std::vector<double> of_mean = doubles_of(mean), of_variance = doubles_of(variance);
    const std::string& norm = stage[1].name;
    auto set = [&](const char* what, auto value) {
      Tensor t = tensors_.at(norm + what);
      auto values = t.as<float>();
      for (size_t c = 0; c < values.size(); ++c) values[c] = static_cast<float>(value(c));
      tensors_.insert_or_assign(norm + what, t);
    };
    set(".running_mean", [&](size_t c) { return of_mean[c]; });
    set(".running_var", [&](size_t c) { return of_variance[c]; });
    set(".weight", [&](size_t c) { return std::sqrt(of_variance[c] + alone_.bn_epsilon); });
    set(".bias", [&](size_t c) { return shift[c] + of_mean[c]; });
  }

  /// The skip's weights are added at the tap that reads its pixel, and its bias to the bias.
  void add_skip(FoldedConv& to, const Window& window) const {
    auto w = to.weight.as<float>(), b = to.bias.as<float>();
    const int64_t inputs = place_.first[0].as<ConvLayer>()->in,
                  outputs = static_cast<int64_t>(b.size());
    const SkipMap skip = skip_map(tensors_, place_.skip, inputs, outputs, alone_.bn_epsilon);
    for (int64_t o = 0; o < outputs; ++o) {
      b[static_cast<size_t>(o)] += static_cast<float>(skip.shift[static_cast<size_t>(o)]);
      for (int64_t i = 0; i < inputs; ++i) {
        w[static_cast<size_t>((o * inputs + i) * window.taps() + centre_tap(window))] +=
            static_cast<float>(skip.weight(o, i));
      }
    }
  }

  TensorMap tensors_;  // changed step by step
  const SolvableBlock& place_;
  Network alone_;
  at::Tensor inputs_;  // [n, channels, height, width]
  const Pause& pause_;
};

size_t index_of(const Network& network, const std::string& block) {
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    if (network.blocks[b].id == block) return b;
  }
  return network.blocks.size();
}

/// Whether it has the block, with maps of the same shapes, in the same chain of blocks: a network
/// of another depth has other things on the channels of a block of the same name.
bool has_block(const Network& network, const Network& like, const std::string& block) {
  if (network.blocks.size() != like.blocks.size()) return false;
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    if (network.blocks[b].id != like.blocks[b].id) return false;
  }
  const std::vector<MapShape> mine = block_inputs(network), other = block_inputs(like);
  const size_t b = index_of(network, block);
  return mine == other &&
         point_shapes(network.blocks[b], mine[b]) == point_shapes(like.blocks[b], other[b]);
}

/// What is to stand before the ReLU that ends the student's block, or, where the skip is added
/// behind it, behind it.
at::Tensor targets_of(const TrainedNetwork& t, const std::string& block, int64_t point,
                      const at::Tensor& images) {
  Network part = up_to(t.network, index_of(t.network, block), static_cast<size_t>(point));
  Layers& layers = part.blocks.back().stages.back().layers;
  if (part.join == Join::BeforeActivation && ends_in_relu(layers)) layers.pop_back();
  return maps_of(part, t.tensors, images);
}

}  // namespace

BlockSolution solve_block(const TrainedNetwork& student, const TrainedNetwork& teacher,
                          const std::string& skip_id, const SolveConfig& config, int64_t seed,
                          const at::Tensor& images, const Pause& pause) {
  constexpr int64_t kBatch = 64;
  at::NoGradGuard no_grad;
  const SolvableBlock place = solvable_block(student.network, skip_id);
  const std::string& block = student.network.blocks[place.block].id;
  const bool of_teacher = has_block(teacher.network, student.network, block);
  const TrainedNetwork& model = of_teacher ? teacher : student;
  const at::Tensor targets = targets_of(model, block, place.skip.to, images);
  Solver solver(student, place, images, pause);
  solver.ride_through();
  if (place.skip.to > 1) solver.regress(targets, place.last.size() == 3, config, seed);
  if (config.steps > 0) solver.step_alone(targets, config.steps, kBatch, seed);
  BlockSolution solution = solver.solution(targets);
  solution.of_teacher = of_teacher;
  if (!std::isfinite(solution.error)) {
    fail(ErrorKind::Data,
         "the block of {} was solved on {} images and gives {}; solve it on more, with a larger "
         "surgery.solve.ridge, or cut the skip",
         skip_id, images.size(0), solution.error);
  }
  return solution;
}

}  // namespace tailor::train
