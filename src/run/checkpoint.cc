#include "tailor/run/checkpoint.h"

#include <cmath>

#include "tailor/core/files.h"
#include "tailor/core/record.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/torch_file.h"

namespace tailor::run {
namespace {

const std::string kBest = "best_", kBestEpoch = "best_epoch";
/// Files of before there was a choice of optimisers do not list their slots.
constexpr const char* kOnlySlot = "momentum";

/// The meter's keys and the figure's name are the task's own.
void describe_position(RecordVisitor& v, Position& p) {
  v.integer("epoch", p.epoch, 0, INT64_MAX, "The next epoch to do.");
  v.integer("step", p.step, 0, INT64_MAX, "The next step of it.");
  v.integer("edits_applied", p.edits_applied, 0, INT64_MAX, "Alterations that were made.");
  v.boolean("finished", p.finished, "Whether the run is.");
  Json meter = Json::object({});
  for (const auto& [key, value] : p.meter.as_object()) {
    Json of_meter = value;
    v.json(key.c_str(), of_meter, "Of the meter over the unfinished epoch.");
    meter.set(key, of_meter);
  }
  p.meter = meter;
  v.number((kBest + p.figure).c_str(), p.best, -HUGE_VAL, HUGE_VAL, "-1: none yet.");
  v.integer(kBestEpoch.c_str(), p.best_epoch, -1, INT64_MAX, "Its epoch; -1: none yet.");
  v.number("seconds", p.seconds, 0, HUGE_VAL, "Spent so far.");
}

Json write_position(Position p) {
  return write_record([&](RecordVisitor& v) { describe_position(v, p); });
}

/// Every key must be there. What is no key of the position's is of the meter.
Position read_position(const Json& j, const std::string& source) {
  Position p;
  const Json known = write_position(p);
  for (const auto& [key, value] : j.as_object()) {
    if (key != kBestEpoch && key.compare(0, kBest.size(), kBest) == 0) {
      p.figure = key.substr(kBest.size());
    } else if (!known.find(key)) {
      p.meter.set(key, value);
    }
  }
  read_record(
      j, source, [&](RecordVisitor& v) { describe_position(v, p); }, "/position");
  const Json whole = write_position(p);
  for (const auto& [key, value] : whole.as_object()) j.at(key);
  return p;
}

void verify_finite(const TensorMap& tensors, const std::string& path, const char* advice) {
  for (const auto& [name, tensor] : tensors) {
    const auto values = tensor.as<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) continue;
      fail(ErrorKind::Data, "checkpoint {}: expected finite numbers, got {} as value {} of {}; {}",
           path, values[i], i, name, advice);
    }
  }
}

/// Fills what the document says; returns the names of the slots.
std::vector<std::string> read_document(const Json& document, const TensorMap& tensors,
                                       const std::string& path, Checkpoint& c) {
  std::vector<std::string> slots = {kOnlySlot};
  c.run = document.at("run").as_string();
  c.network = read_network(document.at("network"), path);
  c.preprocessing = read_preprocessing(document.at("preprocessing"));
  c.position = read_position(document.at("position"), path);
  c.metrics = document.at("metrics");
  c.config = document.at("config");
  if (const Json* names = document.find("slots")) {
    slots.clear();
    for (const Json& slot : names->as_array()) slots.push_back(slot.as_string());
  }
  if (const Json* names = document.find("class_names")) {
    for (const Json& name : names->as_array()) c.class_names.push_back(name.as_string());
    if (static_cast<int64_t>(c.class_names.size()) != c.network.classes()) {
      fail(ErrorKind::Data, "expected {} class_names, got {}", c.network.classes(),
           c.class_names.size());
    }
  }
  if (const Json* assumptions = document.find("assumptions")) {
    for (const Json& text : assumptions->as_array()) c.assumptions.push_back(text.as_string());
  }
  if (const Json* source = document.find("witness")) {
    c.witness = CheckpointWitness{source->as_string(), find_tensor(tensors, "witness.inputs", path),
                                  find_tensor(tensors, "witness.outputs", path), Tensor()};
    if (const auto found = tensors.find("witness.quantised"); found != tensors.end())
      c.witness->quantised = found->second;
  }
  if (const Json* precision = document.find("precision"))
    c.precision = read_trained_precision(*precision, path);
  return slots;
}

}  // namespace

namespace {

TensorFile file_of(const Checkpoint& c, const std::string& path) {
  constexpr const char* kAdvice =
      "nothing was written; the training has diverged (a lower learning rate, larger batches)";
  verify_finite(c.tensors, path, kAdvice);
  for (const auto& [slot, tensors] : c.slots) verify_finite(tensors, path, kAdvice);
  if (c.witness) verify_finite({{"the logits", c.witness->outputs}}, path, kAdvice);
  TensorFile file;
  for (const auto& [name, tensor] : c.tensors) file.tensors.emplace("model." + name, tensor);
  std::vector<std::string> slots;
  for (const auto& [slot, tensors] : c.slots) {
    slots.push_back(slot);
    for (const auto& [name, tensor] : tensors) file.tensors.emplace(slot + "." + name, tensor);
  }
  Json document = Json::object({{"run", c.run},
                                {"network", write_network(c.network)},
                                {"preprocessing", write_preprocessing(c.preprocessing)},
                                {"position", write_position(c.position)},
                                {"metrics", c.metrics},
                                {"config", c.config}});
  if (!slots.empty() && slots != std::vector<std::string>{kOnlySlot})
    document.set("slots", Json::array(slots));
  if (!c.class_names.empty()) document.set("class_names", Json::array(c.class_names));
  if (!c.assumptions.empty()) document.set("assumptions", Json::array(c.assumptions));
  if (c.witness) {
    document.set("witness", c.witness->source);
    file.tensors.emplace("witness.inputs", c.witness->inputs);
    file.tensors.emplace("witness.outputs", c.witness->outputs);
    if (c.witness->quantised.size() > 0)
      file.tensors.emplace("witness.quantised", c.witness->quantised);
  }
  if (c.precision) document.set("precision", write_trained_precision(*c.precision));
  file.metadata = {{"format", "tailor.checkpoint"},
                   {"version", std::to_string(kCheckpointVersion)},
                   {"document", document.dump()}};
  return file;
}

constexpr const char* kImport = "weights from elsewhere become one with tailor import";

Checkpoint checkpoint_of(TensorFile file, const std::string& path) {
  if (file.metadata["format"] != "tailor.checkpoint") {
    fail(ErrorKind::Data, "checkpoint {}: expected the format tailor.checkpoint, got '{}'; {}",
         path, file.metadata["format"], kImport);
  }
  const std::string version = file.metadata["version"];
  if (version != "1" && version != std::to_string(kCheckpointVersion)) {
    fail(ErrorKind::Unsupported,
         "checkpoint {}: expected version 1..{}, got {}; use the version of tailor that wrote it",
         path, kCheckpointVersion, version);
  }
  Checkpoint c;
  std::vector<std::string> slots;
  try {
    slots = read_document(Json::parse(file.metadata["document"], path), file.tensors, path, c);
    if (version == "1" && c.witness) c.witness->inputs = channels_last(c.witness->inputs);
  } catch (const Error& e) {
    fail(ErrorKind::Data, "checkpoint {}: {}", path, e.what());
  }
  auto take = [&](const std::string& prefix, TensorMap& into) {
    for (auto& [name, tensor] : file.tensors) {
      if (name.compare(0, prefix.size(), prefix) == 0)
        into.emplace(name.substr(prefix.size()), std::move(tensor));
    }
  };
  take("model.", c.tensors);
  for (const std::string& slot : slots) {
    TensorMap tensors;
    take(slot + ".", tensors);
    if (!tensors.empty()) c.slots.emplace(slot, std::move(tensors));
  }
  verify_tensors(c.network, c.tensors, "checkpoint " + path);
  verify_finite(c.tensors, path, "its training diverged, so train again (train --force)");
  return c;
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& c) {
  save_safetensors(path, file_of(c, path));
}

std::string print_checkpoint(const Checkpoint& c, const std::string& path) {
  return print_safetensors(file_of(c, path));
}

Checkpoint load_checkpoint(const std::string& path) {
  TensorFile file;
  try {
    file = load_safetensors(path, "checkpoint");
  } catch (const Error&) {
    if (path_exists(path) && is_torch_file(read_file(path))) {
      fail(ErrorKind::Data,
           "checkpoint {}: expected a checkpoint of tailor's, got a PyTorch file; {}", path,
           kImport);
    }
    throw;
  }
  return checkpoint_of(std::move(file), path);
}

Checkpoint parse_checkpoint(std::string_view bytes, const std::string& path) {
  return checkpoint_of(parse_safetensors(bytes, path, "checkpoint"), path);
}

std::string weights_digest(const TensorMap& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    text += name + to_string(tensor.shape()) + dtype_name(tensor.dtype());
    text.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
  }
  return sha256(text);
}

}  // namespace tailor::run
