// A network as data: blocks of stages, each a chain of layers, with skips between points. Point 0
// is a block's input, point i the output of stage i with every skip that ends there. Stages count
// from 1, blocks from 0; names and ids never change but by surgery.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/net/config.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/tensor.h"
#include "tailor/tensors/window.h"

namespace tailor::net {

/// out filters over windows of the map, the weight [out, in / groups, kernel rows, kernel columns].
/// groups = in is a depthwise convolution. The kernel is the weight; of one that is `dirac` it is
/// alpha times the identity and beta times the weight over its norm, each [out] (net/dirac.h).
struct ConvLayer {
  int64_t in = 0, out = 0;
  Window window;
  int64_t groups = 1;
  bool bias = false;
  bool dirac = false;
};
/// Over the channels that come in; behind a convolution it folds into it.
struct BatchNormLayer {};
struct ReluLayer {};
/// Of as many channels: in a maximum padding never wins, in a mean it counts as zeros (PyTorch's
/// count_include_pad). GlobalAverage is the mean of the whole map and has no window.
enum class PoolKind { Max, Average, GlobalAverage };
struct PoolLayer {
  PoolKind kind = PoolKind::Max;
  Window window;
};
/// Every stride-th pixel, its channels from `channel_offset` on among `out`, the others 0 (the
/// parameter-free shortcut, option A).
struct PickLayer {
  int64_t out = 0;
  Size2 stride;
  int64_t channel_offset = 0;
};
/// Reads the whole map, flattened channel by channel (PyTorch's order); has a bias. In heads only.
struct LinearLayer {
  int64_t out = 0;
};
using Layer = std::variant<ConvLayer, BatchNormLayer, ReluLayer, PoolLayer, PickLayer, LinearLayer>;
using Layers = std::vector<Layer>;

/// A chain between two points of a block. Where its last layer is a ReLU, the network's `join` says
/// on which side of it skips are added.
struct Stage {
  Layers layers;
};
/// A convolution with equal pads of (kernel - 1) / 2, so that the output is as large as the input
/// over the stride; batch norm; and a ReLU if `relu`.
Stage conv_stage(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool relu = true);
Stage max_pool_stage(int64_t kernel, int64_t stride, int64_t pad);

/// An edge of a block from one point to a later one: no layers are the identity.
struct Skip {
  std::string id;  // "stage2.block0.skip", after shortening "stage2.block0.skip.0", ".1"
  int64_t from = 0, to = 0;
  Layers layers;
  std::string tensors;  // prefix of its layers' tensors; stays when another skip takes the layers
  double weight = 1;    // of what it adds; less than 1 only while an edit fades it
};
/// A strided 1×1 convolution and a batch norm; without batch norm it has a bias.
Layers projection(int64_t in, int64_t out, const Size2& stride, bool batch_norm = true);
/// "identity", "projection", "pad" (one pick) or "layers": the words of records and messages.
const char* kind_of(const Skip& skip);

struct Block {
  std::string id;  // "stem", "stage2.block0"
  std::vector<Stage> stages;
  std::vector<Skip> skips;
};

/// The mean of each channel (or the whole map, flattened) and a linear layer "fc".
Layers linear_head(int64_t classes, bool average = true);

/// What a network's weights are before it has learnt. Convolutions he_normal: normal with fan-out
/// (He et al. 2015); xavier_uniform: uniform with the mean of both fans (Glorot and Bengio 2010);
/// pytorch: uniform in ±1/√fan_in, PyTorch's default (a Kaiming with a = √5). Linear weights are
/// Xavier's where convolutions are, else uniform in ±1/√fan_in, as every bias; BN is 1 and 0.
enum class Initialisation { HeNormal, XavierUniform, PyTorch };
TAILOR_ENUMERATORS(Initialisation, "he_normal", "xavier_uniform", "pytorch")

/// Blocks in a row and a chain of layers behind them, the head. A head with a linear layer or a
/// global pooling answers once; any other one at every position of its map.
struct Network {
  std::string name;  // "resnet20"
  MapShape input;
  Join join = Join::BeforeActivation;
  double bn_epsilon = 1e-5;
  double bn_momentum = 0.1;
  Initialisation initialisation = Initialisation::HeNormal;
  /// Whether columns beyond an example's length are set to 0 before every convolution.
  bool masks_padding = false;
  std::vector<Block> blocks;
  Layers head;

  /// Numbers in an answer: the filters of the head's last convolution or linear layer; 0: none.
  int64_t classes() const;
  bool answers_per_position() const;
};

// ---- layers by name -----------------------------------------------------------------------------

/// Where it has tensors, they are `name`.weight and so on.
struct NamedLayer {
  std::string name;
  const Layer* layer = nullptr;
  template <class L>
  const L* as() const {
    return std::get_if<L>(layer);
  }
};
/// Of stage i (from 1): "stage2.block0.conv1", "….bn1", "….relu1", "….pool1"; the second of a kind
/// in a stage is "….conv1b", the third "….conv1c".
std::vector<NamedLayer> stage_layers(const Block& block, size_t stage);
/// "stage2.block0.skip.conv", "….bn", and by the skip's id "….pad".
std::vector<NamedLayer> skip_layers(const Skip& skip);
/// "pool" and "fc", "head.conv" …
std::vector<NamedLayer> head_layers(const Network& network);

/// A layer where it stands, with the maps before and behind it.
struct PlacedLayer : NamedLayer {
  MapShape in, out;
  size_t chain = 0;  // the same number: of one stage, skip or head
  bool is_head = false;
};
/// Every layer of a well-formed network: block by block its stages and then its skips; the head.
std::vector<PlacedLayer> placed_layers(const Network& network);

/// Product of the strides of a chain.
Size2 stride_of(const Layers& layers);
bool ends_in_relu(const Layers& layers);
MapShape output_of(const Layer& layer, const MapShape& in);
MapShape output_of(const Layers& layers, const MapShape& in);

// ---- tensors ------------------------------------------------------------------------------------

enum class TensorRole {
  ConvWeight,
  ConvBias,
  BnWeight,
  BnBias,
  BnMean,
  BnVariance,
  LinearWeight,
  LinearBias,
  DiracAlpha,
  DiracBeta
};
/// A parameter is trained; running means and variances are buffers.
bool is_parameter(TensorRole role);

struct TensorSpec {
  std::string name;
  Shape shape;
  TensorRole role;
  int64_t bias_fan_in = 0;  // of a bias: values that one output of its layer sums
};

/// Every tensor of a network, in order from the input.
std::vector<TensorSpec> tensor_specs(const Network& network);
/// Those of one layer on a map of so many channels.
std::vector<TensorSpec> layer_specs(const NamedLayer& layer, const MapShape& in);
std::vector<TensorSpec> skip_specs(const Skip& skip, const MapShape& from);
int64_t parameter_count(const std::vector<TensorSpec>& specs);

/// Initial values, a function of (seed, name) and the network's `initialisation`.
TensorMap initial_tensors(const Network& network, int64_t seed);
Tensor initial_tensor(const TensorSpec& spec, int64_t seed,
                      Initialisation how = Initialisation::HeNormal);
/// Throws Data naming every tensor that is missing, left over or of another shape.
void verify_tensors(const Network& network, const TensorMap& tensors, const std::string& where);

// ---- shapes and counts --------------------------------------------------------------------------

/// Shapes of the points 0 … n of a block, given its input.
std::vector<MapShape> point_shapes(const Block& block, const MapShape& input);
/// Input shape of each block, and behind the last one the head's.
std::vector<MapShape> block_inputs(const Network& network);
/// What the head makes: {classes, 1, 1}, or a map with the answer of each position.
MapShape output_shape(const Network& network);
int64_t parameter_count(const Network& network);
/// Multiply-accumulates of a layer, and of one image with its skips.
int64_t mac_count(const PlacedLayer& layer);
int64_t mac_count(const Network& network);

/// Columns behind layers, of so many before them, be the network's own input wider or narrower. 0
/// where a window does not fit.
int64_t output_length(const Layer& layer, int64_t columns);
int64_t output_length(const Layers& layers, int64_t columns);
/// Positions that a network answers, of an input of so many columns.
int64_t output_length(const Network& network, int64_t columns);
/// Input columns from one answered position to the next.
int64_t time_stride(const Network& network);
/// Input columns that one answered position reads, skips included.
int64_t receptive_field(const Network& network);

/// The first batch norm on a map of 1 x 1, where a batch of one image has no variance; empty: none.
std::string single_pixel_batch_norm(const Network& network);

/// All findings: shapes that do not fit, skips that run backwards, names that stand twice. Empty:
/// the network is well-formed.
std::vector<std::string> verify_network(const Network& network);

/// Ids of all skips, from the input.
std::vector<std::string> skip_ids(const Network& network);
/// Weights of skips by id.
using SkipWeights = std::map<std::string, double>;

// ---- families and files -------------------------------------------------------------------------

/// Builds a network from its configuration; classes and input from the data set. Family "file"
/// reads the description in `config.file`, which must have that input and as many classes.
Network make_network(const NetworkConfig& config, const MapShape& input, int64_t classes);

/// A network without a data set: by name ("resnet20", "resnet50_v1"; input and classes of the data
/// that the network is known for), or a description in a JSON file. Throws Usage listing the names.
struct NamedNetwork {
  NetworkConfig config;
  Network network;
};
NamedNetwork network_by_name(const std::string& name_or_file,
                             const std::string& flag = "--network");
std::vector<std::string> network_names();

/// Version 2 has `layers`, rectangles and dilations; without one it is written as version 1.
constexpr int kDescriptionVersion = 2;
Json write_network(const Network& network);
/// Strict, like a configuration; the result is well-formed. What follows from the rest may be left
/// out: input channels, pads, ids and strides of skips (docs/formats.md). Throws Config.
Network read_network(const Json& json, const std::string& source);

}  // namespace tailor::net
