// What must hold of a description before anybody counts, trains or lowers it: layers that fit on
// their maps, skips that run forwards and fit at both ends, names that stand once.
#include <algorithm>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/net/network.h"

namespace tailor::net {
namespace {

// Beyond these no machine of today trains a network, and counts would no longer fit their integers.
constexpr double kMaxLayerWeights = 1LL << 31, kMaxWeights = 1LL << 33, kMaxMacs = 1LL << 60;

/// "3" of a square kernel, else "1x33", and what the window spans where it is dilated.
std::string kernel_text(const Window& w) {
  const Size2 extent = w.extent();
  const bool square = w.kernel.height == w.kernel.width && extent == w.kernel;
  std::string text = square ? std::to_string(w.kernel.height)
                            : fmt::format("{}x{}", w.kernel.height, w.kernel.width);
  if (extent != w.kernel) text += fmt::format(" over {}x{}", extent.height, extent.width);
  return text;
}

std::string pads_text(const Pads& p) {
  if (p.top == p.left && p.bottom == p.right) return fmt::format("{} and {}", p.top, p.bottom);
  return fmt::format("{}, {}, {} and {}", p.top, p.left, p.bottom, p.right);
}

bool is_positive(const Size2& s) { return s.height >= 1 && s.width >= 1; }

/// Whether a map is one that arrays can hold.
bool is_map(const MapShape& m) {
  return m.channels <= kMaxMapSide && m.height <= kMaxMapSide && m.width <= kMaxMapSide &&
         m.size() <= kMaxMapElements;
}

/// Whether a head has a layer whose outputs are the classes.
bool has_answer(const Layers& head) {
  return std::any_of(head.begin(), head.end(), [](const Layer& layer) {
    return std::holds_alternative<ConvLayer>(layer) || std::holds_alternative<LinearLayer>(layer);
  });
}

class Verifier {
 public:
  explicit Verifier(const Network& network) : network_(network) {}

  std::vector<std::string> run() {
    check_name_and_input();
    MapShape at = network_.input;
    for (const Block& block : network_.blocks) {
      unique(block.id);
      if (block.stages.empty()) {
        find("{} has no stages", block.id);
        continue;
      }
      const MapShape in = at;
      for (size_t i = 1; i <= block.stages.size(); ++i) {
        if (block.stages[i - 1].layers.empty()) find("{}: stage {} has no layers", block.id, i);
        in_stage_ = true;
        check_chain(stage_layers(block, i), at);
        in_stage_ = false;
      }
      if (!findings_.empty()) return findings_;  // shapes from here on would be guesses
      const std::vector<MapShape> points = point_shapes(block, in);
      for (const Skip& skip : block.skips) check_skip(skip, points);
    }
    if (findings_.empty()) check_head(at);
    return findings_;
  }

 private:
  template <class... Args>
  void find(const char* format, const Args&... args) {
    findings_.push_back(fmt::format(fmt::runtime(format), args...));
  }
  void unique(const std::string& name) {
    if (!names_.insert(name).second) find("the name '{}' stands twice", name);
  }

  void check_name_and_input() {
    const std::string& name = network_.name;
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
      find("the name '{}' is not a folder's, and folders are named by it", name);
    if (network_.blocks.empty()) find("there are no blocks");
    if (!has_answer(network_.head)) {
      find("the head has no conv or linear layer, whose outputs are the classes");
    } else if (network_.classes() < 1) {
      find("{} classes, expected at least 1", network_.classes());
    }
    const MapShape& in = network_.input;
    if (in.channels < 1 || in.height < 1 || in.width < 1) {
      find("the input shape {} is empty", to_string(in));
    } else if (!is_map(in)) {
      find("the input shape {} is beyond {} a side and {} elements", to_string(in), kMaxMapSide,
           kMaxMapElements);
    }
  }

  void count(const std::string& where, double weights, double pixels) {
    if (weights > kMaxLayerWeights)
      find("{} has {:.3g} weights, expected at most {:.3g}", where, weights, kMaxLayerWeights);
    weights_ += weights;
    macs_ += weights * pixels;
  }

  /// Whether the window has outputs on a map. A pool's must hold a pixel, wherever it stands.
  bool check_window(const std::string& where, const Window& w, const MapShape& at) {
    const Size2 extent = w.extent();
    const Pads& p = w.pads;
    const size_t before = findings_.size();
    if (!is_positive(w.kernel) || !is_positive(w.stride) || !is_positive(w.dilation) || p.top < 0 ||
        p.left < 0 || p.bottom < 0 || p.right < 0) {
      find("{}: kernel and stride must be positive", where);
    } else if (!is_window(w)) {
      find("{}: a kernel of {}, expected sizes up to {}", where, kernel_text(w), kMaxMapSide);
    } else if (p.top >= extent.height || p.bottom >= extent.height || p.left >= extent.width ||
               p.right >= extent.width) {
      find("{}: pads of {} on a kernel of {}, expected less", where, pads_text(p), kernel_text(w));
    } else if (count_windows(w, at).size() == 0) {
      find("{}: a kernel of {} does not fit on {}", where, kernel_text(w), to_string(at));
    }
    return findings_.size() == before;
  }

  bool check(const std::string& where, const ConvLayer& c, const MapShape& at) {
    if (c.in != at.channels)
      find("{} takes {} channels, its input has {}", where, c.in, at.channels);
    bool fits = false;
    if (c.out < 1) {
      find("{} has {} out_channels, expected at least 1", where, c.out);
    } else {
      fits = check_window(where, c.window, at);
    }
    if (c.groups < 1 || c.in % c.groups != 0 || c.out % c.groups != 0)
      find("{}: {} groups do not divide {} and {} channels", where, c.groups, c.in, c.out);
    if (c.dirac && (!in_stage_ || c.groups != 1 || !has_centre_tap(c.window))) {
      find("{} is dirac, which needs a stage, one group and a tap that reads the output's pixel",
           where);
    }
    return fits;
  }

  bool check(const std::string& where, const PoolLayer& p, const MapShape& at) {
    if (p.kind == PoolKind::GlobalAverage) return true;
    if (p.window.dilation.size() != 1) find("{}: a pooling has no dilation", where);
    return check_window(where, p.window, at);
  }

  bool check(const std::string& where, const PickLayer& p, const MapShape& at) {
    if (!is_positive(p.stride)) {
      find("{} has the stride {}x{}, expected at least 1", where, p.stride.height, p.stride.width);
      return false;
    }
    if (p.channel_offset < 0 || p.channel_offset + at.channels > p.out) {
      find("{} sets {} channels at offset {}, the join has {}", where, at.channels,
           p.channel_offset, p.out);
    }
    return p.out >= 1;
  }

  bool check(const std::string& where, const LinearLayer& l, const MapShape& /*at*/) {
    if (!in_head_) {
      find("{}: linear layers stand in the head only", where);
    } else if (l.out < 1) {
      find("{} has {} out_channels, expected at least 1", where, l.out);
    }
    return l.out >= 1;
  }
  bool check(const std::string& /*where*/, const BatchNormLayer&, const MapShape&) { return true; }
  bool check(const std::string& /*where*/, const ReluLayer&, const MapShape&) { return true; }

  /// Moves `at` behind the layers that fit.
  void check_chain(const std::vector<NamedLayer>& layers, MapShape& at) {
    for (const NamedLayer& layer : layers) {
      const MapShape in = at;
      if (std::visit([&](const auto& l) { return check(layer.name, l, in); }, *layer.layer))
        at = output_of(*layer.layer, in);
      if (!is_map(at)) {
        find("{} makes {}, expected sizes up to {} and {} elements", layer.name, to_string(at),
             kMaxMapSide, kMaxMapElements);
      }
      if (!findings_.empty()) continue;
      if (const auto* conv = layer.as<ConvLayer>()) {
        const int64_t pairs = conv->in / conv->groups * conv->out;  // of channels
        count(layer.name, static_cast<double>(pairs) * static_cast<double>(conv->window.taps()),
              static_cast<double>(at.pixels()));
      }
      if (layer.as<LinearLayer>()) {
        count("the last layer", static_cast<double>(in.size()) * static_cast<double>(at.channels),
              1);
      }
    }
  }

  void check_skip(const Skip& skip, const std::vector<MapShape>& points) {
    unique(skip.id);
    const auto n = static_cast<int64_t>(points.size()) - 1;
    if (skip.from < 0 || skip.from >= skip.to || skip.to > n) {
      find("{} runs from point {} to {}, expected 0 <= from < to <= {}", skip.id, skip.from,
           skip.to, n);
      return;
    }
    std::vector<NamedLayer> layers = skip_layers(skip);
    const std::string kind = kind_of(skip);
    bool has_tensors = false;
    for (NamedLayer& layer : layers) {
      if (kind == "pad") layer.name = skip.id;
      if (layer.as<ConvLayer>() || layer.as<BatchNormLayer>()) {
        unique(layer.name);
        has_tensors = true;
      }
    }
    if (has_tensors && skip.tensors.empty()) {
      find("{} is {} without a name for its tensors", skip.id,
           kind == "projection" ? "a projection" : "a chain of layers");
    }
    const MapShape &from = points[static_cast<size_t>(skip.from)],
                   &to = points[static_cast<size_t>(skip.to)];
    const size_t before = findings_.size();
    MapShape reached = from;
    check_chain(layers, reached);
    if (reached != to && findings_.size() == before) {
      const Size2 s = stride_of(skip.layers);
      const std::string stride =
          s.height == s.width ? std::to_string(s.height) : fmt::format("{}x{}", s.height, s.width);
      find("{} ({}, stride {}) turns {} into {}, but joins at {}", skip.id, kind, stride,
           to_string(from), to_string(reached), to_string(to));
    }
  }

  void check_head(MapShape at) {
    in_head_ = true;
    check_chain(head_layers(network_), at);
    if (weights_ <= kMaxWeights && macs_ <= kMaxMacs) return;
    find("{:.3g} weights and {:.3g} multiply-accumulates, expected at most {:.3g} and {:.3g}",
         weights_, macs_, kMaxWeights, kMaxMacs);
  }

  const Network& network_;
  std::vector<std::string> findings_;
  std::set<std::string> names_;
  double weights_ = 0, macs_ = 0;  // of convolutions and linear layers
  bool in_head_ = false, in_stage_ = false;
};

}  // namespace

std::vector<std::string> verify_network(const Network& network) { return Verifier(network).run(); }

}  // namespace tailor::net
