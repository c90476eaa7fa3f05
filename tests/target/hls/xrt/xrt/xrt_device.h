// A stand-in for XRT in tests, never in a project: the calls that host.cpp makes, on the memory
// of a host and the natively compiled kernel. Only as much as that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE };
enum ert_cmd_state { ERT_CMD_STATE_COMPLETED = 4, ERT_CMD_STATE_TIMEOUT = 7 };

namespace xrt {

struct uuid {};

class device {
 public:
  device() = default;
  explicit device(unsigned index) {
    if (index > 0) throw std::runtime_error("there is no such device");
  }
  explicit device(const std::string& address) {
    if (address != "0000:65:00.1") throw std::runtime_error("no device at " + address);
  }
  uuid load_xclbin(const std::string& file) {
    if (file == "missing.xclbin") throw std::runtime_error("cannot open " + file);
    return {};
  }

 private:
  int open_ = 1;
};

}  // namespace xrt
