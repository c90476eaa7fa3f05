// A network as JSON (docs/formats.md, section 2). A stage, a skip and the head are `layers`, or in
// short what most networks consist of: convolution, batch norm and ReLU; identity, projection or
// pad; pooling and linear layer. Version 1 has the short forms only, so one reader reads both.
#include <algorithm>

#include "tailor/core/strings.h"
#include "tailor/net/network.h"

namespace tailor::net {
namespace description {

enum class LayerKind {
  Conv,
  Depthwise,
  BatchNorm,
  Relu,
  MaxPool,
  AvgPool,
  GlobalAvgPool,
  Pick,
  Linear
};
TAILOR_ENUMERATORS(LayerKind, "conv", "depthwise", "batch_norm", "relu", "max_pool", "avg_pool",
                   "global_avg_pool", "pick", "linear")
enum class StageKind { Conv, MaxPool, AvgPool };
TAILOR_ENUMERATORS(StageKind, "conv", "max_pool", "avg_pool")
enum class SkipKind { Identity, Projection, Pad };
TAILOR_ENUMERATORS(SkipKind, "identity", "projection", "pad")
enum class HeadPooling { Average, None };
TAILOR_ENUMERATORS(HeadPooling, "average", "none")

}  // namespace description

namespace {

using namespace description;

constexpr int64_t kMost = 1 << 20;

// ---- as it is written, before what was left out is filled in: 0 of channels and strides, -1 of
// ---- pads

struct LayerForm {
  LayerKind kind = LayerKind::Conv;
  int64_t in = 0, out = 0;
  Size2 kernel{3, 3}, stride{1, 1}, dilation{1, 1}, pad{-1, -1}, pad_end{-1, -1};
  int64_t groups = 1;
  bool bias = false, dirac = false;
  int64_t channel_offset = 0;
};
struct StageForm {
  bool has_layers = false;
  std::vector<LayerForm> layers;
  StageKind kind = StageKind::Conv;
  LayerForm layer;  // conv or pooling
  bool batch_norm = true, relu = true;
};
struct SkipForm {
  std::string id;
  int64_t from = 0, to = 0;
  bool has_layers = false;
  std::vector<LayerForm> layers;
  SkipKind kind = SkipKind::Identity;
  Size2 stride{0, 0};
  int64_t channel_offset = 0;
  std::string tensors;
  bool batch_norm = true;
  double weight = 1;
};
struct BlockForm {
  std::string id;
  std::vector<StageForm> stages;
  std::vector<SkipForm> skips;
};
struct NetworkForm {
  Network network;  // but for blocks and head
  int64_t version = 1, classes = 0;
  std::vector<BlockForm> blocks;
  bool head_has_layers = false;
  std::vector<LayerForm> head;
  HeadPooling pooling = HeadPooling::Average;
};

/// What a record says of itself; `write` leaves out what the short forms of version 1 have not.
class Describer {
 public:
  explicit Describer(bool write) : write_(write) {}

  void network(RecordVisitor& v, NetworkForm& f) const {
    Network& n = f.network;
    if (!write_ || f.version > 1)
      v.integer("version", f.version, 1, kDescriptionVersion, "Version of the description.");
    v.text("name", n.name, "Name.");
    v.record(
        "input",
        [&](RecordVisitor& r) {
          r.integer("channels", n.input.channels, 1, kMost, "Channels.");
          r.integer("height", n.input.height, 1, kMost, "Rows.");
          r.integer("width", n.input.width, 1, kMost, "Columns.");
        },
        "Shape of one image.");
    v.integer("classes", f.classes, 1, kMost, "Outputs.");
    v.enumeration("join", n.join, "Where skips are added.");
    v.number("bn_epsilon", n.bn_epsilon, 0, 1, "Batch norm's epsilon.");
    v.number("bn_momentum", n.bn_momentum, 0, 1, "Batch norm's momentum.");
    if (!write_ || n.initialisation != Initialisation::HeNormal)
      v.enumeration("initialisation", n.initialisation, "What weights are before the first step.");
    if (!write_ || n.masks_padding) {
      v.boolean("masks_padding", n.masks_padding,
                "Whether columns beyond an example's length are 0 before every convolution.");
    }
    v.list(
        "blocks", f.blocks.size(), [&](size_t k) { f.blocks.resize(k); },
        [&](RecordVisitor& r, size_t i) { block(r, f.blocks[i]); }, "Blocks in order.");
    v.record(
        "head",
        [&](RecordVisitor& r) {
          layers(r, f.head_has_layers, f.head);
          if (f.head_has_layers) return;
          r.enumeration("pooling", f.pooling,
                        "average: the mean of each channel; none: the whole map, flattened.");
        },
        "What stands behind the last block; in short a pooling and a linear layer with bias.");
  }

 private:
  void block(RecordVisitor& v, BlockForm& b) const {
    v.text("id", b.id, "Stable id.");
    v.list(
        "stages", b.stages.size(), [&](size_t n) { b.stages.resize(n); },
        [&](RecordVisitor& r, size_t i) { stage(r, b.stages[i]); }, "Stages in order.");
    v.list(
        "skips", b.skips.size(), [&](size_t n) { b.skips.resize(n); },
        [&](RecordVisitor& r, size_t i) { skip(r, b.skips[i]); }, "Skip connections.");
  }

  void layers(RecordVisitor& v, bool& present, std::vector<LayerForm>& forms) const {
    if (write_ && !present) return;
    v.list(
        "layers", forms.size(), [&](size_t n) { present = true, forms.resize(n); },
        [&](RecordVisitor& r, size_t i) { layer(r, forms[i]); }, "A chain of layers, in order.");
  }

  void stage(RecordVisitor& v, StageForm& s) const {
    layers(v, s.has_layers, s.layers);
    if (s.has_layers) return;
    v.enumeration("kind", s.kind, "conv (batch norm, activation), max_pool or avg_pool.");
    // A pooling has neither; saying so otherwise is found.
    if (s.kind != StageKind::Conv) s.batch_norm = s.relu = false;
    channels(v, s.layer);
    window(v, s.layer, /*dilates=*/!write_ || s.layer.dilation.size() != 1);
    groups(v, s.layer);
    dirac(v, s.layer);
    v.boolean("batch_norm", s.batch_norm, "Batch norm behind the convolution; else it has a bias.");
    v.boolean("relu", s.relu, "Whether a ReLU follows.");
  }

  void skip(RecordVisitor& v, SkipForm& s) const {
    v.text("id", s.id, "Stable id. Empty: BLOCK.skip, with a number if there are several.");
    v.integer("from", s.from, 0, kMost, "Point where it starts.");
    v.integer("to", s.to, 0, kMost, "Point where it joins.");
    layers(v, s.has_layers, s.layers);
    if (!s.has_layers) {
      v.enumeration("kind", s.kind, "identity, projection (1x1 conv, BN) or pad.");
      v.pair("stride", s.stride.height, s.stride.width, 0, 255,
             "Pixels taken: every stride-th. 0: the product of the strides it spans.");
      v.integer("channel_offset", s.channel_offset, 0, kMost, "pad: first channel set.");
    }
    v.text("tensors", s.tensors, "Prefix of its tensors. Empty: the id.");
    if (!write_ || s.weight != 1)
      v.number("weight", s.weight, 0, 1, "Of what it adds; less than 1 while an edit fades it.");
    if (s.has_layers) return;
    v.boolean("batch_norm", s.batch_norm, "projection: batch norm behind it; else it has a bias.");
  }

  void layer(RecordVisitor& v, LayerForm& l) const {
    v.enumeration("kind", l.kind, "What the layer does.");
    switch (l.kind) {
      case LayerKind::Conv:
        channels(v, l);
        window(v, l, /*dilates=*/true);
        groups(v, l);
        bias(v, l);
        dirac(v, l);
        return;
      case LayerKind::Depthwise:
        out_channels(v, l);
        window(v, l, /*dilates=*/true);
        bias(v, l);
        return;
      case LayerKind::MaxPool:
      case LayerKind::AvgPool:
        window(v, l, /*dilates=*/false);
        return;
      case LayerKind::Pick:
        out_channels(v, l);
        v.pair("stride", l.stride.height, l.stride.width, 1, 255, "Every stride-th is taken.");
        v.integer("channel_offset", l.channel_offset, 0, kMost, "First channel set.");
        return;
      case LayerKind::Linear:
        out_channels(v, l);
        return;
      case LayerKind::BatchNorm:
      case LayerKind::Relu:
      case LayerKind::GlobalAvgPool:
        return;
    }
  }

  static void out_channels(RecordVisitor& v, LayerForm& l) {
    v.integer("out_channels", l.out, 0, kMost,
              "Filters. 0: as many as come in; of a head's last "
              "layer the classes.");
  }
  static void channels(RecordVisitor& v, LayerForm& l) {
    v.integer("in_channels", l.in, 0, kMost, "Input channels. 0: as many as come in.");
    out_channels(v, l);
  }
  static void window(RecordVisitor& v, LayerForm& l, bool dilates) {
    v.pair("kernel", l.kernel.height, l.kernel.width, 1, 255, "Rows and columns of the kernel.");
    v.pair("stride", l.stride.height, l.stride.width, 1, 255, "Stride.");
    if (dilates)
      v.pair("dilation", l.dilation.height, l.dilation.width, 1, 255, "From tap to tap.");
    v.pair("pad", l.pad.height, l.pad.width, -1, kMost,
           "Zero pixels above and left. -1: half of what the kernel spans beside one pixel.");
    v.pair("pad_end", l.pad_end.height, l.pad_end.width, -1, kMost,
           "Zero pixels below and right. -1: as pad.");
  }
  static void groups(RecordVisitor& v, LayerForm& l) {
    v.integer("groups", l.groups, 1, kMost, "Groups of channels that do not see each other.");
  }
  void dirac(RecordVisitor& v, LayerForm& l) const {
    if (write_ && !l.dirac) return;
    v.boolean("dirac", l.dirac,
              "The kernel is alpha times the identity and beta times the weight over each filter's "
              "norm (Zagoruyko and Komodakis 2017).");
  }
  static void bias(RecordVisitor& v, LayerForm& l) { v.boolean("bias", l.bias, "Has a bias."); }

  bool write_;
};

// ---- written → network

Window window_of(const LayerForm& l) {
  Window w{l.kernel, l.stride, l.dilation, {}};
  const Size2 extent = w.extent();
  auto or_else = [](int64_t n, int64_t other) { return n == -1 ? other : n; };
  w.pads.top = or_else(l.pad.height, (extent.height - 1) / 2);
  w.pads.left = or_else(l.pad.width, (extent.width - 1) / 2);
  w.pads.bottom = or_else(l.pad_end.height, w.pads.top);
  w.pads.right = or_else(l.pad_end.width, w.pads.left);
  return w;
}

/// Fills in what was left out, channel by channel from the input.
class Completion {
 public:
  Network run(const NetworkForm& form) {
    Network network = form.network;
    channels_ = network.input.channels;
    for (const BlockForm& b : form.blocks) network.blocks.push_back(block(b));
    if (!form.head_has_layers) {
      network.head = linear_head(form.classes, form.pooling == HeadPooling::Average);
      return network;
    }
    network.head = head(form);
    const int64_t outputs = network.classes();
    if (outputs != form.classes && outputs != 0 && form.classes != 0) {
      findings.push_back(
          fmt::format("the head has {} outputs, and \"classes\" is {}", outputs, form.classes));
    }
    return network;
  }

  std::vector<std::string> findings;  // of what only the short forms can say

 private:
  /// `channels_`: as many as come in, and then as many as come out.
  Layer layer(const LayerForm& l, int64_t unsaid_out) {
    const int64_t in = channels_, out = l.out == 0 ? unsaid_out : l.out;
    switch (l.kind) {
      case LayerKind::Conv:
        channels_ = out;
        return ConvLayer{l.in == 0 ? in : l.in, out, window_of(l), l.groups, l.bias, l.dirac};
      case LayerKind::Depthwise:
        channels_ = out == 0 ? in : out;
        return ConvLayer{in, channels_, window_of(l), in, l.bias};
      case LayerKind::BatchNorm:
        return BatchNormLayer{};
      case LayerKind::Relu:
        return ReluLayer{};
      case LayerKind::MaxPool:
        return PoolLayer{PoolKind::Max, window_of(l)};
      case LayerKind::AvgPool:
        return PoolLayer{PoolKind::Average, window_of(l)};
      case LayerKind::GlobalAvgPool:
        return PoolLayer{PoolKind::GlobalAverage, {}};
      case LayerKind::Pick:
        channels_ = out == 0 ? in : out;
        return PickLayer{channels_, l.stride, l.channel_offset};
      case LayerKind::Linear:
        channels_ = out;
        return LinearLayer{out};
    }
    fail(ErrorKind::Internal, "a layer of no kind");
  }

  Layers head(const NetworkForm& form) {
    auto answers = [](const LayerForm& l) {
      return l.kind == LayerKind::Conv || l.kind == LayerKind::Linear;
    };
    const auto last = std::find_if(form.head.rbegin(), form.head.rend(), answers);
    Layers layers;
    for (const LayerForm& l : form.head) {
      const bool is_last = last != form.head.rend() && &l == &*last;
      layers.push_back(layer(l, is_last ? form.classes : 0));
    }
    return layers;
  }

  Stage stage(const StageForm& s, const std::string& name) {
    Stage stage;
    if (s.has_layers) {
      for (const LayerForm& l : s.layers) stage.layers.push_back(layer(l, 0));
      return stage;
    }
    LayerForm first = s.layer;
    if (s.kind == StageKind::Conv) {
      first.bias = !s.batch_norm;
    } else {
      first.kind = s.kind == StageKind::MaxPool ? LayerKind::MaxPool : LayerKind::AvgPool;
      const bool same =
          (first.in == 0 || first.in == channels_) && (first.out == 0 || first.out == channels_);
      if (!same || first.groups != 1 || first.dirac || s.batch_norm || s.relu) {
        findings.push_back(
            fmt::format("{}: a pooling keeps its {} channels and has no groups, "
                        "Dirac kernel, batch norm or ReLU",
                        name, channels_));
      }
    }
    stage.layers.push_back(layer(first, 0));
    if (s.batch_norm) stage.layers.emplace_back(BatchNormLayer{});
    if (s.relu) stage.layers.emplace_back(ReluLayer{});
    return stage;
  }

  Block block(const BlockForm& form) {
    Block b;
    b.id = form.id;
    std::vector<int64_t> points = {channels_};
    for (const StageForm& s : form.stages) {
      b.stages.push_back(stage(s, fmt::format("{}.pool{}", b.id, b.stages.size() + 1)));
      points.push_back(channels_);
    }
    for (const SkipForm& s : form.skips) {
      b.skips.push_back(skip(s, b, points));
      Skip& last = b.skips.back();
      if (!last.id.empty()) continue;
      last.id = b.id + ".skip";
      if (form.skips.size() > 1) last.id += std::to_string(b.skips.size() - 1);
    }
    for (Skip& s : b.skips) {
      const bool has_tensors = kind_of(s) == std::string("projection") || has_weights(s.layers);
      if (has_tensors && s.tensors.empty()) s.tensors = s.id;
    }
    channels_ = points.back();
    return b;
  }

  static bool has_weights(const Layers& layers) {
    return std::any_of(layers.begin(), layers.end(), [](const Layer& l) {
      return std::holds_alternative<ConvLayer>(l) || std::holds_alternative<BatchNormLayer>(l);
    });
  }

  Skip skip(const SkipForm& form, const Block& b, const std::vector<int64_t>& points) {
    Skip s;
    s.id = form.id;
    s.from = form.from;
    s.to = form.to;
    s.tensors = form.tensors;
    s.weight = form.weight;
    auto channels_at = [&](int64_t point) {
      return points[std::min(static_cast<size_t>(point), points.size() - 1)];
    };
    channels_ = channels_at(form.from);
    if (form.has_layers) {
      for (const LayerForm& l : form.layers)
        s.layers.push_back(layer(l, l.kind == LayerKind::Pick ? channels_at(form.to) : 0));
      return s;
    }
    Size2 stride = form.stride, spanned;
    for (auto p = static_cast<size_t>(form.from); p < static_cast<size_t>(form.to); ++p) {
      if (p >= b.stages.size()) break;
      const Size2 own = stride_of(b.stages[p].layers);
      spanned = {spanned.height * own.height, spanned.width * own.width};
    }
    if (stride.height == 0) stride.height = spanned.height;
    if (stride.width == 0) stride.width = spanned.width;
    const std::string name = form.id.empty() ? b.id + ".skip" : form.id;
    if (form.kind == SkipKind::Projection)
      s.layers = projection(channels_, channels_at(form.to), stride, form.batch_norm);
    if (form.kind == SkipKind::Pad)
      s.layers = {PickLayer{channels_at(form.to), stride, form.channel_offset}};
    if (form.kind == SkipKind::Identity && stride.size() != 1) {
      findings.push_back(fmt::format("{} is an identity with the stride {}, expected 1", name,
                                     std::max(stride.height, stride.width)));
    }
    if (form.kind != SkipKind::Pad && form.channel_offset != 0) {
      findings.push_back(fmt::format("{} is {} {} with a channel_offset, which only a pad has",
                                     name, form.kind == SkipKind::Identity ? "an" : "a",
                                     to_string(form.kind)));
    }
    return s;
  }

  int64_t channels_ = 0;
};

// ---- network → written

LayerForm form_of(const Layer& layer) {
  LayerForm f;
  auto set_window = [&](const Window& w) {
    f.kernel = w.kernel;
    f.stride = w.stride;
    f.dilation = w.dilation;
    f.pad = {w.pads.top, w.pads.left};
    f.pad_end = {w.pads.bottom, w.pads.right};
  };
  if (const auto* conv = std::get_if<ConvLayer>(&layer)) {
    f.kind = conv->groups == conv->in && conv->in > 1 ? LayerKind::Depthwise : LayerKind::Conv;
    f.in = conv->in;
    f.out = conv->out;
    f.groups = conv->groups;
    f.bias = conv->bias;
    f.dirac = conv->dirac;
    set_window(conv->window);
  } else if (const auto* pool = std::get_if<PoolLayer>(&layer)) {
    constexpr LayerKind kKinds[] = {LayerKind::MaxPool, LayerKind::AvgPool,
                                    LayerKind::GlobalAvgPool};
    f.kind = kKinds[static_cast<size_t>(pool->kind)];
    set_window(pool->window);
  } else if (const auto* pick = std::get_if<PickLayer>(&layer)) {
    f.kind = LayerKind::Pick;
    f.out = pick->out;
    f.stride = pick->stride;
    f.channel_offset = pick->channel_offset;
  } else if (const auto* linear = std::get_if<LinearLayer>(&layer)) {
    f.kind = LayerKind::Linear;
    f.out = linear->out;
  } else {
    f.kind = std::holds_alternative<ReluLayer>(layer) ? LayerKind::Relu : LayerKind::BatchNorm;
  }
  return f;
}

std::vector<LayerForm> forms_of(const Layers& layers) {
  std::vector<LayerForm> forms;
  for (const Layer& layer : layers) forms.push_back(form_of(layer));
  return forms;
}

bool is_square(const Size2& s) { return s.height == s.width; }
bool is_square(const LayerForm& f) {
  return is_square(f.kernel) && is_square(f.stride) && f.dilation.size() == 1 && is_square(f.pad) &&
         is_square(f.pad_end);
}

/// In short where that says all; `channels`: as many as come in.
StageForm form_of(const Stage& stage, int64_t channels) {
  StageForm f;
  f.layers = forms_of(stage.layers);
  f.has_layers = true;
  if (stage.layers.empty()) return f;
  size_t at = 1;
  auto next_is = [&](size_t kind) {
    const bool is = at < stage.layers.size() && stage.layers[at].index() == kind;
    if (is) ++at;
    return is;
  };
  const auto* conv = std::get_if<ConvLayer>(&stage.layers[0]);
  const auto* pool = std::get_if<PoolLayer>(&stage.layers[0]);
  f.batch_norm = next_is(Layer(BatchNormLayer{}).index());
  f.relu = next_is(Layer(ReluLayer{}).index());
  const bool all = at == stage.layers.size() && is_square(f.layers[0]);
  const bool is_conv = conv && conv->bias != f.batch_norm;
  const bool is_pool = pool && pool->kind != PoolKind::GlobalAverage && at == 1;
  if (!all || (!is_conv && !is_pool)) return f;
  f.layer = f.layers[0];
  if (is_pool) {
    f.kind = pool->kind == PoolKind::Max ? StageKind::MaxPool : StageKind::AvgPool;
    f.layer.in = f.layer.out = channels;
  }
  f.has_layers = false;
  return f;
}

SkipForm form_of(const Skip& skip) {
  SkipForm f;
  f.id = skip.id;
  f.from = skip.from;
  f.to = skip.to;
  f.tensors = skip.tensors;
  f.weight = skip.weight;
  f.layers = forms_of(skip.layers);
  f.stride = stride_of(skip.layers);
  const std::string kind = kind_of(skip);
  f.has_layers = kind == "layers" || !is_square(f.stride);
  if (f.has_layers) return f;
  if (kind == "projection") {
    f.kind = SkipKind::Projection;
    f.batch_norm = skip.layers.size() == 2;
  } else if (kind == "pad") {
    f.kind = SkipKind::Pad;
    f.channel_offset = f.layers[0].channel_offset;
  }
  return f;
}

NetworkForm form_of(const Network& n) {
  NetworkForm f;
  f.network = n;
  f.classes = n.classes();
  bool in_short = true;
  std::vector<MapShape> inputs = block_inputs(n);
  for (size_t b = 0; b < n.blocks.size(); ++b) {
    const Block& block = n.blocks[b];
    const std::vector<MapShape> points = point_shapes(block, inputs[b]);
    BlockForm form{block.id, {}, {}};
    for (size_t i = 0; i < block.stages.size(); ++i) {
      form.stages.push_back(form_of(block.stages[i], points[i].channels));
      in_short &= !form.stages.back().has_layers && !form.stages.back().layer.dirac;
    }
    for (const Skip& skip : block.skips) {
      form.skips.push_back(form_of(skip));
      in_short &= !form.skips.back().has_layers;
    }
    f.blocks.push_back(std::move(form));
  }
  f.head = forms_of(n.head);
  const bool linear = !n.head.empty() && std::holds_alternative<LinearLayer>(n.head.back());
  const auto* pool = n.head.empty() ? nullptr : std::get_if<PoolLayer>(&n.head[0]);
  const bool average =
      linear && n.head.size() == 2 && pool && pool->kind == PoolKind::GlobalAverage;
  f.head_has_layers = !average && !(linear && n.head.size() == 1);
  f.pooling = average ? HeadPooling::Average : HeadPooling::None;
  const bool usual = n.initialisation == Initialisation::HeNormal && !n.masks_padding;
  f.version = in_short && !f.head_has_layers && usual ? 1 : kDescriptionVersion;
  return f;
}

}  // namespace

Json write_network(const Network& network) {
  NetworkForm form = form_of(network);
  return write_record([&](RecordVisitor& v) { Describer(/*write=*/true).network(v, form); });
}

Network read_network(const Json& json, const std::string& source) {
  NetworkForm form;
  read_record(json, source, [&](RecordVisitor& v) { Describer(/*write=*/false).network(v, form); });
  Completion completion;
  Network network = completion.run(form);
  std::vector<std::string> findings = completion.findings;
  for (std::string& finding : verify_network(network)) findings.push_back(std::move(finding));
  if (!findings.empty()) {
    fail(ErrorKind::Config, "the network in {} is not well-formed: {}", source,
         core::join(findings, "; "));
  }
  return network;
}

}  // namespace tailor::net
