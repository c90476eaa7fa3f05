// The kernel of the stand-in for XRT: TAILOR_STUB_KERNEL of the header TAILOR_STUB_HEADER, compiled
// natively. TAILOR_STUB_FAULT=1 turns over a bit of its answers, =2 makes it hang.
#pragma once

#include <chrono>
#include <cstdlib>

#include TAILOR_STUB_HEADER
#include "xrt/xrt_bo.h"

namespace xrt {

class kernel {
 public:
  kernel() = default;
  kernel(const device&, const uuid&, const std::string& name) {
    if (name != TAILOR_STUB_NAME) throw std::runtime_error("no kernel " + name);
  }
  int group_id(int argument) const { return argument; }

 private:
  int open_ = 1;
};

class run {
 public:
  explicit run(const kernel&) {}
  void set_arg(int index, const bo& buffer) { (index == 0 ? in_ : out_) = buffer; }
  void set_arg(int, int count) { count_ = count; }
  void start() {
    const std::size_t in_beats = static_cast<std::size_t>(count_) * tailor_input_beats::count;
    const std::size_t out_beats = static_cast<std::size_t>(count_) * tailor_output_beats::count;
    std::vector<tailor_beat> inputs(in_beats), outputs(out_beats);
    const std::size_t bytes = tailor_input_beats::word / 8;
    for (std::size_t i = 0; i < in_beats * bytes; ++i) {
      const int low = static_cast<int>(i % bytes) * 8;
      inputs[i / bytes].range(low + 7, low) = static_cast<unsigned>(in_.card().at(i));
    }
    TAILOR_STUB_KERNEL(inputs.data(), outputs.data(), count_);
    for (std::size_t i = 0; i < out_beats * bytes; ++i) {
      const int low = static_cast<int>(i % bytes) * 8;
      out_.card().at(i) =
          static_cast<unsigned char>(outputs[i / bytes].range(low + 7, low).to_uint());
    }
    if (fault() == 1) out_.card().at(0) ^= 1;
  }
  ert_cmd_state wait(const std::chrono::milliseconds&) {
    return fault() == 2 ? ERT_CMD_STATE_TIMEOUT : ERT_CMD_STATE_COMPLETED;
  }

 private:
  static int fault() {
    const char* text = std::getenv("TAILOR_STUB_FAULT");
    return text ? std::atoi(text) : 0;
  }
  bo in_, out_;
  int count_ = 0;
};

}  // namespace xrt
