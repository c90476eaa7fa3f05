#include "tailor/design/device.h"

#include "tailor/core/embedded.h"
#include "tailor/core/error.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"

namespace tailor::design {
namespace {

/// Every figure must stand in the file: a card without a count of its DSPs is no card.
Device read_device(std::string_view text, const std::string& source) {
  Device device;
  const RecordVisitor::Describe fields = [&](RecordVisitor& v) { device.describe(v); };
  const Json json = Json::parse(text, source);
  read_record(json, source, fields);
  const Json all = write_record(fields);
  for (const auto& [key, value] : all.as_object()) {
    if (!json.find(key)) fail_config("/" + key, "a value", "none", source);
  }
  return device;
}

}  // namespace

void Device::describe(RecordVisitor& v) {
  v.text("name", name, "As `--fpga` and messages name it.");
  v.text("part", part, "The FPGA as the vendor's tools name it.");
  if (v.wants(!platform.empty())) {
    v.text(
        "platform", platform,
        "Of a card: the platform (shell) that kernels are linked for; absent: none is known, and "
        "no kernel can be written.");
    v.text("memory", memory, "Of a card: the memory bank that a kernel reads and writes.");
  }
  v.integer("dsp", dsp, 1, INT64_MAX, "DSP slices (DSP48E2: 27 x 18 bits).");
  v.integer("ramb18", ramb18, 1, INT64_MAX, "Block RAMs of 18 Kbit.");
  v.integer("lut", lut, 1, INT64_MAX, "Look-up tables.");
  v.integer("ff", ff, 1, INT64_MAX, "Flip-flops.");
  v.integer("uram", uram, 0, INT64_MAX, "UltraRAMs of 288 Kbit.");
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_devices()) {
    const std::string name = file.name;
    names.push_back(name.substr(0, name.size() - std::string_view(".json").size()));
  }
  return names;
}

Device find_device(const std::string& name_or_path) {
  for (const EmbeddedFile& file : embedded_devices()) {
    if (name_or_path + ".json" == file.name)
      return read_device(file.text, "embedded:devices/" + name_or_path);
  }
  const bool is_path = has_extension(name_or_path, ".json") ||
                       (path_exists(name_or_path) && !is_directory(name_or_path));
  if (is_path) return read_device(read_file(name_or_path, "--fpga"), name_or_path);
  const std::vector<std::string> names = device_names();
  fail(ErrorKind::Usage, "--fpga: expected {}, got '{}'{}; or the path of a device file",
       join(names, " or "), name_or_path, did_you_mean(name_or_path, names));
}

}  // namespace tailor::design
