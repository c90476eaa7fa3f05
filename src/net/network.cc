#include "tailor/net/network.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tailor/core/random.h"
#include "tailor/core/strings.h"

namespace tailor {

namespace {

// Beyond these no machine of today trains a network, and counts would no longer fit their integers.
constexpr double kMaxLayerWeights = 1LL << 31, kMaxWeights = 1LL << 33, kMaxMacs = 1LL << 60;

void add_bn_specs(std::vector<TensorSpec>& specs, const std::string& name, int64_t channels) {
  specs.push_back({name + ".weight", {channels}, TensorRole::BnWeight});
  specs.push_back({name + ".bias", {channels}, TensorRole::BnBias});
  specs.push_back({name + ".running_mean", {channels}, TensorRole::BnMean});
  specs.push_back({name + ".running_var", {channels}, TensorRole::BnVariance});
}

MapShape stage_output(const Stage& s, const MapShape& in) {
  auto size = [&](int64_t n) { return (n + s.pad + s.pad_end - s.kernel) / s.stride + 1; };
  return {s.out_channels, size(in.height), size(in.width)};
}

/// FNV-1a: the counter of a tensor's random numbers is its name, so that surgery elsewhere does not
/// move them.
uint64_t name_hash(const std::string& name) {
  uint64_t hash = 14695981039346656037ULL;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

MapShape skip_output(const Skip& skip, const MapShape& from, int64_t out_channels) {
  return {skip.kind == SkipKind::Identity ? from.channels : out_channels,
          (from.height + skip.stride - 1) / skip.stride,
          (from.width + skip.stride - 1) / skip.stride};
}

}  // namespace

Stage conv_stage(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride,
                 bool relu) {
  Stage s;
  s.in_channels = in_channels;
  s.out_channels = out_channels;
  s.kernel = kernel;
  s.stride = stride;
  s.pad = s.pad_end = (kernel - 1) / 2;
  s.relu = relu;
  return s;
}

Stage max_pool_stage(int64_t channels, int64_t kernel, int64_t stride, int64_t pad) {
  Stage s = conv_stage(channels, channels, kernel, stride, /*relu=*/false);
  s.kind = StageKind::MaxPool;
  s.pad = s.pad_end = pad;
  s.batch_norm = false;
  return s;
}

bool is_parameter(TensorRole role) {
  return role != TensorRole::BnMean && role != TensorRole::BnVariance;
}

std::string conv_name(const Block& block, size_t stage) {
  const bool pool = is_pool(block.stages[stage - 1]);
  return fmt::format("{}.{}{}", block.id, pool ? "pool" : "conv", stage);
}
std::string bn_name(const Block& block, size_t stage) {
  return fmt::format("{}.bn{}", block.id, stage);
}

std::vector<TensorSpec> projection_specs(const Skip& skip, int64_t in_channels,
                                         int64_t out_channels) {
  std::vector<TensorSpec> specs;
  specs.push_back(
      {skip.tensors + ".conv.weight", {out_channels, in_channels, 1, 1}, TensorRole::ConvWeight});
  if (skip.batch_norm) {
    add_bn_specs(specs, skip.tensors + ".bn", out_channels);
  } else {
    specs.push_back(
        {skip.tensors + ".conv.bias", {out_channels}, TensorRole::ConvBias, in_channels});
  }
  return specs;
}

std::vector<TensorSpec> tensor_specs(const Network& network) {
  std::vector<TensorSpec> specs;
  std::vector<MapShape> inputs = block_inputs(network);
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    const Block& block = network.blocks[b];
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const Stage& stage = block.stages[i - 1];
      if (is_pool(stage)) continue;
      specs.push_back(
          {conv_name(block, i) + ".weight",
           {stage.out_channels, stage.in_channels / stage.groups, stage.kernel, stage.kernel},
           TensorRole::ConvWeight});
      if (stage.batch_norm) {
        add_bn_specs(specs, bn_name(block, i), stage.out_channels);
      } else {
        specs.push_back({conv_name(block, i) + ".bias",
                         {stage.out_channels},
                         TensorRole::ConvBias,
                         stage.in_channels / stage.groups * stage.kernel * stage.kernel});
      }
    }
    std::vector<MapShape> points = point_shapes(block, inputs[b]);
    for (const Skip& skip : block.skips) {
      if (skip.kind != SkipKind::Projection) continue;
      auto projection = projection_specs(skip, points[static_cast<size_t>(skip.from)].channels,
                                         points[static_cast<size_t>(skip.to)].channels);
      specs.insert(specs.end(), projection.begin(), projection.end());
    }
  }
  specs.push_back({"fc.weight",
                   {network.classes, head_features(network, inputs.back())},
                   TensorRole::LinearWeight});
  specs.push_back({"fc.bias",
                   {network.classes},
                   TensorRole::LinearBias,
                   head_features(network, inputs.back())});
  return specs;
}

Tensor initial_tensor(const TensorSpec& spec, int64_t seed) {
  Tensor tensor(DType::F32, spec.shape);
  auto values = tensor.as<float>();
  CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Weights,
                       name_hash(spec.name) >> 16);
  switch (spec.role) {
    case TensorRole::ConvWeight: {
      double fan_out = static_cast<double>(spec.shape[0] * spec.shape[2] * spec.shape[3]);
      double deviation = std::sqrt(2 / fan_out);
      for (float& v : values) v = static_cast<float>(deviation * random.normal());
      break;
    }
    case TensorRole::BnWeight:
    case TensorRole::BnVariance:
      std::fill(values.begin(), values.end(), 1.0F);
      break;
    case TensorRole::BnBias:
    case TensorRole::BnMean:
      break;
    case TensorRole::LinearWeight:
    case TensorRole::ConvBias:
    case TensorRole::LinearBias: {
      const int64_t fan_in =
          spec.role == TensorRole::LinearWeight ? spec.shape[1] : spec.bias_fan_in;
      TAILOR_CHECK(fan_in > 0, "{} has no fan-in", spec.name);
      const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
      for (float& v : values) v = static_cast<float>(random.uniform(-bound, bound));
      break;
    }
  }
  return tensor;
}

TensorMap initial_tensors(const Network& network, int64_t seed) {
  TensorMap tensors;
  for (const TensorSpec& spec : tensor_specs(network))
    tensors.emplace(spec.name, initial_tensor(spec, seed));
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
                                     to_string(found->second.shape()), to_string(spec.shape)));
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
       tailor::join(findings, "; "));
}

std::vector<MapShape> point_shapes(const Block& block, const MapShape& input) {
  std::vector<MapShape> shapes = {input};
  for (const Stage& stage : block.stages) shapes.push_back(stage_output(stage, shapes.back()));
  return shapes;
}

std::vector<MapShape> block_inputs(const Network& network) {
  std::vector<MapShape> inputs = {network.input};
  for (const Block& block : network.blocks)
    inputs.push_back(point_shapes(block, inputs.back()).back());
  return inputs;
}

int64_t head_features(const Network& network, const MapShape& map) {
  return network.head_pooling == HeadPooling::Average ? map.channels : map.size();
}

int64_t parameter_count(const Network& network) {
  int64_t count = 0;
  for (const TensorSpec& spec : tensor_specs(network)) {
    if (is_parameter(spec.role)) count += element_count(spec.shape);
  }
  return count;
}

int64_t mac_count(const Network& network) {
  int64_t count = 0;
  std::vector<MapShape> inputs = block_inputs(network);
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    const Block& block = network.blocks[b];
    std::vector<MapShape> points = point_shapes(block, inputs[b]);
    for (size_t i = 0; i < block.stages.size(); ++i) {
      const Stage& s = block.stages[i];
      if (is_pool(s)) continue;
      count += points[i + 1].size() * (s.in_channels / s.groups) * s.kernel * s.kernel;
    }
    for (const Skip& skip : block.skips) {
      if (skip.kind != SkipKind::Projection) continue;
      const MapShape& to = points[static_cast<size_t>(skip.to)];
      count += to.height * to.width * to.channels * points[static_cast<size_t>(skip.from)].channels;
    }
  }
  return count + head_features(network, inputs.back()) * network.classes;
}

std::string single_pixel_batch_norm(const Network& network) {
  const std::vector<MapShape> inputs = block_inputs(network);
  for (size_t b = 0; b < network.blocks.size(); ++b) {
    const Block& block = network.blocks[b];
    const std::vector<MapShape> points = point_shapes(block, inputs[b]);
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      if (block.stages[i - 1].batch_norm && points[i].pixels() == 1) return bn_name(block, i);
    }
    for (const Skip& skip : block.skips) {
      if (skip.kind == SkipKind::Projection && skip.batch_norm &&
          points[static_cast<size_t>(skip.to)].pixels() == 1)
        return skip.tensors + ".bn";
    }
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

std::vector<std::string> verify_network(const Network& network) {
  std::vector<std::string> findings;
  std::set<std::string> names;
  auto unique = [&](const std::string& name) {
    if (!names.insert(name).second)
      findings.push_back(fmt::format("the name '{}' stands twice", name));
  };
  if (network.name.empty() || network.name == "." || network.name == ".." ||
      network.name.find('/') != std::string::npos) {
    findings.push_back(
        fmt::format("the name '{}' is not a folder's, and folders are named by it", network.name));
  }
  double weights = 0, macs = 0;  // of convolutions and the last layer
  auto count_layer = [&](const std::string& where, double of_layer, double pixels) {
    if (of_layer > kMaxLayerWeights) {
      findings.push_back(fmt::format("{} has {:.3g} weights, expected at most {:.3g}", where,
                                     of_layer, kMaxLayerWeights));
    }
    weights += of_layer;
    macs += of_layer * pixels;
  };
  if (network.blocks.empty()) findings.emplace_back("there are no blocks");
  if (network.classes < 1)
    findings.push_back(fmt::format("{} classes, expected at least 1", network.classes));
  MapShape in = network.input;
  if (in.channels < 1 || in.height < 1 || in.width < 1) {
    findings.push_back("the input shape " + to_string(in) + " is empty");
  } else if (in.channels > kMaxMapSide || in.height > kMaxMapSide || in.width > kMaxMapSide ||
             in.size() > kMaxMapElements) {
    findings.push_back(fmt::format("the input shape {} is beyond {} a side and {} elements",
                                   to_string(in), kMaxMapSide, kMaxMapElements));
  }
  for (const Block& block : network.blocks) {
    unique(block.id);
    if (block.stages.empty()) {
      findings.push_back(block.id + " has no stages");
      continue;
    }
    MapShape at = in;
    for (size_t i = 1; i <= block.stages.size(); ++i) {
      const Stage& s = block.stages[i - 1];
      std::string where = conv_name(block, i);
      if (s.in_channels != at.channels) {
        findings.push_back(fmt::format("{} takes {} channels, its input has {}", where,
                                       s.in_channels, at.channels));
      }
      const bool pool = is_pool(s);
      const int64_t pads = s.pad + s.pad_end;
      if (s.out_channels < 1) {
        findings.push_back(
            fmt::format("{} has {} out_channels, expected at least 1", where, s.out_channels));
      } else if (s.kernel < 1 || s.stride < 1 || s.pad < 0 || s.pad_end < 0) {
        findings.push_back(fmt::format("{}: kernel and stride must be positive", where));
      } else if (s.pad >= s.kernel || s.pad_end >= s.kernel) {
        findings.push_back(fmt::format("{}: pads of {} and {} on a kernel of {}, expected less",
                                       where, s.pad, s.pad_end, s.kernel));
      } else if (at.height + pads < s.kernel || at.width + pads < s.kernel) {
        findings.push_back(
            fmt::format("{}: a kernel of {} does not fit on {}", where, s.kernel, to_string(at)));
      } else {
        at = stage_output(s, at);
      }
      if (pool && (s.out_channels != s.in_channels || s.groups != 1 || s.batch_norm || s.relu)) {
        findings.push_back(
            fmt::format("{}: a pooling keeps its {} channels and has no groups, batch norm or ReLU",
                        where, s.in_channels));
      }
      if (s.groups < 1 || s.in_channels % s.groups != 0 || s.out_channels % s.groups != 0) {
        findings.push_back(fmt::format("{}: {} groups do not divide {} and {} channels", where,
                                       s.groups, s.in_channels, s.out_channels));
      }
      if (at.channels > kMaxMapSide || at.height > kMaxMapSide || at.width > kMaxMapSide ||
          at.size() > kMaxMapElements) {
        findings.push_back(fmt::format("{} makes {}, expected sizes up to {} and {} elements",
                                       where, to_string(at), kMaxMapSide, kMaxMapElements));
      }
      if (!pool && findings.empty()) {
        const int64_t read = s.in_channels / s.groups;
        count_layer(
            where,
            static_cast<double>(read * s.out_channels) * static_cast<double>(s.kernel * s.kernel),
            static_cast<double>(at.pixels()));
      }
    }
    if (!findings.empty()) return findings;  // shapes from here on would be guesses
    std::vector<MapShape> points = point_shapes(block, in);
    auto n = static_cast<int64_t>(block.stages.size());
    for (const Skip& skip : block.skips) {
      unique(skip.id);
      if (skip.from < 0 || skip.from >= skip.to || skip.to > n) {
        findings.push_back(fmt::format("{} runs from point {} to {}, expected 0 <= from < to <= {}",
                                       skip.id, skip.from, skip.to, n));
        continue;
      }
      const MapShape& from = points[static_cast<size_t>(skip.from)];
      const MapShape& to = points[static_cast<size_t>(skip.to)];
      if (skip.stride < 1) {
        findings.push_back(
            fmt::format("{} has the stride {}, expected at least 1", skip.id, skip.stride));
      } else if (skip_output(skip, from, to.channels) != to) {
        findings.push_back(fmt::format("{} ({}, stride {}) turns {} into {}, but joins at {}",
                                       skip.id, to_string(skip.kind), skip.stride, to_string(from),
                                       to_string(skip_output(skip, from, to.channels)),
                                       to_string(to)));
      }
      if (skip.kind == SkipKind::Identity && skip.stride != 1) {
        findings.push_back(
            fmt::format("{} is an identity with the stride {}, expected 1", skip.id, skip.stride));
      }
      if (skip.kind == SkipKind::Pad &&
          (skip.channel_offset < 0 || skip.channel_offset + from.channels > to.channels)) {
        findings.push_back(fmt::format("{} sets {} channels at offset {}, the join has {}", skip.id,
                                       from.channels, skip.channel_offset, to.channels));
      }
      if (skip.kind != SkipKind::Pad && skip.channel_offset != 0) {
        findings.push_back(fmt::format("{} is {} {} with a channel_offset, which only a pad has",
                                       skip.id, skip.kind == SkipKind::Identity ? "an" : "a",
                                       to_string(skip.kind)));
      }
      if (skip.kind == SkipKind::Projection) {
        if (skip.tensors.empty())
          findings.push_back(skip.id + " is a projection without a name for its tensors");
        unique(skip.tensors + ".conv");
        count_layer(skip.id, static_cast<double>(from.channels * to.channels),
                    static_cast<double>(to.pixels()));
      }
    }
    in = points.back();
  }
  if (!findings.empty()) return findings;
  count_layer(
      "the last layer",
      static_cast<double>(head_features(network, in)) * static_cast<double>(network.classes), 1);
  if (weights > kMaxWeights || macs > kMaxMacs) {
    findings.push_back(fmt::format(
        "{:.3g} weights and {:.3g} multiply-accumulates, expected at most {:.3g} and {:.3g}",
        weights, macs, kMaxWeights, kMaxMacs));
  }
  return findings;
}

namespace {

void describe(RecordVisitor& v, MapShape& s) {
  v.integer("channels", s.channels, 1, 1 << 20, "Channels.");
  v.integer("height", s.height, 1, 1 << 20, "Rows.");
  v.integer("width", s.width, 1, 1 << 20, "Columns.");
}

void describe(RecordVisitor& v, Stage& s) {
  v.enumeration("kind", s.kind, "conv (batch norm, activation), max_pool or avg_pool.");
  // A pooling has neither; saying so otherwise is found by verify_network.
  if (is_pool(s)) s.batch_norm = s.relu = false;
  v.integer("in_channels", s.in_channels, 0, 1 << 20, "Input channels. 0: as many as come in.");
  v.integer("out_channels", s.out_channels, 0, 1 << 20,
            "Filters. 0, for pools only: as many as come in.");
  v.integer("kernel", s.kernel, 1, 255, "Rows and columns of the kernel.");
  v.integer("stride", s.stride, 1, 255, "Stride.");
  v.integer("pad", s.pad, -1, 255, "Zero pixels above and left. -1: (kernel - 1) / 2.");
  v.integer("pad_end", s.pad_end, -1, 255, "Zero pixels below and right. -1: as pad.");
  v.integer("groups", s.groups, 1, 1 << 20, "Groups of channels that do not see each other.");
  v.boolean("batch_norm", s.batch_norm, "Batch norm behind the convolution; else it has a bias.");
  v.boolean("relu", s.relu, "Whether a ReLU follows.");
}

void describe(RecordVisitor& v, Skip& s) {
  v.text("id", s.id, "Stable id. Empty: BLOCK.skip, with a number if there are several.");
  v.integer("from", s.from, 0, 1 << 20, "Point where it starts.");
  v.integer("to", s.to, 0, 1 << 20, "Point where it joins.");
  v.enumeration("kind", s.kind, "identity, projection (1x1 conv, BN) or pad.");
  v.integer("stride", s.stride, 0, 255,
            "Pixels taken: every stride-th. 0: the product of the strides it spans.");
  v.integer("channel_offset", s.channel_offset, 0, 1 << 20, "pad: first channel set.");
  v.text("tensors", s.tensors, "projection: prefix of its tensors. Empty: the id.");
  v.boolean("batch_norm", s.batch_norm, "projection: batch norm behind it; else it has a bias.");
}

/// What a description that leaves things out begins as; complete_network fills it in.
Stage unstated_stage() {
  Stage s;
  s.pad = s.pad_end = -1;
  return s;
}
Skip unstated_skip() {
  Skip s;
  s.stride = 0;
  return s;
}

void complete_network(Network& network) {
  int64_t channels = network.input.channels;
  for (Block& block : network.blocks) {
    for (Stage& s : block.stages) {
      if (s.in_channels == 0) s.in_channels = channels;
      if (is_pool(s) && s.out_channels == 0) s.out_channels = s.in_channels;
      if (s.pad == -1) s.pad = (s.kernel - 1) / 2;
      if (s.pad_end == -1) s.pad_end = s.pad;
      channels = s.out_channels;
    }
    for (size_t i = 0; i < block.skips.size(); ++i) {
      Skip& skip = block.skips[i];
      if (skip.id.empty()) {
        skip.id = block.id + ".skip";
        if (block.skips.size() > 1) skip.id += std::to_string(i);
      }
      if (skip.stride == 0) {
        skip.stride = 1;
        const auto end = std::min(static_cast<size_t>(skip.to), block.stages.size());
        for (auto p = static_cast<size_t>(skip.from); p < end; ++p)
          skip.stride *= block.stages[p].stride;
      }
      if (skip.kind == SkipKind::Projection && skip.tensors.empty()) skip.tensors = skip.id;
    }
  }
}

void describe(RecordVisitor& v, Block& b) {
  v.text("id", b.id, "Stable id.");
  v.list(
      "stages", b.stages.size(), [&](size_t n) { b.stages.resize(n, unstated_stage()); },
      [&](RecordVisitor& r, size_t i) { describe(r, b.stages[i]); }, "Stages in order.");
  v.list(
      "skips", b.skips.size(), [&](size_t n) { b.skips.resize(n, unstated_skip()); },
      [&](RecordVisitor& r, size_t i) { describe(r, b.skips[i]); }, "Skip connections.");
}

void describe(RecordVisitor& v, Network& n) {
  v.text("name", n.name, "Name.");
  v.record(
      "input", [&](RecordVisitor& r) { describe(r, n.input); }, "Shape of one image.");
  v.integer("classes", n.classes, 1, 1 << 20, "Outputs.");
  v.enumeration("join", n.join, "Where skips are added.");
  v.number("bn_epsilon", n.bn_epsilon, 0, 1, "Batch norm's epsilon.");
  v.number("bn_momentum", n.bn_momentum, 0, 1, "Batch norm's momentum.");
  v.list(
      "blocks", n.blocks.size(), [&](size_t k) { n.blocks.resize(k); },
      [&](RecordVisitor& r, size_t i) { describe(r, n.blocks[i]); }, "Blocks in order.");
  v.record(
      "head",
      [&](RecordVisitor& r) {
        r.enumeration("pooling", n.head_pooling,
                      "average: the mean of each channel; none: the whole map, flattened.");
      },
      "What the last layer, linear with bias, reads.");
}

}  // namespace

Json write_network(const Network& network) {
  Network copy = network;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

Network read_network(const Json& json, const std::string& source) {
  Network network;
  read_record(json, source, [&](RecordVisitor& v) { describe(v, network); });
  complete_network(network);
  auto findings = verify_network(network);
  if (!findings.empty()) {
    fail(ErrorKind::Config, "the network in {} is not well-formed: {}", source,
         tailor::join(findings, "; "));
  }
  return network;
}

}  // namespace tailor
