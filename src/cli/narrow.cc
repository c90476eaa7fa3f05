// tailor narrow: a checkpoint becomes the one of a network with fewer filters. It computes
// something else, so its witness is made anew.
#include "tailor/surgery/narrow.h"
#include "cli/derived.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/run/origin.h"

namespace tailor::cli {
namespace {

/// By name, by a description, or of a checkpoint.
Network network_like(const std::string& like) {
  const bool is_checkpoint = is_directory(like) || has_extension(like, ".ckpt");
  return is_checkpoint ? load_checkpoint(resolve_checkpoint(like, "--like")).network
                       : network_by_name(like, "--like").network;
}

struct NarrowingReport {
  DerivedFiles files;
  std::string from, like;
  double step = 1;
  std::vector<Narrowing> convs;
  int64_t parameters[2] = {}, macs[2] = {};  // before, after
};

Json report_json(const NarrowingReport& r) {
  std::vector<Json> convs;
  for (const Narrowing& n : r.convs) {
    convs.push_back(
        Json::object({{"convolution", n.conv}, {"before", n.before}, {"after", n.after}}));
  }
  auto pair = [](const int64_t* values) {
    return Json::object({{"before", values[0]}, {"after", values[1]}});
  };
  return Json::object({{"checkpoint", r.files.checkpoint},
                       {"description", r.files.description},
                       {"source", r.from},
                       {"like", r.like},
                       {"step", r.step},
                       {"filters", Json::array(convs)},
                       {"parameters", pair(r.parameters)},
                       {"multiplications", pair(r.macs)}});
}

void print_report(const NarrowingReport& r, const NarrowOptions& options) {
  if (options.json) {
    fmt::print("{}\n", report_json(r).dump(2));
    return;
  }
  Table filters({"convolution", "filters", "left"});
  for (const Narrowing& n : r.convs)
    filters.add({n.conv, std::to_string(n.before), std::to_string(n.after)});
  fmt::print(
      "{}\n{}: {} parameters ({} before), {} multiplications ({} before)\ndescription: {}\n"
      "it answers otherwise than {}: tailor evaluate --checkpoint {}\n{}",
      filters.text(), r.files.checkpoint, with_commas(r.parameters[1]),
      with_commas(r.parameters[0]), with_commas(r.macs[1]), with_commas(r.macs[0]),
      r.files.description, r.from, shell_quote(r.files.folder), training_advice(r.files, r.from));
}

}  // namespace

int run_narrow(const NarrowOptions& options) {
  const GraphSource source = open_graph_source(options.checkpoint, "", "", false);
  Checkpoint c = load_unquantised(source, "narrow", "its types are those of its widths");
  if (const Json* widened = c.metrics.find("widened");
      widened && widened->get_int("training_images", 0) == 0) {
    fail(ErrorKind::Unsupported,
         "narrow: {} was widened with --training-images 0, so its batch norms do not say what its "
         "filters bring; widen it with images",
         source.title);
  }
  NarrowingReport r;
  r.from = source.title, r.like = options.like, r.step = options.step;
  r.files = derived_files(options.output, path_join("narrowed", source.name), options.force);
  NarrowedNetwork narrowed = narrow(c.network, c.tensors, network_like(options.like), options.step);
  if (narrowed.convs.empty()) {
    fail(ErrorKind::Usage, "narrow: {} is no wider than {}; nothing was written", r.from,
         options.like);
  }
  r.convs = narrowed.convs;
  r.parameters[0] = parameter_count(c.network), r.macs[0] = mac_count(c.network);
  c.network = std::move(narrowed.network), c.tensors = std::move(narrowed.tensors);
  r.parameters[1] = parameter_count(c.network), r.macs[1] = mac_count(c.network);
  c.witness->outputs = open_torch().run_network(c.network, c.tensors, c.witness->inputs);
  // What was measured was so of another network.
  Json metrics = Json::object({});
  if (const Json* head = c.metrics.find("new_head")) metrics.set("new_head", *head);
  c.metrics = metrics;
  c.position.best = -1, c.position.best_epoch = -1;
  save_derived(std::move(c), r.files, "narrowed",
               Json::object({{"of", r.from}, {"like", r.like}, {"step", r.step}}));
  print_report(r, options);
  return 0;
}

}  // namespace tailor::cli
