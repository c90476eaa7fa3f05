// tailor widen: a checkpoint becomes the one of the equal plain network. Its witness stays, and
// nothing is written unless both networks answer it alike.
#include <algorithm>

#include "cli/derived.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/emulate/float64.h"
#include "tailor/emulate/witness.h"
#include "tailor/ir/operations.h"
#include "tailor/run/shared_run.h"
#include "tailor/surgery/widen.h"

namespace tailor::cli {
namespace {

/// Beyond it the two are not the same network: float32 rounds merged weights by 1e-7.
constexpr double kSameNetwork = 1e-5;

/// Sums of a channel's values and of their squares.
struct ChannelSums {
  std::vector<double> sum, squares;
  double count = 0;

  void add(Span<const double> hwc, size_t channels) {
    sum.resize(channels), squares.resize(channels);
    for (size_t i = 0; i < hwc.size(); ++i) {
      sum[i % channels] += hwc[i];
      squares[i % channels] += hwc[i] * hwc[i];
    }
    const size_t pixels = hwc.size() / channels;
    count += static_cast<double>(pixels);
  }
  void add(const ChannelSums& other) {
    sum.resize(other.sum.size()), squares.resize(other.sum.size());
    for (size_t c = 0; c < sum.size(); ++c) sum[c] += other.sum[c], squares[c] += other.squares[c];
    count += other.count;
  }
};

/// Gives the batch norms that were touched the statistics of what they normalise on these images.
void settle_norms(WidenedNetwork& w, const Inputs& images) {
  std::vector<TouchedNorm> norms;
  for (const Widening& skip : w.skips)
    norms.insert(norms.end(), skip.norms.begin(), skip.norms.end());
  const Graph graph = lower(w.network, w.tensors, "the widened network").graph();
  ByValue<std::vector<size_t>> readers(graph.values.size());  // indices of norms
  for (const Node& node : graph.nodes) {
    for (size_t n = 0; n < norms.size(); ++n) {
      if (node.is<ops::BatchNorm>() && node.name == norms[n].name)
        readers[node.inputs[0]].push_back(n);
    }
  }
  const Float64Emulator emulator(graph);
  std::vector<std::vector<ChannelSums>> of_image(images.size(),
                                                 std::vector<ChannelSums>(norms.size()));
  parallel_for(static_cast<int64_t>(images.size()), 0, [&](int64_t i) {
    if (pending_interrupt() != 0) return;
    const auto image = static_cast<size_t>(i);
    emulator.run(images[image], [&](ValueId id, Span<const double> hwc) {
      for (const size_t n : readers[id])
        of_image[image][n].add(hwc, static_cast<size_t>(graph.value(id).shape.channels));
    });
  });
  throw_if_interrupted();
  for (size_t n = 0; n < norms.size(); ++n) {
    ChannelSums all;
    for (const auto& sums : of_image) all.add(sums[n]);
    std::vector<double> mean, variance;
    for (size_t c = 0; c < all.sum.size(); ++c) {
      mean.push_back(all.sum[c] / all.count);
      variance.push_back(std::max(all.squares[c] / all.count - mean[c] * mean[c], 0.0));
    }
    settle_norm(w.tensors, norms[n], mean, variance, w.network.bn_epsilon);
  }
}

Inputs images_of(const WidenOptions& options, const GraphSource& source) {
  if (options.images == 0) return {};
  try {
    return training_images(source, open_images(source, options.data, "widen"), options.images);
  } catch (const Error& e) {
    fail(e.kind(),
         "{}; without images (--training-images 0) the result is to evaluate and export, not to "
         "train",
         e.what());
  }
}

/// The largest difference of both networks' outputs in float64, relative to the largest output, on
/// the witness's inputs.
double difference(const Graph& before, const Graph& after, const Tensor& inputs) {
  const Float64Emulator one(before), other(after);
  const std::vector<double> values = inputs.to_doubles();
  const auto count = inputs.shape()[0];
  const auto of_each = static_cast<std::ptrdiff_t>(values.size()) / count;
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<double> input(values.begin() + i * of_each,
                                    values.begin() + (i + 1) * of_each);
    worst = std::max(worst, relative_difference(other.run(input), one.run(input)));
  }
  return worst;
}

/// What widening was and cost.
struct WideningReport {
  DerivedFiles files;
  std::string from;
  std::vector<Widening> skips;
  int64_t skips_left = 0, images = 0, witness_inputs = 0;
  int64_t parameters[2] = {}, macs[2] = {};  // before, after
  double difference = 0;
};

Json report_json(const WideningReport& r) {
  std::vector<Json> skips;
  for (const Widening& s : r.skips)
    skips.push_back(Json::object({{"id", s.skip_id}, {"channels", s.channels}}));
  auto pair = [](const int64_t* values) {
    return Json::object({{"before", values[0]}, {"after", values[1]}});
  };
  return Json::object({{"checkpoint", r.files.checkpoint},
                       {"description", r.files.description},
                       {"source", r.from},
                       {"skips", Json::array(skips)},
                       {"skips_left", r.skips_left},
                       {"parameters", pair(r.parameters)},
                       {"multiplications", pair(r.macs)},
                       {"difference", r.difference},
                       {"training_images", r.images}});
}

void print_report(const WideningReport& r, const WidenOptions& options) {
  if (options.json) {
    fmt::print("{}\n", report_json(r).dump(2));
    return;
  }
  Table skips({"skip", "channels"});
  for (const Widening& s : r.skips)
    skips.add({s.skip_id, s.channels > 0 ? std::to_string(s.channels) : "merged"});
  Table cost({"", "before", "after", "times"});
  auto add = [&](const char* what, const int64_t* v) {
    cost.add({what, with_commas(v[0]), with_commas(v[1]),
              fmt::format("{:.2f}", static_cast<double>(v[1]) / static_cast<double>(v[0]))});
  };
  add("parameters", r.parameters);
  add("multiplications", r.macs);
  fmt::print(
      "{}\n{}\n{}: equal to {} to {:.1e} in float64, on {} of its witness\n"
      "description: {}, {} left\n",
      skips.text(), cost.text(), r.files.checkpoint, r.from, r.difference,
      counted(r.witness_inputs, "input"), r.files.description, counted(r.skips_left, "skip"));
  fmt::print("next: tailor export --checkpoint {}\n", shell_quote(r.files.folder));
  if (r.images > 0) fmt::print("{}", training_advice(r.files));
}

}  // namespace

int run_widen(const WidenOptions& options) {
  const GraphSource source = open_graph_source(options.checkpoint, "", "", false);
  Checkpoint c = load_unquantised(source, "widen",
                                  "on channels of their own skips would be rounded otherwise");
  WideningReport r;
  r.from = source.title;
  r.files = derived_files(options.output, path_join("widened", source.name), options.force);
  WidenedNetwork w = widen(c.network, c.tensors, options.skips, options.split_projections);
  if (w.skips.empty())
    fail(ErrorKind::Config, "widen: {} has no skips, and is a plain network already", r.from);
  const Inputs images = images_of(options, source);
  if (!images.empty()) settle_norms(w, images);
  r.skips = w.skips;
  r.skips_left = static_cast<int64_t>(skip_ids(w.network).size());
  r.images = static_cast<int64_t>(images.size());
  r.witness_inputs = c.witness->inputs.shape()[0];
  r.parameters[0] = parameter_count(c.network), r.parameters[1] = parameter_count(w.network);
  r.macs[0] = mac_count(c.network), r.macs[1] = mac_count(w.network);
  r.difference = difference(source.lowered, lower(w.network, w.tensors, "the widened network"),
                            c.witness->inputs);
  if (!(r.difference <= kSameNetwork)) {
    fail(ErrorKind::Mismatch,
         "widen: the network without skips answers otherwise than {}: largest relative difference "
         "{:.3g}, expected at most {:g}; nothing was written",
         r.from, r.difference, kSameNetwork);
  }
  c.network = std::move(w.network), c.tensors = std::move(w.tensors);
  if (r.images == 0) {
    c.assumptions.emplace_back(
        "statistics of batch norms from before it was widened: it evaluates and exports, but to "
        "train it widen it with --training-images");
  }
  save_derived(std::move(c), r.files, "widened",
               Json::object({{"of", r.from},
                             {"skips", static_cast<int64_t>(r.skips.size())},
                             {"difference", r.difference},
                             {"training_images", r.images}}));
  print_report(r, options);
  return 0;
}

}  // namespace tailor::cli
