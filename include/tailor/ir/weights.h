// Raw integer weights of a design's nodes. Emulator and project writer both take them from here, so
// that they cannot differ.
#pragma once

#include <cstdint>
#include <vector>

#include "tailor/ir/graph.h"

namespace tailor::ir {

/// The type, or Data "NODE has no WHAT type: it is not a design".
const FixedType& required_type(const std::optional<FixedType>& type, const Node& node,
                               const char* what);

/// Weights of a type of one bit are binary: -1 and 1, in steps of their channel's scale (Rastegari
/// et al. 2016, XNOR-Net).
constexpr bool is_binary(const FixedType& weight) { return weight.width == 1; }
inline FixedType binary_weights() { return FixedType{1, 1}; }
/// "binary", or the type.
std::string weight_text(const FixedType& weight);
/// How a table has them: binary ones take two bits.
FixedType stored_weight(const Node& node);
/// A weight in steps of its channel's scale; of a channel without any magnitude every one is 0.
constexpr double by_scale(double weight, double scale) { return scale == 0 ? 0 : weight / scale; }
/// A weight, by its channel's scale, in its type: the nearest, or the sign of a binary one.
int64_t quantise_weight(double by_scale, const FixedType& type, bool* overflowed = nullptr);

/// Scales, not rounded, in whose steps weights in the given steps are numbers of the type.
std::vector<double> scales_of_steps(std::vector<double> steps, const FixedType& weight);
/// Weights as their type takes them, in the tensor's order: divided by their output channel's
/// scale, where there is one; by the exact one, where a step is given with them (tensor "step").
std::vector<double> weights_by_scale(const Graph& graph, const Node& node);
/// Weights of a conv or dense node in its weight type, in the order [out, ky, kx, in]; counts those
/// that do not fit.
std::vector<int64_t> quantised_weights(const Graph& graph, const Node& node,
                                       int64_t* overflows = nullptr);
/// The bias (zeros if there is none) in its bias type.
std::vector<int64_t> quantised_bias(const Graph& graph, const Node& node,
                                    int64_t* overflows = nullptr);

/// Replaces weights or biases, in the tensor's order, by what the stage has of them.
void round_part(const Graph& graph, const Node& node, const char* part, Span<double> values);
/// The scale of each output channel in its type; empty where there is none.
std::vector<int64_t> quantised_scales(const Graph& graph, const Node& node);
/// Quantised weights times their scales, the exact weights that the stage computes with, in the
/// order of quantised_weights; and the fraction of these integers.
std::vector<int64_t> scaled_weights(const Graph& graph, const Node& node,
                                    int64_t* overflows = nullptr);
int scaled_weight_fraction(const Node& node);

}  // namespace tailor::ir
