// What the leader of a group tells the others, and what they do.
#include <stdexcept>

#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/data/source.h"
#include "tailor/run/origin.h"
#include "tailor/train/device.h"
#include "train/session.h"

namespace tailor::train {
namespace {

/// A checkpoint or nothing, as bytes.
std::string bytes_of(const std::optional<Checkpoint>& checkpoint) {
  return checkpoint ? print_checkpoint(*checkpoint, "what worker 0 sends") : "";
}
std::optional<Checkpoint> receive(Group& group) {
  const std::string bytes = group.broadcast_bytes("");
  if (bytes.empty()) return std::nullopt;
  return parse_checkpoint(bytes, "what worker 0 sends");
}

/// Sizes that must be the same everywhere.
Json sizes_of(const DataSplits& data) {
  auto size = [](const auto& set) { return set ? set->size() : int64_t{0}; };
  return Json::object({{"training", size(data.train)}, {"validation", size(data.validation)}});
}

struct Received {
  RunSpec spec;
  std::optional<Checkpoint> last;
};

Received receive_run(const Json& message, Group& group) {
  Received received;
  RunSpec& spec = received.spec;
  spec.name = message.at("name").as_string();
  spec.source = message.at("source").as_string();
  spec.role = message.at("role").as_string();
  spec.config = read_run_config(message.at("config"), spec.source);
  spec.network = read_network(message.at("network"), spec.source);
  spec.teacher = receive(group);
  spec.start = receive(group);
  received.last = receive(group);
  if (message.at("keeps_slots").as_bool()) spec.slots = spec.begins_as()->slots;
  spec.data = open_data(spec.config.data);
  std::vector<std::string> classes;
  for (const Json& name : message.at("classes").as_array()) classes.push_back(name.as_string());
  order_classes(spec.data, classes);
  if (const Json sizes = sizes_of(spec.data); sizes != message.at("sizes")) {
    fail(ErrorKind::Data, "{}: expected the data set that worker 0 has, {} examples, got {} in {}",
         spec.source, message.at("sizes").dump(), sizes.dump(), spec.config.data.root);
  }
  return received;
}

void take_part(const Json& message, Group& group) {
  const Received received = receive_run(message, group);
  set_torch_threads(received.spec.config.runtime.threads, group.launch());
  Session run(received.spec, nullptr, null_progress(), group, received.last);
  Saver saver(run);
  Observer nobody;
  train_epochs(run, saver, nobody);
}

}  // namespace

void send_run(const RunSpec& spec, const std::optional<Checkpoint>& last, Group& group) {
  RunConfig config = spec.config;
  config.network = {};  // a file may be this machine's: the description itself is sent
  group.tell(Json::object({{"name", spec.name},
                           {"source", spec.source},
                           {"role", spec.role},
                           {"config", write_run_config(config)},
                           {"network", write_network(spec.begins_with())},
                           {"keeps_slots", !spec.slots.empty()},
                           {"classes", Json::array(spec.data.class_names)},
                           {"sizes", sizes_of(spec.data)}}));
  group.broadcast_bytes(bytes_of(spec.teacher));
  group.broadcast_bytes(bytes_of(spec.start));
  group.broadcast_bytes(bytes_of(last));
}

int follow(Group& group) {
  int code = 0;
  try {
    for (;;) {
      const Json message = group.hear();
      if (const Json* end = message.find("end")) {
        code = static_cast<int>(end->as_int());
        break;
      }
      if (const Json* device = message.find("connect")) {
        group.connect(resolve_device(device->as_string(), group.launch(), "worker 0"));
      } else {
        take_part(message, group);
      }
    }
  } catch (const LeaderSaysIt& e) {
    code = e.exit_code;
  } catch (const Interrupted& e) {
    code = 128 + e.signal();
  }
  group.leave();
  return code;
}

}  // namespace tailor::train
