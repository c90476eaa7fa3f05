// Prints a design as C++: for each node a config struct and a stage function. Reads only what the
// passes wrote on the graph.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tailor/ir/graph.h"
#include "target/hls/cpp_document.h"

namespace tailor::target {

struct WeightFile {
  std::string name;  // "stage1_block0_conv1.h"
  std::string text;
};

/// firmware/defines.h: one value type and one token type a stream.
std::string emit_defines(const Graph& design, const std::string& banner);
/// firmware/parameters.h: one config struct a stage.
std::string emit_parameters(const Graph& design, const std::string& banner);
/// firmware/weights.h: includes the weight files under synthesis, parses them otherwise.
std::string emit_weights_header(const Graph& design, const std::string& banner);
/// firmware/weights/*.h, one after another: together they may be larger than the network.
void emit_weight_files(const Graph& design, const std::string& banner,
                       const std::function<void(const WeightFile&)>& use);
std::string emit_top_header(const Graph& design, const std::string& top, const std::string& banner);
/// `ports`: the two streams are ports of what the tool builds, and not streams inside a kernel.
std::string emit_top_source(const Graph& design, const std::string& top, const std::string& banner,
                            bool ports = true);
/// Words of the card's memory that hold an image and its answer, for so many images.
struct KernelMemory {
  int64_t input_beats = 0, output_beats = 0, images = 0;
};
/// The test bench's part that varies, as macros for the skeleton.
std::string emit_test_bench_header(const Graph& design, const std::string& top,
                                   const std::string& banner,
                                   const std::optional<KernelMemory>& kernel = {});

/// Bits of a stream's token; at the ports rounded up to whole bytes.
int64_t token_bits(const Graph& design, ValueId value);

}  // namespace tailor::target
