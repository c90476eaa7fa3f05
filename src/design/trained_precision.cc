#include "tailor/design/trained_precision.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tailor/core/strings.h"
#include "tailor/emulate/integer.h"
#include "tailor/ir/weights.h"

namespace tailor::design {
namespace {

FixedType type_of(const std::string& text, const TrainedPrecision& p, const std::string& where,
                  bool may_lack_sign) {
  FixedType type = parse_precision(text, where, may_lack_sign);
  type.rounding = p.rounding;
  type.overflow = p.overflow;
  return type;
}

FixedType weight_type_of(const std::string& text, const TrainedPrecision& p,
                         const std::string& where) {
  if (text != kBinary) return type_of(text, p, where, false);
  FixedType type = binary_weights();
  type.rounding = p.rounding;
  return type;
}

FixedType scale_type_of(const std::string& text, const std::string& where) {
  FixedType type = parse_precision(text, where, true);
  if (type.is_signed || type.width > 16) {
    fail(ErrorKind::Config, "{}: expected scales without a sign, uW,I of at most 16 bits, got {}",
         where, text);
  }
  type.rounding = Rounding::Rnd, type.overflow = Overflow::Sat;
  return type;
}

/// Weights in given steps are nearest numbers, as they are integers of them but for what a division
/// loses.
void take_steps(Precision& p, const StageTypes& s, const std::string& where) {
  if (!p.scale(s.stage))
    fail(ErrorKind::Config, "{}: steps of {} need a type of scales (uW,I)", where, s.stage);
  for (double step : s.steps) {
    if (step > 0 && std::isfinite(step)) continue;
    fail(ErrorKind::Config, "{}: a step of {}, of the weights of {}; expected a positive number",
         where, step, s.stage);
  }
  Precision::Exception& exception = p.stages[s.stage];
  exception.steps = s.steps;
  FixedType weight = p.weight(s.stage);
  weight.rounding = Rounding::RndConv;
  exception.weight = weight;
}

void verify_binary(const Precision& p, const std::string& stage, const std::string& where) {
  if (is_binary(p.weight(stage)) && !p.scale(stage))
    fail(ErrorKind::Config, "{}: binary weights need scales (uW,I)", where);
}

}  // namespace

void describe(RecordVisitor& v, StageTypes& s) {
  v.text("stage", s.stage,
         "Name of a convolution or linear layer (`stage1.block0.conv1`), or `input`.");
  v.text("weights", s.weights, "W,I of its weights; empty: the network's.");
  v.text("activations", s.activations, "W,I of what it writes, or uW,I; empty: the network's.");
  if (v.wants(!s.scales.empty()))
    v.text("scales", s.scales, "uW,I of the scales of its output channels; empty: the network's.");
  if (!v.wants(!s.steps.empty())) return;
  v.numbers("steps", s.steps, 0, HUGE_VAL,
            "Step of each output channel's weights before its batch norm, as they came with the "
            "weights of an imported model; empty: scales are the weights' magnitudes.");
}

void verify_stages(const std::vector<StageTypes>& stages, const std::string& pointer,
                   const std::string& source) {
  std::set<std::string> seen;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageTypes& s = stages[i];
    const std::string at = fmt::format("{}/{}", pointer, i);
    if (s.stage.empty()) fail_config(at + "/stage", "the name of a stage", "nothing", source);
    if (!seen.insert(s.stage).second)
      fail_config(at + "/stage", "every stage once", "\"" + s.stage + "\" again", source);
    if (s.stage != "input" || !starts_with(s.activations, "u")) continue;
    fail_config(at + "/activations", "a type with a sign, as inputs may be negative",
                "\"" + s.activations + "\"", source);
  }
}

void describe(RecordVisitor& v, LearnedRange& r) {
  v.text("stage", r.stage, "Name of the stage in the graph.");
  v.boolean("of_weights", r.of_weights, "Of its weights, or of what it writes.");
  v.number("log2", r.log2, -64, 64, "Log2 of the magnitude at which the type saturates.");
  v.number("mean", r.mean, -HUGE_VAL, HUGE_VAL, "Adam's mean of its gradient.");
  v.number("square", r.square, 0, HUGE_VAL, "Adam's mean of its square.");
  if (!v.wants(r.log2_step != 0 || r.step_square != 0)) return;
  v.number("log2_step", r.log2_step, -64, 64, "Log2 of its step, where widths are learned.");
  v.number("step_mean", r.step_mean, -HUGE_VAL, HUGE_VAL, "Adam's mean of that one's gradient.");
  v.number("step_square", r.step_square, 0, HUGE_VAL, "Adam's mean of its square.");
}

void describe(RecordVisitor& v, TrainedPrecision& p) {
  v.text("weights", p.weights,
         "W,I of weights: W bits, I of them before the point; or binary: -1 and 1.");
  if (v.wants(!p.scales.empty())) {
    v.text("scales", p.scales,
           "uW,I of the scales of output channels, in whose steps weights are; empty: there are "
           "none.");
  }
  v.text(
      "activations", p.activations,
      "W,I of what stages write; uW,I: without a sign where nothing can be negative (what a ReLU "
      "leaves), with one elsewhere.");
  v.enumeration("rounding", p.rounding, "Rounding of both.");
  v.enumeration("overflow", p.overflow, "Overflow of both.");
  v.enumeration("layout", p.layout, "The layout whose casts training has seen.");
  v.number("input_magnitude", p.input_magnitude, 0, HUGE_VAL,
           "Largest magnitude of an input, which decides the input's type.");
  v.list(
      "stages", p.stages.size(), [&](size_t n) { p.stages.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, p.stages[i]); },
      "Stages with types of their own.");
  bool learns = p.learns_points;
  if (!v.wants(learns)) return;
  v.boolean("learns_points", p.learns_points,
            "Whether training learns where the points of these stages stand.");
  v.list(
      "ranges", p.ranges.size(), [&](size_t n) { p.ranges.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, p.ranges[i]); },
      "Where their ranges end, as learnt so far.");
  v.integer("range_steps", p.range_steps, 0, INT64_MAX, "Steps that learnt them.");
  if (!v.wants(p.mean_bits != 0)) return;
  v.number("mean_bits", p.mean_bits, 0, 16,
           "Widths are learned too: products have mean_bits x mean_bits bits on average.");
}

Json write_trained_precision(const TrainedPrecision& p) {
  TrainedPrecision copy = p;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

TrainedPrecision read_trained_precision(const Json& json, const std::string& source) {
  TrainedPrecision p;
  read_record(
      json, source, [&](RecordVisitor& v) { describe(v, p); }, "/precision");
  for (const char* needed : {"weights", "activations"}) {
    if (json.find(needed)) continue;
    fail_config(std::string("/precision/") + needed, "a type W,I, as in \"8,3\"", "nothing",
                source);
  }
  verify_stages(p.stages, "/precision/stages", source);
  p.precision(source);
  return p;
}

Precision TrainedPrecision::precision(const std::string& where) const {
  const auto of = [&](const char* what, const std::string& stage) {
    return fmt::format("{}: {}{}", where, what, stage.empty() ? "" : " of " + stage);
  };
  Precision result(type_of(activations, *this, of("activations", ""), true));
  result.weights = weight_type_of(weights, *this, of("weights", ""));
  if (!scales.empty()) result.scales = scale_type_of(scales, of("scales", ""));
  result.trained = is_trained;
  for (const StageTypes& s : stages) {
    Precision::Exception& exception = result.stages[s.stage];
    if (!s.weights.empty())
      exception.weight = weight_type_of(s.weights, *this, of("weights", s.stage));
    if (!s.activations.empty())
      exception.activation = type_of(s.activations, *this, of("activations", s.stage), true);
    if (!s.scales.empty()) exception.scale = scale_type_of(s.scales, of("scales", s.stage));
    if (!s.steps.empty()) take_steps(result, s, of("steps", s.stage));
    verify_binary(result, s.stage, of("weights", s.stage));
  }
  verify_binary(result, "", of("weights", ""));
  return result;
}

std::string TrainedPrecision::text() const {
  std::string text = weights == activations
                         ? weights
                         : fmt::format("weights {}, activations {}", weights, activations);
  if (!scales.empty()) {
    const std::string bits(split(scales, ',')[0].substr(1));
    text += fmt::format(", a scale of {} bits for each output channel", bits);
  }
  if (!stages.empty()) {
    text += fmt::format(", {} with {}", counted(static_cast<int64_t>(stages.size()), "stage"),
                        stages.size() == 1 ? "types of its own" : "types of their own");
  }
  const auto given = std::count_if(stages.begin(), stages.end(),
                                   [](const StageTypes& s) { return !s.steps.empty(); });
  if (given > 0) text += fmt::format(", {} of them with given scales", given);
  return text;
}

std::string TrainedPrecision::changes_from(const TrainedPrecision& other) const {
  constexpr size_t kListed = 4;
  std::vector<std::string> changes;
  auto compare = [&](const std::string& what, const std::string& now, const std::string& then) {
    if (now != then) changes.push_back(fmt::format("{} {} instead of {}", what, now, then));
  };
  compare("rounding", to_string(rounding), to_string(other.rounding));
  compare("overflow", to_string(overflow), to_string(other.overflow));
  compare("layout", to_string(layout), to_string(other.layout));
  const Precision mine = precision("types"), theirs = other.precision("types of training");
  std::vector<std::string> names = {""};  // of every stage that is not named
  for (const TrainedPrecision* p : {&other, this}) {
    for (const StageTypes& s : p->stages) {
      if (std::find(names.begin(), names.end(), s.stage) == names.end()) names.push_back(s.stage);
    }
  }
  auto scale_text = [](const std::optional<FixedType>& scale) {
    return scale ? precision_text(*scale) : std::string("none");
  };
  for (const std::string& name : names) {
    const std::string of = name.empty() ? "" : " of " + name;
    const auto size = [](const FixedType& type) {
      return ir::is_binary(type) ? std::string(kBinary) : precision_text(type);
    };
    if (name != "input") {
      compare("weights" + of, size(mine.weight(name)), size(theirs.weight(name)));
      compare("scales" + of, scale_text(mine.scale(name)), scale_text(theirs.scale(name)));
    }
    compare("activations" + of, precision_text(mine.activation(name)),
            precision_text(theirs.activation(name)));
  }
  if (changes.size() <= kListed) return join(changes, ", ");
  const size_t more = changes.size() - kListed;
  changes.resize(kListed);
  return fmt::format("{} and {} more", join(changes, ", "), more);
}

Plan plan_trained(const Lowered& lowered, const TrainedPrecision& trained,
                  const PlanOptions& options) {
  return plan(lowered, trained.layout, trained.precision(lowered.graph().name),
              trained.input_magnitude, options);
}

void verify_trained(const Plan& plan, const std::optional<Witness>& witness,
                    const std::string& where) {
  if (!witness || witness->quantised.size() == 0) return;
  const Shape &in = witness->inputs.shape(), &out = witness->quantised.shape();
  if (in.empty() || out.empty() || in[0] != out[0] || in[0] < 1 ||
      witness->inputs.dtype() != DType::F32 || witness->quantised.dtype() != DType::F64) {
    fail(ErrorKind::Data,
         "{}: expected a float64 output for each of the witness's {} inputs, got {}", where,
         in.empty() ? 0 : in[0], tensors::to_string(out));
  }
  const auto inputs = witness->inputs.as<float>();
  const auto expected = witness->quantised.as<double>();
  const auto count = static_cast<size_t>(witness->inputs.shape().at(0));
  const size_t size = inputs.size() / count, row = expected.size() / count;
  const IntegerEmulator emulator(plan.graph());
  for (size_t i = 0; i < count; ++i) {
    const auto image = inputs.subspan(i * size, size);
    const std::vector<double> logits =
        emulator.run(std::vector<double>(image.begin(), image.end())).logits;
    if (logits.size() != row)
      fail(ErrorKind::Data, "{}: {} logits, the witness has {}", where, logits.size(), row);
    for (size_t k = 0; k < row; ++k) {
      if (logits[k] == expected[i * row + k]) continue;
      fail(ErrorKind::Mismatch,
           "{} does not compute in integers what was trained ({}): input {}, logit {} is {:.9g}, "
           "expected {:.9g}, bit for bit; the checkpoint's types, weights and witness do not "
           "belong together",
           where, witness->source, i, k, logits[k], expected[i * row + k]);
    }
  }
}

}  // namespace tailor::design
