// Depthwise convolutions of QuartzNet's shapes, forward and with backward: ATen's 1-D one, the same
// channels-last in 2-D (oneDNN where LibTorch has it), and tailor's. All in one run, taking turns,
// each answer held against the first's.
#include <ATen/Parallel.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "nn/convolution.h"
#include "nn/depthwise.h"
#include "nn/vector_kernels.h"
#include "support/rooms.h"

namespace tailor::test {
namespace {

struct Shape1d {
  const char* name;
  int64_t batch, channels, length, kernel, stride, dilation;
};

/// CPU seconds of the whole process: other programs on the machine are not in them.
double seconds_of(const std::function<void()>& body) {
  auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double start = now();
  body();
  return now() - start;
}

/// x, weight and what the output's gradient is; the result and both gradients, as [n, c, t].
struct Operands {
  at::Tensor x, weight, gradient;
};
using Convolve = std::function<at::Tensor(const Operands&)>;

double difference(const at::Tensor& a, const at::Tensor& b) {
  return at::sub(a.reshape({-1}), b.reshape({-1})).norm().item<double>() / b.norm().item<double>();
}

struct Candidate {
  const char* name;
  Operands operands;
  Convolve convolve;
  std::vector<double> forward, both;
};

void turn(Candidate& c, bool count) {
  const double forward = seconds_of([&] {
    at::NoGradGuard no_grad;
    c.convolve(c.operands);
  });
  c.operands.x.mutable_grad() = at::Tensor();
  c.operands.weight.mutable_grad() = at::Tensor();
  const double both = seconds_of([&] { c.convolve(c.operands).backward(c.operands.gradient); });
  if (!count) return;
  c.forward.push_back(forward);
  c.both.push_back(both);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

std::vector<Candidate> candidates_of(const Shape1d& s) {
  const int64_t pad = s.dilation * (s.kernel / 2);
  const ConvGeometry geometry{{{1, s.kernel}, {1, s.stride}, {1, s.dilation}, {0, pad, 0, pad}},
                              s.channels};
  const at::Tensor x = at::randn({s.batch, s.channels, s.length}),
                   w = at::randn({s.channels, 1, s.kernel});
  auto conv1d = [=](const Operands& o) {
    return at::conv1d(o.x, o.weight, {}, s.stride, pad, s.dilation, s.channels);
  };
  const at::Tensor g = at::randn(conv1d({x, w, {}}).sizes());
  auto leaf = [](const at::Tensor& t) { return t.detach().clone().set_requires_grad(true); };
  auto map = [](const at::Tensor& t) {
    return t.unsqueeze(2).contiguous(at::MemoryFormat::ChannelsLast);
  };
  auto leaf_map = [&](const at::Tensor& t) { return map(t).set_requires_grad(true); };
  return {{"conv1d", {leaf(x), leaf(w), g}, conv1d, {}, {}},
          {"conv2d",
           {leaf_map(x), leaf_map(w), map(g)},
           [=](const Operands& o) { return plain_convolve(o.x, geometry, o.weight, {}); },
           {},
           {}},
          {"tailor",
           {leaf_map(x), leaf_map(w), map(g)},
           [=](const Operands& o) { return depthwise_convolve(o.x, geometry, o.weight, {}); },
           {},
           {}}};
}

void compare(const Shape1d& s, int rounds) {
  std::vector<Candidate> candidates = candidates_of(s);
  for (int round = -1; round < rounds; ++round) {
    for (Candidate& c : candidates) turn(c, round >= 0);
  }
  const Candidate &first = candidates[0], &own = candidates[2];
  const double macs = static_cast<double>(first.operands.gradient.numel() * s.kernel);
  fmt::print("{:<22}", s.name);
  for (const Candidate& c : candidates) {
    const double error =
        std::max(difference(c.operands.x.grad(), first.operands.x.grad()),
                 difference(c.operands.weight.grad(), first.operands.weight.grad()));
    if (!(error < 1e-4)) {
      fmt::print("\n{} differs by {}\n", c.name, error);
      std::exit(1);
    }
    const double f = median(c.forward), b = median(c.both);
    fmt::print(" | {:8.2f} {:8.2f} {:6.1f} {:6.1f}", f * 1e3, b * 1e3, 2e-9 * macs / f,
               4e-9 * macs / (b - f));
  }
  fmt::print(" | {:5.1f} {:5.1f} | {:5.1f} {:5.1f}\n", median(first.forward) / median(own.forward),
             median(first.both) / median(own.both),
             median(candidates[1].forward) / median(own.forward),
             median(candidates[1].both) / median(own.both));
  std::fflush(stdout);
}

int run(int threads, int rounds) {
  at::set_num_threads(threads);
  fmt::print(
      "{} threads, {} rounds, kernels: {}; CPU ms forward, with backward, GFLOP/s of each and CPU "
      "| times as fast as conv1d | as conv2d\n",
      threads, rounds, vector_kernels().name);
  for (const Shape1d& s : {Shape1d{"ASR C1 64x33 /2", 4, 64, 1600, 33, 2, 1},
                           Shape1d{"DNA B1 256x33", 4, 256, 1200, 33, 1, 1},
                           Shape1d{"DNA B2 256x39", 4, 256, 1200, 39, 1, 1},
                           Shape1d{"DNA B3 512x51", 4, 512, 1200, 51, 1, 1},
                           Shape1d{"DNA B4 512x63", 4, 512, 1200, 63, 1, 1},
                           Shape1d{"DNA B5 512x75", 4, 512, 1200, 75, 1, 1},
                           Shape1d{"DNA C2 512x87", 4, 512, 1200, 87, 1, 1},
                           Shape1d{"ASR C2 512x87 dil. 2", 4, 512, 800, 87, 1, 2},
                           Shape1d{"ASR B4 512x63, short", 16, 512, 400, 63, 1, 1}})
    compare(s, rounds);
  return 0;
}

}  // namespace
}  // namespace tailor::test

int main(int count, char** words) {
  return tailor::test::run(count > 1 ? std::atoi(words[1]) : 2,
                           count > 2 ? std::atoi(words[2]) : 5);
}
