#include "tailor/design/config.h"

#include <algorithm>

#include "tailor/core/strings.h"
#include "tailor/design/design.h"

namespace tailor::design {

void describe(RecordVisitor& v, ExportConfig& c) {
  v.text("precision", c.precision,
         "W,I of weights and activations: W bits, I of them before the point.");
  v.text("fpga", c.fpga,
         "Card: u200 is the AMD Alveo U200 (xcu200-fsgd2104-2-e); or the path of a device file "
         "(.json).");
  v.number("clock_ns", c.clock_ns, 0.5, 1000,
           "Clock period asked of the HLS tool, in nanoseconds.");
  v.enumeration(
      "rounding", c.rounding,
      "Rounding of weights and activations: rnd is floor(v + 1/2); trn is hls4ml's default.");
  v.enumeration("overflow", c.overflow,
                "Overflow of weights and activations: sat saturates; wrap is hls4ml's default.");
  v.enumeration("backend", c.backend, "Vendor tool that the scripts and pragmas are written for.");
  if (v.wants(c.target != HlsPackage::Ip)) {
    v.enumeration("target", c.target,
                  "ip: a core with two AXI streams; kernel: that core between a loader and a "
                  "storer, with what links it for the card and a host program (backend vitis).");
  }
  v.enumeration("layout", c.layout,
                "fused: pad, convolution, skip and ReLU in one stage; stock: hls4ml's stages "
                "(paper, Fig. 2a).");
  if (v.wants(c.skips != SkipForm::Folded)) {
    v.enumeration("skips", c.skips,
                  "Of the fused layout. cloned: every skip is a copy that waits in a FIFO; window: "
                  "it is taken from the window of the convolution that it starts at, which adds it "
                  "or hands it on; folded: and is part of the kernel where that is linear.");
  }
  v.optional_integer("reuse_factor", c.reuse_factor, 1, 1000000000,
                     "Multiplications per multiplier, for every layer (nearest valid). null: per "
                     "layer, so that the stages take equal time within card_share of the card.");
  if (v.wants(c.card_share != 0.70)) {
    v.number("card_share", c.card_share, 0.01, 1,
             "Share of the card's DSPs, and of its LUTs, that balanced reuse factors may take.");
  }
  if (v.wants(c.dsp_packing)) {
    v.boolean("dsp_packing", c.dsp_packing,
              "Two products of up to 8 bits share a DSP where two outputs share an activation, "
              "and where DSPs run out some are built of LUTs; false: below 10 bits all are.");
  }
  v.integer("vectors", c.vectors, 1, 10000, "Test vectors in the project's test bench.");
  if (v.wants(c.frames != 0)) {
    v.integer("frames", c.frames, 0, kMaxMapSide,
              "Of a network of frames: the project takes so many instead of the network's own, 0. "
              "A short one compiles and runs fast; its FIFOs are as deep as it needs.");
  }
  if (v.wants(c.token_bits != kFoldedTokenBits)) {
    v.integer("token_bits", c.token_bits, 1, 4096,
              "Of a network of frames: about the most bits of a token. Frames of more are folded "
              "into several, of some channels each.");
  }
}

void verify_config(const ExportConfig& c, const std::string& source) {
  const std::vector<std::string> names = device_names();
  const bool known = std::find(names.begin(), names.end(), c.fpga) != names.end();
  // Whether a file is there is asked when it is needed: a run can be moved without it.
  if (!known && c.fpga.find('/') == std::string::npos && !has_extension(c.fpga, ".json")) {
    fail_config("/export/fpga",
                fmt::format("\"{}\", or the path of a device file (.json)", join(names, "\", \"")),
                fmt::format("\"{}\"{}", c.fpga, did_you_mean(c.fpga, names)), source);
  }
  if (c.target == HlsPackage::Kernel && c.backend == HlsBackend::Vivado)
    fail_config("/export/target", "\"ip\" with backend vivado", "\"kernel\"", source);
  try {
    c.type();
  } catch (const Error& e) {
    fail(ErrorKind::Config, "config: {} in {}", e.what(), source);
  }
}

FixedType ExportConfig::type(const std::string& where) const {
  FixedType type = parse_precision(precision, where);
  type.rounding = rounding;
  type.overflow = overflow;
  return type;
}

}  // namespace tailor::design
