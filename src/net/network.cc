#include "tailor/net/network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "tailor/core/random.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

template <class L>
const L* find(const Layer& layer) {
  return std::get_if<L>(&layer);
}

/// FNV-1a: the counter of a tensor's random numbers is its name, so that surgery elsewhere does not
/// move them.
uint64_t name_hash(const std::string& name) {
  uint64_t hash = 14695981039346656037ULL;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

/// What a layer is called: of its kind, then a number or nothing, and a letter from the second of
/// its kind on.
class LayerNames {
 public:
  explicit LayerNames(std::string number) : number_(std::move(number)) {}

  std::string next(const Layer& layer) {
    constexpr const char* kKinds[] = {"conv", "bn", "relu", "pool", "pad", "fc"};
    const int which = count_[layer.index()]++;
    return kKinds[layer.index()] + number_ + letter(which);
  }

 private:
  static std::string letter(int which) {
    if (which == 0) return "";
    return which < 26 ? std::string(1, static_cast<char>('a' + which)) : fmt::format("_{}", which);
  }

  std::string number_;
  std::map<size_t, int> count_;
};

void place(std::vector<PlacedLayer>& placed, const std::vector<NamedLayer>& layers, MapShape at,
           bool is_head = false) {
  const size_t chain = placed.empty() ? 0 : placed.back().chain + 1;
  for (const NamedLayer& layer : layers) {
    const MapShape in = at;
    at = output_of(*layer.layer, in);
    placed.push_back({layer, in, at, chain, is_head});
  }
}

}  // namespace

Stage conv_stage(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool relu) {
  Stage s{{ConvLayer{in, out, square_window(kernel, stride, (kernel - 1) / 2)}, BatchNormLayer{}}};
  if (relu) s.layers.emplace_back(ReluLayer{});
  return s;
}

Stage max_pool_stage(int64_t kernel, int64_t stride, int64_t pad) {
  return {{PoolLayer{PoolKind::Max, square_window(kernel, stride, pad)}}};
}

Layers projection(int64_t in, int64_t out, const Size2& stride, bool batch_norm) {
  ConvLayer conv{in, out, square_window(1), 1, !batch_norm};
  conv.window.stride = stride;
  return batch_norm ? Layers{conv, BatchNormLayer{}} : Layers{conv};
}

const char* kind_of(const Skip& skip) {
  if (skip.layers.empty()) return "identity";
  const size_t n = skip.layers.size();
  if (n == 1 && find<PickLayer>(skip.layers[0])) return "pad";
  const auto* conv = find<ConvLayer>(skip.layers[0]);
  const bool one = conv && conv->window.is_pointwise() && conv->groups == 1;
  const bool rest = n == 1 ? one && conv->bias : n == 2 && find<BatchNormLayer>(skip.layers[1]);
  return one && rest && !(n == 2 && conv->bias) ? "projection" : "layers";
}

Layers linear_head(int64_t classes, bool average) {
  if (!average) return {LinearLayer{classes}};
  return {PoolLayer{PoolKind::GlobalAverage, {}}, LinearLayer{classes}};
}

int64_t Network::classes() const {
  for (auto layer = head.rbegin(); layer != head.rend(); ++layer) {
    if (const auto* conv = find<ConvLayer>(*layer)) return conv->out;
    if (const auto* linear = find<LinearLayer>(*layer)) return linear->out;
  }
  return 0;
}

bool Network::answers_per_position() const {
  return std::none_of(head.begin(), head.end(), [](const Layer& layer) {
    const auto* pool = find<PoolLayer>(layer);
    return find<LinearLayer>(layer) || (pool && pool->kind == PoolKind::GlobalAverage);
  });
}

std::vector<NamedLayer> stage_layers(const Block& block, size_t stage) {
  std::vector<NamedLayer> layers;
  LayerNames names(std::to_string(stage));
  for (const Layer& layer : block.stages[stage - 1].layers)
    layers.push_back({block.id + "." + names.next(layer), &layer});
  return layers;
}

std::vector<NamedLayer> skip_layers(const Skip& skip) {
  std::vector<NamedLayer> layers;
  LayerNames names("");
  for (const Layer& layer : skip.layers) {
    const bool has_tensors = find<ConvLayer>(layer) || find<BatchNormLayer>(layer);
    layers.push_back({(has_tensors ? skip.tensors : skip.id) + "." + names.next(layer), &layer});
  }
  return layers;
}

std::vector<NamedLayer> head_layers(const Network& network) {
  std::vector<NamedLayer> layers;
  LayerNames names("");
  for (const Layer& layer : network.head) {
    const bool plain = find<LinearLayer>(layer) || find<PoolLayer>(layer);
    layers.push_back({(plain ? "" : "head.") + names.next(layer), &layer});
  }
  return layers;
}

std::vector<PlacedLayer> placed_layers(const Network& network) {
  std::vector<PlacedLayer> placed;
  MapShape at = network.input;
  for (const Block& block : network.blocks) {
    const std::vector<MapShape> points = point_shapes(block, at);
    for (size_t i = 1; i <= block.stages.size(); ++i)
      place(placed, stage_layers(block, i), points[i - 1]);
    for (const Skip& skip : block.skips)
      place(placed, skip_layers(skip), points[static_cast<size_t>(skip.from)]);
    at = points.back();
  }
  place(placed, head_layers(network), at, /*is_head=*/true);
  return placed;
}

Size2 stride_of(const Layers& layers) {
  Size2 product;
  auto multiply = [&](const Size2& stride) {
    product.height *= stride.height;
    product.width *= stride.width;
  };
  for (const Layer& layer : layers) {
    if (const auto* conv = find<ConvLayer>(layer)) multiply(conv->window.stride);
    if (const auto* pool = find<PoolLayer>(layer)) multiply(pool->window.stride);
    if (const auto* pick = find<PickLayer>(layer)) multiply(pick->stride);
  }
  return product;
}

bool ends_in_relu(const Layers& layers) {
  return !layers.empty() && find<ReluLayer>(layers.back());
}

MapShape output_of(const Layer& layer, const MapShape& in) {
  auto windows = [&](const Window& window, int64_t channels) {
    const Size2 count = count_windows(window, in);
    return MapShape{channels, count.height, count.width};
  };
  if (const auto* conv = find<ConvLayer>(layer)) return windows(conv->window, conv->out);
  if (const auto* pool = find<PoolLayer>(layer)) {
    if (pool->kind == PoolKind::GlobalAverage) return {in.channels, 1, 1};
    return windows(pool->window, in.channels);
  }
  if (const auto* pick = find<PickLayer>(layer)) {
    const Size2& s = pick->stride;
    return {pick->out, (in.height + s.height - 1) / s.height, (in.width + s.width - 1) / s.width};
  }
  if (const auto* linear = find<LinearLayer>(layer)) return {linear->out, 1, 1};
  return in;
}

MapShape output_of(const Layers& layers, const MapShape& in) {
  MapShape at = in;
  for (const Layer& layer : layers) at = output_of(layer, at);
  return at;
}

bool is_parameter(TensorRole role) {
  return role != TensorRole::BnMean && role != TensorRole::BnVariance;
}

std::vector<TensorSpec> layer_specs(const NamedLayer& layer, const MapShape& in) {
  const std::string& name = layer.name;
  if (const auto* conv = layer.as<ConvLayer>()) {
    const int64_t read = conv->in / conv->groups;
    const Size2& kernel = conv->window.kernel;
    std::vector<TensorSpec> specs = {
        {name + ".weight", {conv->out, read, kernel.height, kernel.width}, TensorRole::ConvWeight}};
    if (conv->bias)
      specs.push_back({name + ".bias", {conv->out}, TensorRole::ConvBias, read * kernel.size()});
    if (conv->dirac) {
      specs.push_back({name + ".alpha", {conv->out}, TensorRole::DiracAlpha});
      specs.push_back({name + ".beta", {conv->out}, TensorRole::DiracBeta});
    }
    return specs;
  }
  if (layer.as<BatchNormLayer>()) {
    return {{name + ".weight", {in.channels}, TensorRole::BnWeight},
            {name + ".bias", {in.channels}, TensorRole::BnBias},
            {name + ".running_mean", {in.channels}, TensorRole::BnMean},
            {name + ".running_var", {in.channels}, TensorRole::BnVariance}};
  }
  if (const auto* linear = layer.as<LinearLayer>()) {
    return {{name + ".weight", {linear->out, in.size()}, TensorRole::LinearWeight},
            {name + ".bias", {linear->out}, TensorRole::LinearBias, in.size()}};
  }
  return {};
}

namespace {

std::vector<TensorSpec> specs_of(const std::vector<PlacedLayer>& layers) {
  std::vector<TensorSpec> specs;
  for (const PlacedLayer& layer : layers) {
    const auto own = layer_specs(layer, layer.in);
    specs.insert(specs.end(), own.begin(), own.end());
  }
  return specs;
}

}  // namespace

std::vector<TensorSpec> tensor_specs(const Network& network) {
  return specs_of(placed_layers(network));
}

std::vector<TensorSpec> skip_specs(const Skip& skip, const MapShape& from) {
  std::vector<PlacedLayer> placed;
  place(placed, skip_layers(skip), from);
  return specs_of(placed);
}

int64_t parameter_count(const std::vector<TensorSpec>& specs) {
  int64_t count = 0;
  for (const TensorSpec& spec : specs) {
    if (is_parameter(spec.role)) count += element_count(spec.shape);
  }
  return count;
}

int64_t parameter_count(const Network& network) { return parameter_count(tensor_specs(network)); }

namespace {

/// Half the width of the uniform distribution of a weight [out, in, …] or of a bias.
double uniform_bound(const TensorSpec& spec, Initialisation how) {
  const bool weight = spec.role == TensorRole::ConvWeight || spec.role == TensorRole::LinearWeight;
  const int64_t fan_in = weight ? element_count(spec.shape) / spec.shape[0] : spec.bias_fan_in;
  TAILOR_CHECK(fan_in > 0, "{} has no fan-in", spec.name);
  if (!weight || how != Initialisation::XavierUniform)
    return 1 / std::sqrt(static_cast<double>(fan_in));
  const int64_t fan_out = element_count(spec.shape) / spec.shape[1];
  return std::sqrt(6 / static_cast<double>(fan_in + fan_out));
}

}  // namespace

Tensor initial_tensor(const TensorSpec& spec, int64_t seed, Initialisation how) {
  Tensor tensor(DType::F32, spec.shape);
  auto values = tensor.as<float>();
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Weights,
                       name_hash(spec.name) >> 16);
  if (spec.role == TensorRole::ConvWeight && how == Initialisation::HeNormal) {
    const auto fan_out = static_cast<double>(spec.shape[0] * spec.shape[2] * spec.shape[3]);
    const double deviation = std::sqrt(2 / fan_out);
    for (float& v : values) v = static_cast<float>(deviation * random.normal());
    return tensor;
  }
  switch (spec.role) {
    case TensorRole::DiracBeta:
      std::fill(values.begin(), values.end(), 0.1F);
      break;
    case TensorRole::DiracAlpha:
    case TensorRole::BnWeight:
    case TensorRole::BnVariance:
      std::fill(values.begin(), values.end(), 1.0F);
      break;
    case TensorRole::BnBias:
    case TensorRole::BnMean:
      break;
    case TensorRole::ConvWeight:
    case TensorRole::LinearWeight:
    case TensorRole::ConvBias:
    case TensorRole::LinearBias: {
      const double bound = uniform_bound(spec, how);
      for (float& v : values) v = static_cast<float>(random.uniform(-bound, bound));
      break;
    }
  }
  return tensor;
}

TensorMap initial_tensors(const Network& network, int64_t seed) {
  TensorMap tensors;
  for (const TensorSpec& spec : tensor_specs(network))
    tensors.emplace(spec.name, initial_tensor(spec, seed, network.initialisation));
  return tensors;
}

void verify_tensors(const Network& network, const TensorMap& tensors, const std::string& where) {
  std::vector<std::string> findings;
  std::set<std::string> known;
  for (const TensorSpec& spec : tensor_specs(network)) {
    known.insert(spec.name);
    auto found = tensors.find(spec.name);
    if (found == tensors.end()) {
      findings.push_back(spec.name + " is missing");
    } else if (found->second.shape() != spec.shape) {
      findings.push_back(fmt::format("{} has shape {}, expected {}", spec.name,
                                     tensors::to_string(found->second.shape()),
                                     tensors::to_string(spec.shape)));
    } else if (found->second.dtype() != DType::F32) {
      findings.push_back(
          fmt::format("{} is {}, expected F32", spec.name, dtype_name(found->second.dtype())));
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (known.count(name) == 0) findings.push_back(name + " belongs to no part of the network");
  }
  if (findings.empty()) return;
  size_t count = findings.size();
  if (count > 8) {
    findings.resize(8);
    findings.push_back(fmt::format("and {} more", count - 8));
  }
  fail(ErrorKind::Data, "the tensors in {} do not fit the network {}: {}", where, network.name,
       core::join(findings, "; "));
}

std::vector<MapShape> point_shapes(const Block& block, const MapShape& input) {
  std::vector<MapShape> shapes = {input};
  for (const Stage& stage : block.stages) shapes.push_back(output_of(stage.layers, shapes.back()));
  return shapes;
}

std::vector<MapShape> block_inputs(const Network& network) {
  std::vector<MapShape> inputs = {network.input};
  for (const Block& block : network.blocks)
    inputs.push_back(point_shapes(block, inputs.back()).back());
  return inputs;
}

MapShape output_shape(const Network& network) {
  return output_of(network.head, block_inputs(network).back());
}

int64_t mac_count(const PlacedLayer& layer) {
  if (const auto* conv = layer.as<ConvLayer>())
    return layer.out.size() * (conv->in / conv->groups) * conv->window.taps();
  return layer.as<LinearLayer>() ? layer.in.size() * layer.out.channels : 0;
}

int64_t mac_count(const Network& network) {
  int64_t count = 0;
  for (const PlacedLayer& layer : placed_layers(network)) count += mac_count(layer);
  return count;
}

namespace {

/// The window over columns of a convolution, a pooling or a pick; null: a layer that keeps them.
std::optional<Window> columns_window(const Layer& layer) {
  if (const auto* conv = find<ConvLayer>(layer)) return conv->window;
  if (const auto* pick = find<PickLayer>(layer)) return Window{{}, pick->stride, {}, {}};
  const auto* pool = find<PoolLayer>(layer);
  if (!pool || pool->kind == PoolKind::GlobalAverage) return std::nullopt;
  return pool->window;
}

bool answers_once(const Layer& layer) {
  const auto* pool = find<PoolLayer>(layer);
  return find<LinearLayer>(layer) || (pool && pool->kind == PoolKind::GlobalAverage);
}

/// Columns that one column of a point reads, and how far apart neighbours' are.
struct Field {
  int64_t columns = 1, step = 1;
};
Field behind(const Layers& layers, Field field) {
  for (const Layer& layer : layers) {
    const auto window = columns_window(layer);
    if (!window) continue;
    field.columns += (window->extent().width - 1) * field.step;
    field.step *= window->stride.width;
  }
  return field;
}

}  // namespace

int64_t output_length(const Layer& layer, int64_t columns) {
  if (answers_once(layer)) return std::min<int64_t>(columns, 1);
  const auto window = columns_window(layer);
  if (!window || columns == 0) return columns;
  const int64_t room = columns + window->pads.left + window->pads.right - window->extent().width;
  return room < 0 ? 0 : room / window->stride.width + 1;
}

int64_t output_length(const Layers& layers, int64_t columns) {
  for (const Layer& layer : layers) columns = output_length(layer, columns);
  return columns;
}

int64_t output_length(const Network& network, int64_t columns) {
  for (const Block& block : network.blocks) {
    for (const Stage& stage : block.stages) columns = output_length(stage.layers, columns);
  }
  return output_length(network.head, columns);
}

int64_t time_stride(const Network& network) {
  int64_t stride = stride_of(network.head).width;
  for (const Block& block : network.blocks) {
    for (const Stage& stage : block.stages) stride *= stride_of(stage.layers).width;
  }
  return stride;
}

int64_t receptive_field(const Network& network) {
  if (!network.answers_per_position()) return network.input.width;
  Field field;
  for (const Block& block : network.blocks) {
    std::vector<Field> points = {field};
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      points.push_back(behind(block.stages[i - 1].layers, points.back()));
      for (const Skip& skip : block.skips) {
        if (skip.to != static_cast<int64_t>(i)) continue;
        const Field other = behind(skip.layers, points[static_cast<size_t>(skip.from)]);
        points.back().columns = std::max(points.back().columns, other.columns);
      }
    }
    field = points.back();
  }
  return behind(network.head, field).columns;
}

std::string single_pixel_batch_norm(const Network& network) {
  for (const PlacedLayer& layer : placed_layers(network)) {
    if (layer.as<BatchNormLayer>() && layer.in.pixels() == 1) return layer.name;
  }
  return "";
}

std::vector<std::string> skip_ids(const Network& network) {
  std::vector<std::string> ids;
  for (const Block& block : network.blocks) {
    for (const Skip& skip : block.skips) ids.push_back(skip.id);
  }
  return ids;
}

}  // namespace tailor::net
