#include "tailor/task/prefetch.h"

#include <algorithm>

#include "tailor/core/error.h"

namespace tailor::task {

Prefetcher::Prefetcher(int64_t first, int64_t end, int64_t depth, int64_t workers, Make make)
    : end_(end),
      make_(std::move(make)),
      to_make_(first),
      to_use_(first),
      places_(static_cast<size_t>(depth) + 1) {
  for (int64_t i = 0; i < std::min(depth, workers); ++i) threads_.emplace_back([this] { work(); });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  freed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Prefetcher::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    // The place of the batch before to_use_ is still in use.
    const auto depth = static_cast<int64_t>(places_.size()) - 1;
    freed_.wait(lock, [&] { return stopped_ || to_make_ >= end_ || to_make_ < to_use_ + depth; });
    if (stopped_ || to_make_ >= end_) return;
    const int64_t step = to_make_++;
    Place& place = place_of(step);
    lock.unlock();
    std::exception_ptr error;
    try {
      make_(step, place.batch);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    place.error = error;
    place.ready = true;
    made_.notify_all();
  }
}

const Batch& Prefetcher::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  TAILOR_CHECK(to_use_ < end_, "there is no batch {}", to_use_);
  Place& place = place_of(to_use_);
  if (threads_.empty()) {
    make_(to_use_++, place.batch);
    return place.batch;
  }
  made_.wait(lock, [&] { return place.ready; });
  place.ready = false;
  ++to_use_;
  freed_.notify_all();
  if (place.error) std::rethrow_exception(place.error);
  return place.batch;
}

}  // namespace tailor::task
