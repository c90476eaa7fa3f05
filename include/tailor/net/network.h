// A network as data: blocks of stages (conv, BN, activation) with skips between points. Point 0 is
// a block's input, point i the output of stage i with every skip that ends there. Stages count from
// 1, blocks from 0; names and ids never change but by surgery.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/json.h"
#include "tailor/net/config.h"
#include "tailor/tensors/map_shape.h"
#include "tailor/tensors/tensor.h"

namespace tailor {

enum class StageKind { Conv, MaxPool, AvgPool };
TAILOR_ENUMERATORS(StageKind, "conv", "max_pool", "avg_pool")

/// conv – batch norm – activation, the weight [out, in / groups, kernel, kernel]; without batch
/// norm the convolution has a bias. Or a pooling of as many channels: in a maximum padding never
/// wins, in a mean it counts as zeros (PyTorch's count_include_pad).
struct Stage {
  StageKind kind = StageKind::Conv;
  int64_t in_channels = 0, out_channels = 0;
  int64_t kernel = 3, stride = 1;
  int64_t pad = 1;      // zero pixels above and left
  int64_t pad_end = 1;  // below and right
  int64_t groups = 1;
  bool batch_norm = true;
  bool relu = true;
};
inline bool is_pool(const Stage& s) { return s.kind != StageKind::Conv; }
/// A stage with equal pads of (kernel - 1) / 2: the output is as large as the input over the
/// stride.
Stage conv_stage(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride,
                 bool relu = true);
Stage max_pool_stage(int64_t channels, int64_t kernel, int64_t stride, int64_t pad);

enum class SkipKind { Identity, Projection, Pad };
TAILOR_ENUMERATORS(SkipKind, "identity", "projection", "pad")

/// An edge of a block from one point to a later one. A projection is a strided 1×1 conv – BN whose
/// tensors are `tensors`.conv.weight and `tensors`.bn.* (without batch norm: `tensors`.conv.bias);
/// a pad takes every stride-th pixel and sets the channels at `channel_offset`.
struct Skip {
  std::string id;  // "stage2.block0.skip", after shortening "stage2.block0.skip.0", ".1"
  int64_t from = 0, to = 0;
  SkipKind kind = SkipKind::Identity;
  int64_t stride = 1;
  int64_t channel_offset = 0;  // pad
  std::string tensors;         // projection
  bool batch_norm = true;      // projection
};

struct Block {
  std::string id;  // "stem", "stage2.block0"
  std::vector<Stage> stages;
  std::vector<Skip> skips;
};

/// What the last layer reads: the mean of each channel, or the whole map, flattened channel by
/// channel (PyTorch's order).
enum class HeadPooling { Average, None };
TAILOR_ENUMERATORS(HeadPooling, "average", "none")

/// Blocks in a row, and a linear layer "fc" with bias on what the head's pooling leaves of the last
/// map.
struct Network {
  std::string name;  // "resnet20"
  MapShape input;
  int64_t classes = 0;
  Join join = Join::BeforeActivation;
  double bn_epsilon = 1e-5;
  double bn_momentum = 0.1;
  std::vector<Block> blocks;
  HeadPooling head_pooling = HeadPooling::Average;
};

// ---- tensors ------------------------------------------------------------------------------------

enum class TensorRole {
  ConvWeight,
  ConvBias,
  BnWeight,
  BnBias,
  BnMean,
  BnVariance,
  LinearWeight,
  LinearBias
};
/// A parameter is trained; running means and variances are buffers.
bool is_parameter(TensorRole role);

struct TensorSpec {
  std::string name;
  Shape shape;
  TensorRole role;
  int64_t bias_fan_in = 0;  // of a bias: values that one output of its layer sums
};

/// Names of stage i (from 1) of a block: "stage2.block0.conv1" (or "stem.pool2"),
/// "stage2.block0.bn1".
std::string conv_name(const Block& block, size_t stage);
std::string bn_name(const Block& block, size_t stage);

/// Every tensor of a network, in order from the input.
std::vector<TensorSpec> tensor_specs(const Network& network);
/// The tensors of one projection; channels as the skip's ends have them.
std::vector<TensorSpec> projection_specs(const Skip& skip, int64_t in_channels,
                                         int64_t out_channels);

/// Initial values, a function of (seed, name): convolutions He normal with fan-out (He et al.
/// 2015), BN 1 and 0; the linear weight and every bias uniform in ±1/√fan_in (PyTorch's default).
TensorMap initial_tensors(const Network& network, int64_t seed);
Tensor initial_tensor(const TensorSpec& spec, int64_t seed);
/// Throws Data naming every tensor that is missing, left over or of another shape.
void verify_tensors(const Network& network, const TensorMap& tensors, const std::string& where);

// ---- shapes and counts --------------------------------------------------------------------------

/// Shapes of the points 0 … n of a block, given its input.
std::vector<MapShape> point_shapes(const Block& block, const MapShape& input);
/// Input shape of each block, and behind the last one the head's.
std::vector<MapShape> block_inputs(const Network& network);
/// Values that the linear layer reads of the head's map.
int64_t head_features(const Network& network, const MapShape& map);
int64_t parameter_count(const Network& network);
/// Multiply-accumulates of one image, projections included.
int64_t mac_count(const Network& network);

/// The first batch norm on a map of 1 x 1, where a batch of one image has no variance; empty: none.
std::string single_pixel_batch_norm(const Network& network);

/// All findings: shapes that do not fit, skips that run backwards, names that stand twice. Empty:
/// the network is well-formed.
std::vector<std::string> verify_network(const Network& network);

/// Ids of all skips, from the input.
std::vector<std::string> skip_ids(const Network& network);

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
NamedNetwork network_by_name(const std::string& name_or_file);
std::vector<std::string> network_names();

Json write_network(const Network& network);
/// Strict, like a configuration; the result is well-formed. What follows from the rest may be left
/// out: input channels, pads (as conv_stage has them), ids and strides of skips. Throws Config.
Network read_network(const Json& json, const std::string& source);

}  // namespace tailor
