#include "tailor/design/config.h"

namespace tailor::design {
namespace {

constexpr const char* kFpgas[] = {"u200"};

}  // namespace

void describe(RecordVisitor& v, ExportConfig& c) {
  v.text("precision", c.precision,
         "W,I of weights and activations: W bits, I of them before the point.");
  v.text_choice("fpga", c.fpga, {kFpgas, std::size(kFpgas)},
                "Card: u200 is the AMD Alveo U200 (xcu200-fsgd2104-2-e).");
  v.number("clock_ns", c.clock_ns, 0.5, 1000,
           "Clock period asked of the HLS tool, in nanoseconds.");
  v.enumeration(
      "rounding", c.rounding,
      "Rounding of weights and activations: rnd is floor(v + 1/2); trn is hls4ml's default.");
  v.enumeration("overflow", c.overflow,
                "Overflow of weights and activations: sat saturates; wrap is hls4ml's default.");
  v.enumeration("backend", c.backend, "Vendor tool that the scripts and pragmas are written for.");
  v.enumeration("layout", c.layout,
                "fused: pad, convolution, skip and ReLU in one stage; stock: hls4ml's stages "
                "(paper, Fig. 2a).");
  v.optional_integer("reuse_factor", c.reuse_factor, 1, 1000000000,
                     "Multiplications per multiplier, for every layer (nearest valid). null: per "
                     "layer, so that the stages take equal time within 70 % of the card's DSPs.");
  v.integer("vectors", c.vectors, 1, 10000, "Test vectors in the project's test bench.");
}

FixedType ExportConfig::type(const std::string& where) const {
  FixedType type = parse_precision(precision, where);
  type.rounding = rounding;
  type.overflow = overflow;
  return type;
}

}  // namespace tailor::design
