#include "tailor/run/quantization.h"

#include <algorithm>

#include "tailor/core/strings.h"

namespace tailor::run {
namespace {

const std::string& either(const std::string& own, const std::string& general) {
  return own.empty() ? general : own;
}

/// The bits of "W", or of "W,I" whose I is not read: of types whose points move.
std::optional<int> bits_of(const std::string& text, int least = 1) {
  const auto bits = parse_int(trim(split(text, ',')[0]));
  if (!bits || *bits < least || *bits > 16) return std::nullopt;
  return static_cast<int>(*bits);
}

void check_types(const QuantizationConfig& c, const std::string& text, const std::string& pointer,
                 const std::string& source, bool may_lack_sign = false) {
  if (text.empty()) return;
  if (c.points != Points::Fixed) {
    const bool may_be_binary = c.scale_bits && !may_lack_sign;
    if (bits_of(text, may_be_binary ? 1 : 2)) return;
    const bool wants_scales = !may_lack_sign && !c.scale_bits && bits_of(text);
    fail_config(
        pointer,
        fmt::format("{} to 16 bits (as in \"8\"; /quantization/points is {}){}",
                    may_be_binary ? 1 : 2, to_string(c.points),
                    wants_scales ? ", or /quantization/scale_bits with weights of 1 bit" : ""),
        "\"" + text + "\"", source);
  }
  try {
    parse_precision(text, pointer, may_lack_sign);
  } catch (const Error& e) {
    fail(ErrorKind::Config, "config: {} in {}", e.what(), source);
  }
}

/// Convolutions and linear layers, from the input.
std::vector<std::string> layers_with_weights(const Network& network) {
  std::vector<std::string> names;
  for (const PlacedLayer& layer : placed_layers(network)) {
    if (layer.as<ConvLayer>() || layer.as<LinearLayer>()) names.push_back(layer.name);
  }
  return names;
}

}  // namespace

void describe(RecordVisitor& v, QuantizationConfig& c) {
  v.text("precision", c.precision,
         "W,I of weights and activations: W bits, I of them before the point; of points that "
         "move, W says all. Rounding, overflow and layout are those of export.");
  v.text("weights", c.weights, "W,I of weights; empty: precision.");
  v.text("activations", c.activations,
         "W,I of what stages write, uW,I without a sign where nothing can be negative (what a ReLU "
         "leaves); empty: precision. Where points move the input has 8 bits at least, unless "
         "/quantization/stages says otherwise.");
  v.text("first", c.first, "W,I of the first convolution's weights; empty: as all others.");
  v.text("last", c.last,
         "W,I of the weights of the last layer, whose logits are never rounded; empty: as all "
         "others.");
  v.list(
      "stages", c.stages.size(), [&](size_t n) { c.stages.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, c.stages[i]); },
      "Exceptions, stage by stage. Streams of different types are added exactly, at full width.");
  v.enumeration(
      "points", c.points,
      "Where the binary points of each stage's weights and activations stand. fixed: as the types "
      "say. calibrated: where rounding and saturating cost training data least, looked at when "
      "quantised training begins and after every alteration. learned: there at first, and from "
      "then on where gradients move them, by powers of two (TQT). Where they move, what a ReLU "
      "leaves has no sign.");
  v.optional_integer(
      "scale_bits", c.scale_bits, 2, 16,
      "Bits of the scales that output channels have, in whose steps weights are quantised: the "
      "root "
      "mean square of the channel's weights, as they are at each step. Weights of 1 bit are then "
      "-1 "
      "and 1 times the scale. Hardware multiplies each sum by its scale, a constant. Only where "
      "points are calibrated or learned. null: no channel has one.");
  v.optional_number(
      "mean_bits", c.mean_bits, 2, 16,
      "A budget: widths are learned too, those above are where they begin. Products of weights and "
      "activations have mean_bits x mean_bits bits on average, over all multiplications of an "
      "image; each bit costs what it adds to that, and the loss pays for those it needs. Only "
      "where points are learned. null: widths stay.");
  v.integer("calibration_images", c.calibration_images, 1, 100000,
            "Training examples that points are calibrated by.");
  v.enumeration(
      "from", c.from,
      "From which epoch on the network is trained quantised: start (the paper); altering: "
      "from the first alteration's; after: once the last alteration's alpha epochs are "
      "over. Before, it is trained in floating point.");
  v.optional_integer("first_epoch", c.first_epoch, 0, 1000000,
                     "That epoch itself. null: see from.");
  v.optional_integer(
      "freeze_statistics", c.freeze_statistics, 0, 1000000,
      "Epoch from which the batch norms' running statistics stay as they are and are folded in "
      "training as in hardware, so that every step trains the very network that is exported. Deep "
      "networks bear tiny learning rates only then (docs/results/quantised.md). null: training "
      "normalises by each batch until the end.");
}

void verify_config(const QuantizationConfig& c, const ExportConfig& exporting,
                   const std::string& source) {
  check_types(c, c.precision, "/quantization/precision", source);
  check_types(c, c.weights, "/quantization/weights", source);
  check_types(c, c.activations, "/quantization/activations", source, true);
  check_types(c, c.first, "/quantization/first", source);
  check_types(c, c.last, "/quantization/last", source);
  const std::string& values = either(c.activations, c.precision);
  if (c.points != Points::Fixed && !bits_of(values, 2)) {
    fail_config("/quantization/activations", "2 to 16 bits: only weights can be binary",
                "\"" + values + "\"", source);
  }
  if (c.scale_bits && c.points == Points::Fixed) {
    fail_config("/quantization/scale_bits",
                "points that are calibrated or learned (/quantization/points)",
                fmt::format("{} and fixed points", *c.scale_bits), source);
  }
  if (c.mean_bits && c.points != Points::Learned) {
    fail_config("/quantization/mean_bits", "points that are learned (/quantization/points)",
                fmt::format("{} and {} points", *c.mean_bits, to_string(c.points)), source);
  }
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const std::string at = fmt::format("/quantization/stages/{}", i);
    if (!c.stages[i].scales.empty()) {
      fail_config(at + "/scales", "nothing: /quantization/scale_bits says it of all stages",
                  "\"" + c.stages[i].scales + "\"", source);
    }
    if (!c.stages[i].steps.empty()) {
      fail_config(at + "/steps", "nothing: they come with the weights of an imported model",
                  fmt::format("{} numbers", c.stages[i].steps.size()), source);
    }
    check_types(c, c.stages[i].weights, at + "/weights", source);
    check_types(c, c.stages[i].activations, at + "/activations", source, true);
  }
  verify_stages(c.stages, "/quantization/stages", source);
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const std::string& type = c.stages[i].activations;
    if (exporting.layout != Layout::Stock || !starts_with(type, "u")) continue;
    fail_config(fmt::format("/quantization/stages/{}/activations", i),
                "a type with a sign, as a convolution of export.layout stock ends in front of its "
                "ReLU",
                "\"" + type + "\"", source);
  }
  if (exporting.overflow == Overflow::WrapSm) {
    fail_config("/export/overflow", "another one with /quantization: no gradient is known for it",
                "\"wrap_sm\"", source);
  }
}

void refuse_vain_types(const QuantizationConfig& c, const Network& network, int64_t epochs,
                       const std::string& source) {
  const std::vector<std::string> names = layers_with_weights(network);
  // What reads it would round it: only the network's very end is not.
  const std::vector<PlacedLayer> layers = placed_layers(network);
  const bool ends = !names.empty() && layers.back().name == names.back();
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const StageTypes& s = c.stages[i];
    const std::string at = fmt::format("/quantization/stages/{}", i);
    const auto expect = [&](bool holds, const char* key, const std::string& expected,
                            const std::string& got) {
      if (!holds) fail_config(at + key, expected, got, source);
    };
    const bool logits = ends && s.stage == names.back(), input = s.stage == kInputStage;
    expect(!input || s.weights.empty(), "/weights", "activations only: the input has no weights",
           "\"" + s.weights + "\"");
    expect(!logits || s.activations.empty(), "/activations",
           "weights only: what " + s.stage + " writes are the logits, which nothing rounds",
           "\"" + s.activations + "\"");
    expect(!s.weights.empty() || !s.activations.empty(), "",
           input    ? "activations, beside the stage"
           : logits ? "weights, beside the stage"
                    : "weights or activations, beside the stage",
           "\"" + s.stage + "\" alone");
  }
  if (c.freeze_statistics && *c.freeze_statistics >= epochs) {
    fail_config("/quantization/freeze_statistics",
                "an epoch before the end, of " + counted(epochs, "epoch") + ", or null",
                std::to_string(*c.freeze_statistics), source);
  }
}

TrainedPrecision resolve_precision(const QuantizationConfig& c, const ExportConfig& exporting,
                                   const Network& network, double input_magnitude,
                                   const std::string& source) {
  TrainedPrecision p;
  const bool moves = c.points != Points::Fixed;
  p.weights = either(c.weights, c.precision);
  p.activations = either(c.activations, c.precision);
  if (moves) {  // where points stand of which nothing is known
    const int bits = bits_of(p.weights).value_or(8);
    p.weights = bits == 1 ? kBinary : fmt::format("{},1", bits);
    p.activations = fmt::format("{},2", bits_of(p.activations).value_or(8));
    if (c.scale_bits) p.scales = fmt::format("u{},0", *c.scale_bits);
  }
  p.learns_points = c.points == Points::Learned;
  p.mean_bits = c.mean_bits.value_or(0);
  p.rounding = exporting.rounding, p.overflow = exporting.overflow;
  p.layout = exporting.layout;
  p.input_magnitude = input_magnitude;
  if (!moves) p.stages = c.stages;
  const std::vector<std::string> names = layers_with_weights(network);
  for (size_t i = 0; i < c.stages.size(); ++i) {
    const std::string& stage = c.stages[i].stage;
    if (stage == "input" || std::find(names.begin(), names.end(), stage) != names.end()) continue;
    fail_config(fmt::format("/quantization/stages/{}/stage", i),
                fmt::format("a convolution or linear layer of {}, or input", network.name),
                fmt::format("\"{}\"{}", stage, did_you_mean(stage, names)), source);
  }
  if (moves) return p;
  auto set_weights = [&](const std::string& stage, const std::string& types) {
    if (types.empty()) return;
    const auto at = std::find_if(p.stages.begin(), p.stages.end(),
                                 [&](const StageTypes& s) { return s.stage == stage; });
    if (at == p.stages.end()) {
      p.stages.push_back({stage, types, ""});
    } else if (at->weights.empty()) {  // who names the stage has the last word
      at->weights = types;
    }
  };
  if (!names.empty()) set_weights(names.front(), c.first);
  if (!names.empty()) set_weights(names.back(), c.last);
  return p;
}

CalibrationRequest calibration_request(const QuantizationConfig& c, const TrainedPrecision& types,
                                       const Network& network) {
  CalibrationRequest r;
  r.layout = types.layout, r.input_magnitude = types.input_magnitude;
  r.with_folded_skips = false;
  r.scale_bits = static_cast<int>(c.scale_bits.value_or(0));
  auto bits = [](const std::string& text) { return bits_of(text).value_or(0); };
  r.weight_bits = bits(either(c.weights, c.precision));
  r.bits = bits(either(c.activations, c.precision));
  const std::vector<std::string> names = layers_with_weights(network);
  if (!names.empty()) {
    r.stages.push_back({names.front(), bits(c.first), 0});
    r.stages.push_back({names.back(), bits(c.last), 0});
  }
  r.stages.push_back({kInputStage, 0, std::max(r.bits, kPixelBits)});
  // Behind those: who names the stage has the last word.
  for (const StageTypes& s : c.stages)
    r.stages.push_back({s.stage, bits(s.weights), bits(s.activations)});
  return r;
}

int64_t quantized_from(const QuantizationConfig& c, const SurgeryConfig& surgery,
                       const std::vector<PlannedEdit>& edits, int64_t epochs,
                       const std::string& source) {
  int64_t epoch = 0;
  if (c.from == QuantizeFrom::Altering && !edits.empty()) epoch = edits.front().epoch;
  if (c.from == QuantizeFrom::After) epoch = settled_epoch(surgery, edits);
  if (c.first_epoch) epoch = *c.first_epoch;
  if (surgery.edit == surgery::EditKind::Fade && epoch < settled_epoch(surgery, edits)) {
    fail_config(c.first_epoch ? "/quantization/first_epoch" : "/quantization/from",
                fmt::format("\"after\", or an epoch from {} on: a skip that fades has a weight, "
                            "which hardware does not",
                            settled_epoch(surgery, edits)),
                c.first_epoch ? std::to_string(epoch)
                              : fmt::format("\"{}\", which is epoch {}", to_string(c.from), epoch),
                source);
  }
  if (epoch >= epochs) {
    fail_config(c.first_epoch ? "/quantization/first_epoch" : "/quantization/from",
                "an epoch before the end, of " + counted(epochs, "epoch"),
                c.first_epoch ? std::to_string(epoch)
                              : fmt::format("\"{}\", which is epoch {}", to_string(c.from), epoch),
                source);
  }
  return epoch;
}

ExportConfig with_precision(ExportConfig exporting, const TrainedPrecision& trained) {
  const std::string& type = trained.activations;  // an export's one type has a sign
  exporting.precision = starts_with(type, "u") ? type.substr(1) : type;
  exporting.rounding = trained.rounding, exporting.overflow = trained.overflow;
  exporting.layout = trained.layout;
  exporting.trained = std::make_shared<TrainedPrecision>(trained);
  return exporting;
}

}  // namespace tailor::run
