// Buffers of the stand-in for XRT: what the host wrote is on the "card" only once it was synced.
#pragma once

#include "xrt/xrt_device.h"

namespace xrt {

class bo {
 public:
  bo() = default;
  bo(const device&, std::size_t size, int /*group*/)
      : host_(std::make_shared<std::vector<unsigned char> >(size)),
        card_(std::make_shared<std::vector<unsigned char> >(size, 0x5a)) {}
  void write(const void* from, std::size_t size, std::size_t offset) {
    check(size, offset);
    std::memcpy(host_->data() + offset, from, size);
  }
  void read(void* to, std::size_t size, std::size_t offset) {
    check(size, offset);
    std::memcpy(to, host_->data() + offset, size);
  }
  void sync(xclBOSyncDirection direction) {
    if (direction == XCL_BO_SYNC_BO_TO_DEVICE)
      *card_ = *host_;
    else
      *host_ = *card_;
  }
  std::vector<unsigned char>& card() const { return *card_; }

 private:
  void check(std::size_t size, std::size_t offset) const {
    if (offset + size > host_->size()) throw std::runtime_error("beyond the buffer");
  }
  std::shared_ptr<std::vector<unsigned char> > host_, card_;
};

}  // namespace xrt
