#include "train/gradient_buckets.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <mutex>

namespace tailor::train {
namespace {

using torch::autograd::variable_list;
/// A shared_ptr in LibTorch 1.13, an intrusive_ptr in 2.13.
using NodePointer = decltype(torch::autograd::impl::grad_accumulator(at::Tensor()));

/// What autograd calls when it has accumulated a gradient.
struct ReadyHook : torch::autograd::FunctionPostHook {
  explicit ReadyHook(std::function<void()> call) : ready(std::move(call)) {}
  variable_list operator()(const variable_list& outputs, const variable_list& /*inputs*/) override {
    ready();
    return outputs;
  }
  std::function<void()> ready;
};

}  // namespace

struct GradientBuckets::State {
  struct Bucket {
    int64_t first = 0, end = 0;    // of the flat buffer
    int64_t ranges = 0, left = 0;  // that are not accumulated yet
    Group::Pending pending;
  };

  const Parameters parameters;  // the tensors are the model's
  Group& group;
  std::vector<Bucket> buckets;  // from the end of the buffer: a backward pass begins there
  std::vector<NodePointer> accumulators;  // a variable holds weak ones
  std::mutex mutex;
  size_t launched = 0;
  bool counts = false;  // a backward pass is under way

  /// All processes launch the same ones in the same order, whatever order they are ready in.
  void launch_next() {
    Bucket& bucket = buckets[launched++];
    const at::NoGradGuard no_grad;
    parameters.gather_gradients(bucket.first, bucket.end);
    bucket.pending =
        group.start_sum(parameters.gradients.narrow(0, bucket.first, bucket.end - bucket.first));
  }
  void ready(size_t i) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!counts) return;
    --buckets[i].left;
    while (launched < buckets.size() && buckets[launched].left == 0) launch_next();
  }
};

GradientBuckets::GradientBuckets(const Parameters& parameters, Group& group, int64_t floats)
    : state_(std::shared_ptr<State>(new State{parameters, group, {}, {}, {}})) {
  State& s = *state_;
  int64_t end = parameters.gradients.numel();
  for (size_t r = parameters.ranges.size(); r-- > 0;) {
    const ParameterRange& range = parameters.ranges[r];
    if (s.buckets.empty() || s.buckets.back().end - s.buckets.back().first >= floats)
      s.buckets.push_back({range.offset, end, 0, 0, {}});
    s.buckets.back().first = end = range.offset;
    ++s.buckets.back().ranges;
    const size_t bucket = s.buckets.size() - 1;
    auto node = torch::autograd::impl::grad_accumulator(parameters.parameter(range.name));
    // Weak: the graph of a step may outlive an alteration.
    node->add_post_hook(std::make_unique<ReadyHook>([weak = std::weak_ptr<State>(state_), bucket] {
      if (const auto state = weak.lock()) state->ready(bucket);
    }));
    s.accumulators.push_back(std::move(node));
  }
}

GradientBuckets::~GradientBuckets() = default;

void GradientBuckets::begin() {
  State& s = *state_;
  for (State::Bucket& bucket : s.buckets) bucket.left = bucket.ranges;
  s.launched = 0;
  s.counts = true;
}

void GradientBuckets::finish() {
  State& s = *state_;
  s.counts = false;
  // A parameter that took no part has no gradient, and its bucket waited for it.
  while (s.launched < s.buckets.size()) s.launch_next();
  for (State::Bucket& bucket : s.buckets) bucket.pending();
}

int64_t GradientBuckets::count() const { return static_cast<int64_t>(state_->buckets.size()); }

}  // namespace tailor::train
