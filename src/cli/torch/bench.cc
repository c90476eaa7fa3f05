// tailor bench: images a second, in every precision, and the share of what the CPU could do.
#include "tailor/train/bench.h"

#include <algorithm>

#include "cli/table.h"
#include "cli/torch/plugin.h"
#include "tailor/cli/commands.h"
#include "tailor/core/strings.h"
#include "tailor/surgery/surgery.h"

namespace tailor::cli {
namespace {

/// With every skip altered.
Network altered(Network network, const std::string& surgery) {
  if (surgery == "none") return network;
  const AlterationKind kind =
      surgery == "shorten" ? AlterationKind::Shorten : AlterationKind::Remove;
  for (const std::string& id : skip_ids(network)) apply_alteration(network, id, kind);
  return network;
}

Json answer_of(const BenchOptions& o, const BenchRequest& request, const BenchResult& result) {
  auto rate_json = [&](const BenchRate& rate) {
    const double flops = rate.images_per_s * result.flops_per_image;
    return Json::object(
        {{"precision", rate.precision},
         {"images_per_s", rate.images_per_s},
         {"control", rate.control},
         {"peak_fraction", result.peak_flops ? Json(flops / *result.peak_flops) : Json()}});
  };
  const auto fastest = std::max_element(
      result.rates.begin(), result.rates.end(),
      [](const BenchRate& a, const BenchRate& b) { return a.images_per_s < b.images_per_s; });
  Json answer = rate_json(*fastest);
  Json::Array rates;
  for (const BenchRate& rate : result.rates) rates.push_back(rate_json(rate));
  answer.set("rates", rates);
  answer.set("what", o.what);
  answer.set("network", request.network.name);
  answer.set("surgery", o.surgery);
  answer.set("batch_size", o.batch_size);
  answer.set("device", result.device);
  answer.set("threads", result.threads);
  answer.set("flops_per_image", result.flops_per_image);
  answer.set("peak_flops", result.peak_flops ? Json(*result.peak_flops) : Json());
  return answer;
}

void print_answer(const BenchOptions& o, const BenchRequest& request, const BenchResult& result) {
  fmt::print("{}{}, batches of {}, {}, {}: {}\n", request.network.name,
             o.surgery == "none" ? "" : ", " + o.surgery, o.batch_size, result.device,
             counted(result.threads, "thread"),
             request.trains ? "steps of training, with data, teacher and optimiser"
                            : "answers, batch norm folded");
  Table table({"precision", "images/s", "control", "of float32's peak"});
  for (const BenchRate& rate : result.rates) {
    const double flops = rate.images_per_s * result.flops_per_image;
    table.add(
        {rate.precision, fmt::format("{:.0f}", rate.images_per_s),
         fmt::format("{:.3f}", rate.control),
         result.peak_flops ? fmt::format("{:.0f} %", 100 * flops / *result.peak_flops) : "–"});
  }
  fmt::print("{}", table.text());
  if (result.peak_flops) {
    fmt::print("peak: {:.0f} GFLOP/s of float32 multiply-adds, measured; an image takes {:.4g}\n",
               *result.peak_flops / 1e9, result.flops_per_image / 1e9);
  }
}

}  // namespace

int torch_bench(const BenchOptions& options) {
  BenchRequest request;
  if (options.what == "train" && options.batch_size < 2)
    fail(ErrorKind::Usage, "--batch-size 1: batch norm learns from 2 images a step or more");
  request.teacher = network_by_name(options.network).network;
  request.network = altered(request.teacher, options.surgery);
  request.trains = options.what == "train";
  request.batch_size = options.batch_size;
  request.precisions = {"float32", "bfloat16"};
  if (!options.precision.empty()) request.precisions = {options.precision};
  request.runtime.device = options.device, request.runtime.threads = options.threads;
  request.runtime.kernels = options.kernels;
  request.seconds = options.seconds;
  const BenchResult result = bench(request);
  if (options.json) {
    fmt::print("{}\n", answer_of(options, request, result).dump(2));
  } else {
    print_answer(options, request, result);
  }
  return 0;
}

}  // namespace tailor::cli
