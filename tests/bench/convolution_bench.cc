// Convolutions forward and with backward: LibTorch's and tailor's. ResNets' 3x3 and 1x1 ones and
// QuartzNet's depthwise ones, these by ATen's 1-D function too. All in one run, taking turns, each
// answer held against the first's.
#include <ATen/Parallel.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sub.h>

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "nn/convolution.h"
#include "nn/map_convolution.h"
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

at::Tensor leaf(const at::Tensor& t) { return t.detach().clone().set_requires_grad(true); }
at::Tensor leaf_map(const at::Tensor& t) { return leaf(channels_last(t)); }

/// LibTorch's, oneDNN where it has that, and tailor's.
std::vector<Candidate> candidates_of(const ConvGeometry& geometry, const at::Tensor& x,
                                     const at::Tensor& w) {
  const at::Tensor g = channels_last(at::randn(plain_convolve(x, geometry, w, {}).sizes()));
  auto candidate = [&](const char* name, Convolve convolve) {
    return Candidate{name, {leaf_map(x), leaf_map(w), g}, std::move(convolve), {}, {}};
  };
  return {candidate("conv2d",
                    [=](const Operands& o) { return plain_convolve(o.x, geometry, o.weight, {}); }),
          candidate("tailor",
                    [=](const Operands& o) { return convolve(o.x, geometry, o.weight, {}); })};
}

struct Shape2d {
  const char* name;
  int64_t batch, channels, side, filters, kernel, stride;
};
std::vector<Candidate> candidates_of(const Shape2d& s) {
  return candidates_of({square_window(s.kernel, s.stride, s.kernel / 2), 1},
                       at::randn({s.batch, s.channels, s.side, s.side}),
                       at::randn({s.filters, s.channels, s.kernel, s.kernel}));
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
  std::vector<Candidate> all = candidates_of(geometry, x.unsqueeze(2), w.unsqueeze(2));
  all.insert(all.begin(),
             {"conv1d", {leaf(x), leaf(w), all[0].operands.gradient.squeeze(2)}, conv1d, {}, {}});
  return all;
}

double least(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }

/// Times are the least of all rounds.
template <typename Shape>
void compare(const Shape& s, int64_t taps, int rounds) {
  std::vector<Candidate> candidates = candidates_of(s);
  for (int round = -1; round < rounds; ++round) {
    for (Candidate& c : candidates) turn(c, round >= 0);
  }
  const Candidate &first = candidates[0], &own = candidates.back();
  const double macs = static_cast<double>(first.operands.gradient.numel() * taps);
  fmt::print("{:<22}", s.name);
  for (const Candidate& c : candidates) {
    const double error =
        std::max(difference(c.operands.x.grad(), first.operands.x.grad()),
                 difference(c.operands.weight.grad(), first.operands.weight.grad()));
    if (!(error < 1e-4)) {
      fmt::print("\n{} differs by {}\n", c.name, error);
      std::exit(1);
    }
    const double f = least(c.forward), b = least(c.both);
    fmt::print(" | {} {:7.2f} {:7.2f} {:6.1f} {:6.1f}", c.name, f * 1e3, b * 1e3, 2e-9 * macs / f,
               4e-9 * macs / (b - f));
  }
  for (const Candidate& c : candidates) {
    if (&c != &own) {
      fmt::print(" | {:4.1f} {:4.1f}", least(c.forward) / least(own.forward),
                 least(c.both) / least(own.both));
    }
  }
  fmt::print("\n");
  std::fflush(stdout);
}

int run(int threads, int rounds) {
  at::set_num_threads(threads);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program does (src/cli/torch_loader.cc)
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
  fmt::print(
      "{} threads, {} rounds, kernels: {}; CPU ms forward, with backward, GFLOP/s of each and CPU "
      "(of the definition's operations) | times as fast as the others\n",
      threads, rounds, vector_kernels().name);
  for (const Shape2d& s : {Shape2d{"3x3 16 of 32x32", 128, 16, 32, 16, 3, 1},
                           Shape2d{"3x3 32 of 16x16", 128, 32, 16, 32, 3, 1},
                           Shape2d{"3x3 64 of 8x8", 128, 64, 8, 64, 3, 1},
                           Shape2d{"3x3 3 to 16, 32x32", 128, 3, 32, 16, 3, 1},
                           Shape2d{"3x3/2 16 to 32, 32x32", 128, 16, 32, 32, 3, 2},
                           Shape2d{"3x3/2 32 to 64, 16x16", 128, 32, 16, 64, 3, 2},
                           Shape2d{"1x1/2 16 to 32, 32x32", 128, 16, 32, 32, 1, 2},
                           Shape2d{"1x1/2 32 to 64, 16x16", 128, 32, 16, 64, 1, 2},
                           Shape2d{"3x3 64 of 56x56", 8, 64, 56, 64, 3, 1},
                           Shape2d{"3x3 128 of 28x28", 8, 128, 28, 128, 3, 1},
                           Shape2d{"3x3 256 of 14x14", 8, 256, 14, 256, 3, 1},
                           Shape2d{"3x3 512 of 7x7", 8, 512, 7, 512, 3, 1},
                           Shape2d{"1x1 64 to 256, 56x56", 8, 64, 56, 256, 1, 1},
                           Shape2d{"1x1 256 of 35x35", 8, 256, 35, 256, 1, 1},
                           Shape2d{"1x1 1024 to 256, 14x14", 8, 1024, 14, 256, 1, 1},
                           Shape2d{"7x7/2 3 to 64, 224x224", 8, 3, 224, 64, 7, 2},
                           Shape2d{"3x3/2 128 of 56x56", 8, 128, 56, 128, 3, 2}})
    compare(s, s.channels * s.kernel * s.kernel, rounds);
  for (const Shape1d& s : {Shape1d{"ASR C1 64x33 /2", 4, 64, 1600, 33, 2, 1},
                           Shape1d{"DNA B1 256x33", 4, 256, 1200, 33, 1, 1},
                           Shape1d{"DNA B2 256x39", 4, 256, 1200, 39, 1, 1},
                           Shape1d{"DNA B3 512x51", 4, 512, 1200, 51, 1, 1},
                           Shape1d{"DNA B4 512x63", 4, 512, 1200, 63, 1, 1},
                           Shape1d{"DNA B5 512x75", 4, 512, 1200, 75, 1, 1},
                           Shape1d{"DNA C2 512x87", 4, 512, 1200, 87, 1, 1},
                           Shape1d{"ASR C2 512x87 dil. 2", 4, 512, 800, 87, 1, 2},
                           Shape1d{"ASR B4 512x63, short", 16, 512, 400, 63, 1, 1}})
    compare(s, s.kernel, rounds);
  return 0;
}

}  // namespace
}  // namespace tailor::test

int main(int count, char** words) {
  return tailor::test::run(count > 1 ? std::atoi(words[1]) : 2,
                           count > 2 ? std::atoi(words[2]) : 5);
}
