#include "tailor/run/checkpoint.h"

#include <cmath>

#include "tailor/core/files.h"
#include "tailor/tensors/safetensors.h"
#include "tailor/tensors/torch_file.h"

namespace tailor::run {
namespace {

constexpr std::string_view kBest = "best_";
constexpr const char* kBestEpoch = "best_epoch";
/// Files of before there was a choice of optimisers do not list their slots.
constexpr const char* kOnlySlot = "momentum";

Json write_position(const Position& p) {
  Json json = Json::object({{"epoch", p.epoch},
                            {"step", p.step},
                            {"edits_applied", p.edits_applied},
                            {"finished", p.finished}});
  for (const auto& [key, value] : p.meter.as_object()) json.set(key, value);
  json.set(std::string(kBest) + p.figure, p.best);
  json.set(kBestEpoch, p.best_epoch);
  json.set("seconds", p.seconds);
  return json;
}

Position read_position(const Json& j) {
  Position p;
  p.epoch = j.at("epoch").as_int();
  p.step = j.at("step").as_int();
  p.edits_applied = j.at("edits_applied").as_int();
  p.finished = j.at("finished").as_bool();
  p.best_epoch = j.at(kBestEpoch).as_int();
  p.seconds = j.at("seconds").as_number();
  bool measured = false;
  for (const auto& [key, value] : j.as_object()) {
    if (key == "epoch" || key == "step" || key == "edits_applied" || key == "finished" ||
        key == kBestEpoch || key == "seconds")
      continue;
    if (key.compare(0, kBest.size(), kBest) == 0) {
      p.figure = key.substr(kBest.size());
      p.best = value.as_number();
      measured = true;
    } else {
      p.meter.set(key, value);
    }
  }
  if (!measured) fail(ErrorKind::Data, "a position without its best figure");
  if (p.epoch < 0 || p.step < 0 || p.edits_applied < 0)
    fail(ErrorKind::Data, "a negative position");
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
  c.position = read_position(document.at("position"));
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
                                  find_tensor(tensors, "witness.outputs", path)};
  }
  return slots;
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& c) {
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
  }
  file.metadata = {{"format", "tailor.checkpoint"},
                   {"version", std::to_string(kCheckpointVersion)},
                   {"document", document.dump()}};
  save_safetensors(path, file);
}

Checkpoint load_checkpoint(const std::string& path) {
  constexpr const char* kAdvice = "weights from elsewhere become one with tailor import";
  TensorFile file;
  try {
    file = load_safetensors(path, "checkpoint");
  } catch (const Error&) {
    if (path_exists(path) && is_torch_file(read_file(path))) {
      fail(ErrorKind::Data,
           "checkpoint {}: expected a checkpoint of tailor's, got a PyTorch file; {}", path,
           kAdvice);
    }
    throw;
  }
  if (file.metadata["format"] != "tailor.checkpoint") {
    fail(ErrorKind::Data, "checkpoint {}: expected the format tailor.checkpoint, got '{}'; {}",
         path, file.metadata["format"], kAdvice);
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

std::string weights_digest(const TensorMap& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    text += name + to_string(tensor.shape()) + dtype_name(tensor.dtype());
    text.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
  }
  return sha256(text);
}

}  // namespace tailor::run
