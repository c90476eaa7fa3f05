// The parts of every import, whatever file the weights come from: where they are not those of a
// trained network, nothing is written.
#include <cmath>
#include <set>

#include "cli/import.h"
#include "cli/source.h"
#include "tailor/cli/torch_plugin.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/data/features.h"
#include "tailor/data/images.h"
#include "tailor/data/sequences.h"

namespace tailor::cli {
namespace {

constexpr int64_t kWitnessImages = 4;

Tensor noise_inputs(const Network& network, const Preprocessing& preprocessing) {
  const MapShape& shape = network.input;
  Tensor inputs(DType::F32, {kWitnessImages, shape.height, shape.width, shape.channels});
  float* at = inputs.as<float>().data();
  for (int64_t i = 0; i < kWitnessImages; ++i) {
    for (double v : noise_image(shape, preprocessing, i)) *at++ = static_cast<float>(v);
  }
  return inputs;
}

}  // namespace

Json usual_data(const Network& network) {
  const MapShape& input = network.input;
  if (input == MapShape{3, 32, 32} && network.classes() == 10)
    return Json::object({{"name", "cifar10"}});
  if (input == MapShape{3, 32, 32} && network.classes() == 100)
    return Json::object({{"name", "cifar100"}});
  if (input.channels == 3 && input.height == input.width && input.height <= kLargestImageSize)
    return Json::object({{"name", "folder"}, {"image_size", input.height}});
  const int64_t filters = FeatureConfig().filters,
                row_classes = input.height == 1 ? network.classes() : 0;
  if (input.channels == filters && row_classes == english_alphabet().size())
    return Json::object({{"name", "librispeech"}});
  if (input.channels == 1 && row_classes == base_alphabet().size())
    return Json::object({{"name", "bonito"}});
  return Json::object({{"name", "npy"}});
}

void verify_values(const TensorMap& tensors, const std::string& file) {
  for (const auto& [name, tensor] : tensors) {
    const bool variance = name.size() > 12 && name.substr(name.size() - 12) == ".running_var";
    const auto values = tensor.as<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i]) && !(variance && values[i] < 0)) continue;
      fail(ErrorKind::Data,
           "{}: the tensor that becomes {} holds {} at element {}, expected {}; the network was "
           "saved after its training had failed, or the file is damaged",
           file, name, values[i], i, variance ? "a variance" : "a finite number");
    }
  }
}

std::vector<std::string> read_class_names(const std::string& path, const Network& network) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (std::string line : split(read_file(path, "class names"), '\n')) {
    if (names.empty() && starts_with(line, "\xEF\xBB\xBF")) line.erase(0, 3);
    names.push_back(std::string(trim(line)));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || !seen.insert(names[i]).second) {
      fail(ErrorKind::Data, "--class-names {}: line {} {}; expected one class a line, each once",
           path, i + 1, names[i].empty() ? "is empty" : "repeats '" + names[i] + "'");
    }
  }
  if (static_cast<int64_t>(names.size()) != network.classes()) {
    fail(ErrorKind::Data, "--class-names {}: expected {} names, one for each output of {}, got {}",
         path, network.classes(), network.name, names.size());
  }
  return names;
}

CheckpointWitness make_witness(const Checkpoint& c, const std::string& file) {
  CheckpointWitness witness{fmt::format("{} images of seeded noise", kWitnessImages),
                            noise_inputs(c.network, c.preprocessing), Tensor()};
  witness.outputs = open_torch().run_network(c.network, c.tensors, witness.inputs);
  for (float v : witness.outputs.as<float>()) {
    if (!std::isfinite(v)) {
      fail(ErrorKind::Data,
           "{}: the network made of it answers {} to noise, expected finite outputs; the weights "
           "are not a trained network's",
           file, v);
    }
  }
  return witness;
}

}  // namespace tailor::cli
