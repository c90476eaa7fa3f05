// What a configuration says of the hardware: types, layout, card, tool.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tailor/core/record.h"
#include "tailor/fixed/fixed_type.h"

namespace tailor::design {

enum class Layout { Fused, Stock };
TAILOR_ENUMERATORS(Layout, "fused", "stock")
/// What becomes of skips in the fused layout: copies of a clone that wait in a FIFO; or pixels of
/// the window of the convolution that they start at, which adds them or hands them on; or besides,
/// where they are linear over one convolution, a part of its kernel.
enum class SkipForm { Folded, Window, Cloned };
TAILOR_ENUMERATORS(SkipForm, "folded", "window", "cloned")
enum class HlsBackend { Vitis, Vivado };
TAILOR_ENUMERATORS(HlsBackend, "vitis", "vivado")
/// What a project becomes: a core for somebody's own design, or a kernel for a card's shell.
enum class HlsPackage { Ip, Kernel };
TAILOR_ENUMERATORS(HlsPackage, "ip", "kernel")

struct TrainedPrecision;  // trained_precision.h

struct ExportConfig {
  std::string precision = "16,6";
  std::string fpga = "u200";
  double clock_ns = 5;
  Rounding rounding = Rounding::Rnd;
  Overflow overflow = Overflow::Sat;
  HlsBackend backend = HlsBackend::Vitis;
  HlsPackage target = HlsPackage::Ip;
  Layout layout = Layout::Fused;
  SkipForm skips = SkipForm::Folded;
  std::optional<int64_t> reuse_factor;
  double card_share = 0.70;  // of its DSPs and its LUTs, for balanced reuse factors
  bool dsp_packing = false;  // two narrow products share a DSP
  int64_t vectors = 16;
  int64_t frames = 0;        // columns of the input that are exported; 0: all
  int64_t token_bits = 512;  // of folded tokens, about

  /// Not of the record: reuse factors of single stages, by name.
  std::map<std::string, int64_t> stage_factors;
  /// Not of the record: the types that the network was trained with; the ones above are alike.
  std::shared_ptr<const TrainedPrecision> trained;

  /// precision with the two modes; `where` names it in an error.
  FixedType type(const std::string& where = "/export/precision") const;
};

void describe(RecordVisitor& v, ExportConfig& c);
/// What the record itself does not say: a card that is neither known nor a file, a precision that
/// is none. Throws Config.
void verify_config(const ExportConfig& c, const std::string& source);

}  // namespace tailor::design
