// Steps → description: the longest way from input to answer is the chain of stages, everything else
// that reaches it is a skip, and points that no skip spans part blocks.
#include <algorithm>
#include <cmath>
#include <set>

#include "net/onnx_types.h"
#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);
constexpr double kUsualEpsilon = 1e-5;

bool has_window(const OnnxStep& step) {
  return step.layer<ConvLayer>() || step.layer<PoolLayer>() || step.layer<PickLayer>();
}
bool begins_head(const OnnxStep& step) {
  const auto* pool = step.layer<PoolLayer>();
  return step.layer<LinearLayer>() || (pool && pool->kind == PoolKind::GlobalAverage);
}

/// Steps that stand behind one another, as the layers of a stage, skip or head.
using OnnxChain = std::vector<size_t>;

struct OnnxSkip {
  size_t from = 0, to = 0;  // places in the main chain, then points
  size_t sum = 0;           // the step that adds it
  OnnxChain chain;
};

class OnnxAssembly {
 public:
  OnnxAssembly(OnnxSteps steps, const std::string& name, const std::string& where)
      : all_(std::move(steps)), steps_(all_.steps), where_(where) {
    out_.network.name = name;
    out_.network.input = steps_[0].out;
    out_.remarks = std::move(all_.remarks);
  }

  OnnxNetwork run(int scale_bits) {
    count_readers();
    fold_affines();
    join_picks();
    part_operands(all_);
    count_readers();
    take_factors(rescale(all_, readers_, where_));
    find_main();
    find_skips();
    const size_t head = find_head();
    cut_stages(head);
    choose_epsilon();
    add_blocks();
    add_head(head);
    verify();
    add_tensors();
    add_types(typing(scale_bits), out_);
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(size_t step, const std::string& reason) const {
    fail(ErrorKind::Unsupported, "{}: node '{}' ({}): {}", where_, steps_[step].node,
         steps_[step].op_type, reason);
  }

  // ---- steps

  void count_readers() {
    readers_.assign(steps_.size(), 0);
    std::vector<bool> reached(steps_.size(), false);
    reached[all_.answer] = true;
    readers_[all_.answer] = 1;
    for (size_t k = steps_.size(); k-- > 0;) {
      if (!reached[k]) continue;
      for (size_t input : steps_[k].inputs) reached[input] = true, ++readers_[input];
    }
  }
  /// Whether a step's only reader takes it as it is.
  bool is_private(size_t k) const {
    return readers_[k] == 1 && std::none_of(steps_[k].read_as.begin(), steps_[k].read_as.end(),
                                            [](const auto& type) { return type.has_value(); });
  }

  /// An affine map of channels becomes part of the layer in front of it, or a batch norm.
  void fold_affines() {
    std::vector<size_t> becomes(steps_.size());
    for (size_t k = 0; k < steps_.size(); ++k) {
      becomes[k] = k;
      for (size_t& input : steps_[k].inputs) input = becomes[input];
      const auto* affine = std::get_if<OnnxAffine>(&steps_[k].what);
      if (!affine || readers_[k] == 0) continue;
      const OnnxAffine a = *affine;
      const size_t before = steps_[k].inputs[0];
      if (is_private(before) && fold(steps_[before], a)) {
        becomes[k] = before;
        readers_[before] = readers_[k];
        steps_[before].read_as = steps_[k].read_as;
        continue;
      }
      const auto channels = static_cast<int64_t>(a.scale.size());
      OnnxStep& step = steps_[k];
      step.what = Layer(BatchNormLayer{});
      step.parts = ones_of_norm(channels);
      step.parts.at("weight") = vector(a.scale);
      step.parts.at("bias") = vector(a.shift);
    }
    all_.answer = becomes[all_.answer];
  }
  static Tensor vector(const std::vector<double>& values) {
    Tensor t(DType::F32, {static_cast<int64_t>(values.size())});
    std::transform(values.begin(), values.end(), t.as<float>().begin(),
                   [](double v) { return static_cast<float>(v); });
    return t;
  }
  /// False where the layer is none that has weights.
  static bool fold(OnnxStep& step, const OnnxAffine& a) {
    const bool scales =
        std::any_of(a.scale.begin(), a.scale.end(), [](double v) { return v != 1; });
    auto* layer = std::get_if<Layer>(&step.what);
    if (!layer || step.parts.empty() || (scales && step.weight_type)) return false;
    Tensor& weight = step.parts.at("weight");
    if (auto* conv = std::get_if<ConvLayer>(layer); conv && !conv->bias) {
      conv->bias = true;
      step.parts.emplace("bias", Tensor(DType::F32, {conv->out}));
    }
    auto bias = step.parts.at("bias").as<float>();
    auto values = weight.as<float>();
    const size_t run = values.size() / a.scale.size();
    for (size_t o = 0; o < a.scale.size(); ++o) {
      for (size_t i = 0; i < run; ++i)
        values[o * run + i] = static_cast<float>(values[o * run + i] * a.scale[o]);
      bias[o] = static_cast<float>(bias[o] * a.scale[o] + a.shift[o]);
    }
    return true;
  }

  /// A slice of pixels and channels of zeros around them are one layer, and a slice and a
  /// convolution of single pixels.
  void join_picks() {
    for (OnnxStep& step : steps_) {
      join_slice(step);
      const auto* own = step.layer<PickLayer>();
      if (!own || !is_private(step.inputs[0])) continue;
      const OnnxStep& before = steps_[step.inputs[0]];
      const auto* pick = before.layer<PickLayer>();
      if (!pick) continue;
      PickLayer both = *own;
      both.stride = {own->stride.height * pick->stride.height,
                     own->stride.width * pick->stride.width};
      both.channel_offset += pick->channel_offset;
      const size_t from = before.inputs[0];
      step.what = Layer(both);
      step.inputs = {from};
    }
  }

  void join_slice(OnnxStep& step) const {
    const auto* own = step.layer<ConvLayer>();
    if (!own || own->window.kernel.size() != 1 || own->window.pads.any() ||
        !is_private(step.inputs[0]))
      return;
    const OnnxStep& before = steps_[step.inputs[0]];
    const auto* pick = before.layer<PickLayer>();
    if (!pick || pick->out != own->in || pick->channel_offset != 0) return;
    const auto& sliced = steps_[before.inputs[0]];
    if (sliced.out.channels != own->in) return;
    ConvLayer both = *own;
    both.window.stride = {own->window.stride.height * pick->stride.height,
                          own->window.stride.width * pick->stride.width};
    const size_t from = before.inputs[0];
    step.what = Layer(both);
    step.inputs = {from};
  }

  void take_factors(const OnnxFactors& factors) {
    out_.input_factor = factors.input;
    if (factors.answer == 1) return;
    out_.remarks.push_back(
        fmt::format("answers are {:.6g} times the model's: they are in the steps of the last Quant "
                    "node, which become a power of two",
                    factors.answer));
  }

  // ---- the main chain and its skips

  /// What an addition adds: the operands of additions that only it reads are its own.
  std::vector<size_t> operands(size_t sum) const {
    std::vector<size_t> list, open = {sum};
    while (!open.empty()) {
      const size_t k = open.back();
      open.pop_back();
      if (k == sum || (is_sum(steps_[k]) && is_private(k))) {
        open.insert(open.end(), steps_[k].inputs.rbegin(), steps_[k].inputs.rend());
      } else {
        list.push_back(k);
      }
    }
    return list;
  }
  static double cost(const OnnxStep& step) {
    constexpr double kConv = 1e6, kPool = 10;
    if (const auto* conv = step.layer<ConvLayer>())
      return kConv + static_cast<double>(conv->window.taps());
    if (step.layer<LinearLayer>()) return kConv;
    return step.layer<PoolLayer>() ? kPool : 1;
  }
  void find_main() {
    std::vector<double> depth(steps_.size(), 0);
    for (size_t k = 1; k < steps_.size(); ++k) {
      for (size_t input : steps_[k].inputs) depth[k] = std::max(depth[k], depth[input]);
      depth[k] += cost(steps_[k]);
    }
    for (size_t k = all_.answer; k != 0;) {
      main_.push_back(k);
      size_t next = steps_[k].inputs[0];
      if (is_sum(steps_[k])) {
        const std::vector<size_t> list = operands(k);
        next = *std::max_element(list.begin(), list.end(),
                                 [&](size_t x, size_t y) { return depth[x] < depth[y]; });
      }
      k = next;
    }
    main_.push_back(0);
    std::reverse(main_.begin(), main_.end());
    place_.assign(steps_.size(), kNowhere);
    for (size_t i = 0; i < main_.size(); ++i) place_[main_[i]] = i;
  }

  void find_skips() {
    for (size_t i = 1; i < main_.size(); ++i) {
      if (!is_sum(steps_[main_[i]])) continue;
      std::vector<size_t> list = operands(main_[i]);
      list.erase(std::find(list.begin(), list.end(), main_[i - 1]));
      for (size_t operand : list) skips_.push_back(skip_of(operand, i));
    }
  }
  OnnxSkip skip_of(size_t k, size_t to) const {
    OnnxSkip skip;
    skip.to = to;
    skip.sum = main_[to];
    for (; place_[k] == kNowhere; k = steps_[k].inputs[0]) {
      if (is_sum(steps_[k])) refuse(k, "an addition inside of a skip connection");
      if (readers_[k] != 1)
        refuse(k, "it is inside of a skip connection and is read elsewhere too");
      skip.chain.insert(skip.chain.begin(), k);
    }
    skip.from = place_[k];
    return skip;
  }

  /// The place in the main chain from which on there is the head.
  size_t find_head() const {
    size_t last_skip = 0, last_conv = kNowhere;
    for (const OnnxSkip& skip : skips_) last_skip = std::max(last_skip, skip.to);
    for (size_t i = 1; i < main_.size(); ++i) {
      if (begins_head(steps_[main_[i]])) {
        if (i <= last_skip) {
          refuse(main_[i],
                 "a global mean or a linear layer in front of an addition; expected it in the "
                 "head, behind all of them");
        }
        return i;
      }
      if (steps_[main_[i]].layer<ConvLayer>()) last_conv = i;
    }
    if (last_conv == kNowhere || last_conv <= last_skip) {
      refuse(all_.answer,
             "the network ends without a convolution, pooling or linear layer behind "
             "its last addition");
    }
    return last_conv;
  }

  // ---- stages

  /// Stages up to the head; skips' places become points.
  void cut_stages(size_t head) {
    std::set<size_t> starts;
    for (const OnnxSkip& skip : skips_) {
      starts.insert(skip.from);
      const bool relu = steps_[main_[skip.to - 1]].layer<ReluLayer>();
      if (relu) out_.network.join = Join::AfterActivation;
    }
    point_.assign(main_.size(), kNowhere);
    point_[0] = 0;
    for (size_t i = 1; i < head; ++i) {
      const OnnxStep& step = steps_[main_[i]];
      if (is_sum(step)) {
        i = end_at_sum(i, head);
        continue;
      }
      const bool full = std::any_of(stage_.begin(), stage_.end(),
                                    [&](size_t k) { return has_window(steps_[k]); });
      if (full && has_window(step)) close();
      stage_.push_back(main_[i]);
      if (starts.count(i) != 0) close(), point_[i] = stages_.size();
    }
    close();
    for (OnnxSkip& skip : skips_) {
      TAILOR_CHECK(point_[skip.from] != kNowhere && point_[skip.to] != kNowhere, "{}: no point",
                   steps_[main_[skip.to]].node);
      skip.from = point_[skip.from];
      skip.to = point_[skip.to];
    }
  }
  void close() {
    if (!stage_.empty()) stages_.push_back(std::move(stage_));
    stage_.clear();
  }
  /// A stage ends where something is added to it, or with the ReLU behind. The last place it took.
  size_t end_at_sum(size_t i, size_t head) {
    if (stage_.empty()) {
      refuse(main_[i],
             "what it adds to is read before the addition too, or is no layer's; "
             "expected a stage of its own in front of it");
    }
    const size_t sum = i;
    if (out_.network.join == Join::BeforeActivation && i + 1 < head && readers_[main_[i]] == 1 &&
        steps_[main_[i + 1]].layer<ReluLayer>())
      stage_.push_back(main_[++i]);
    close();
    point_[sum] = point_[i] = stages_.size();
    return i;
  }

  Layers layers_of(const OnnxChain& chain) const {
    Layers layers;
    for (size_t k : chain) {
      const auto* layer = std::get_if<Layer>(&steps_[k].what);
      if (!layer) refuse(k, "an addition in the head");
      layers.push_back(*layer);
    }
    return layers;
  }

  // ---- blocks

  /// Points between which whole blocks lie: no skip spans them.
  std::vector<size_t> cuts() const {
    std::vector<size_t> list = {0};
    for (size_t p = 1; p <= stages_.size(); ++p) {
      const bool spanned = std::any_of(skips_.begin(), skips_.end(),
                                       [&](const OnnxSkip& s) { return s.from < p && p < s.to; });
      if (!spanned) list.push_back(p);
    }
    return list;
  }
  bool has_skip(size_t from, size_t to) const {
    return std::any_of(skips_.begin(), skips_.end(),
                       [&](const OnnxSkip& s) { return s.from >= from && s.to <= to; });
  }

  void add_blocks() {
    const std::vector<size_t> points = cuts();
    MapShape before;  // what the last residual block made
    int stage = 0, block = 0, plain = 0;
    for (size_t i = 0; i + 1 < points.size();) {
      const size_t from = points[i];
      size_t to = points[++i];
      std::string id;
      if (has_skip(from, to)) {
        const MapShape& made = steps_[stages_[to - 1].back()].out;
        if (stage == 0 || made != before) ++stage, block = 0;
        before = made;
        id = fmt::format("stage{}.block{}", stage, block++);
      } else {
        while (i + 1 < points.size() && !has_skip(points[i], points[i + 1])) to = points[++i];
        id = stage == 0 ? "stem" : fmt::format("chain{}", ++plain);
      }
      add_block(id, from, to);
    }
  }
  void add_block(const std::string& id, size_t from, size_t to) {
    Block b;
    b.id = id;
    std::vector<OnnxSkip> own;
    for (size_t i = from; i < to; ++i) b.stages.push_back({layers_of(stages_[i])});
    for (const OnnxSkip& s : skips_) {
      if (s.from >= from && s.to <= to) own.push_back(s);
    }
    for (size_t k = 0; k < own.size(); ++k) {
      Skip skip;
      skip.id = id + ".skip" + (own.size() > 1 ? std::to_string(k) : "");
      skip.from = static_cast<int64_t>(own[k].from - from);
      skip.to = static_cast<int64_t>(own[k].to - from);
      skip.layers = layers_of(own[k].chain);
      const bool tensors = std::any_of(own[k].chain.begin(), own[k].chain.end(),
                                       [&](size_t s) { return !steps_[s].parts.empty(); });
      if (tensors) skip.tensors = skip.id;
      names_[own[k].sum] = fmt::format("{}.add{}", id, skip.to);
      b.skips.push_back(skip);
      skip_chains_.push_back(own[k].chain);
    }
    out_.network.blocks.push_back(std::move(b));
  }
  void add_head(size_t head) {
    for (size_t i = head; i < main_.size(); ++i) head_.push_back(main_[i]);
    out_.network.head = layers_of(head_);
  }

  // ---- tensors

  /// One epsilon for all: the smallest, and the rest of a larger one goes to the variance.
  void choose_epsilon() {
    double epsilon = 0;
    for (const OnnxStep& step : steps_) {
      if (step.epsilon > 0 && (epsilon == 0 || step.epsilon < epsilon)) epsilon = step.epsilon;
    }
    if (epsilon == 0) epsilon = kUsualEpsilon;
    // As people write it, not as float32 has it: 1e-05.
    out_.network.bn_epsilon = std::stod(fmt::format("{:.6g}", epsilon));
    for (OnnxStep& step : steps_) {
      const double rest = step.epsilon - epsilon;
      if (!step.layer<BatchNormLayer>() || rest == 0) continue;
      for (float& v : step.parts.at("running_var").as<float>()) v = static_cast<float>(v + rest);
    }
  }

  void verify() const {
    const std::vector<std::string> findings = verify_network(out_.network);
    if (findings.empty()) return;
    fail(ErrorKind::Unsupported, "{}: it is no network that tailor can describe: {}", where_,
         join(findings, "; "));
  }

  void take(const std::vector<NamedLayer>& layers, const OnnxChain& chain) {
    for (size_t i = 0; i < layers.size(); ++i) {
      names_[chain[i]] = layers[i].name;
      for (const auto& [part, tensor] : steps_[chain[i]].parts)
        out_.tensors.emplace(layers[i].name + "." + part, tensor);
    }
  }
  void add_tensors() {
    size_t stage = 0, skip = 0;
    for (const Block& b : out_.network.blocks) {
      for (size_t i = 1; i <= b.stages.size(); ++i) take(stage_layers(b, i), stages_[stage++]);
      for (const Skip& s : b.skips) take(skip_layers(s), skip_chains_[skip++]);
    }
    take(head_layers(out_.network), head_);
    verify_tensors(out_.network, out_.tensors, where_);
  }

  OnnxTyping typing(int scale_bits) const {
    OnnxTyping t{steps_, names_, {}, {}, out_.network.bn_epsilon, scale_bits, where_, {}};
    for (size_t place : place_) t.on_main.push_back(place != kNowhere);
    for (const OnnxSkip& s : skips_) t.joined.push_back(main_[place_[s.sum] - 1]);
    t.readers.resize(steps_.size());
    for (size_t k = 1; k < steps_.size(); ++k) {
      if (readers_[k] == 0) continue;
      for (size_t input : steps_[k].inputs) t.readers[input].push_back(k);
    }
    return t;
  }

  OnnxSteps all_;
  std::vector<OnnxStep>& steps_;
  const std::string& where_;
  OnnxNetwork out_;
  std::vector<size_t> readers_, main_, place_, point_;
  std::vector<OnnxSkip> skips_;
  OnnxChain stage_, head_;
  std::vector<OnnxChain> stages_, skip_chains_;
  std::map<size_t, std::string> names_;  // of layers and additions, by step
};

}  // namespace

OnnxNetwork network_of_onnx(const OnnxModel& model, const std::string& name,
                            const std::string& where, const OnnxInputSize& size, int scale_bits) {
  return OnnxAssembly(steps_of(model, where, size), name, where).run(scale_bits);
}

}  // namespace tailor::net
