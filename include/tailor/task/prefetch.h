// Batches made ahead of their use, on other threads. What comes out does not depend on how many
// threads there are or how far ahead they are: batch n is what `make` makes of n.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "tailor/task/task.h"

namespace tailor::task {

/// Enough to be ahead of the next step; more would only hold memory.
constexpr int64_t kPrefetchDepth = 2;

class Prefetcher {
 public:
  using Make = std::function<void(int64_t step, Batch& batch)>;

  /// The batches of the steps [first, end), at most `depth` of them made before they are asked for,
  /// by `workers` threads, each from several of which `make` may be called at once. Depth 0 has no
  /// thread: each is made when it is asked for.
  Prefetcher(int64_t first, int64_t end, int64_t depth, int64_t workers, Make make);
  /// Stops the threads after the batches that they are at.
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The batch of the next step, good until the next call. What `make` threw for it is thrown here.
  const Batch& next();

 private:
  struct Place {
    Batch batch;
    std::exception_ptr error;
    bool ready = false;
  };
  void work();
  Place& place_of(int64_t step) { return places_[static_cast<size_t>(step) % places_.size()]; }

  const int64_t end_;
  const Make make_;
  std::mutex mutex_;
  std::condition_variable made_, freed_;
  int64_t to_make_, to_use_;
  bool stopped_ = false;
  std::vector<Place> places_;  // one more than the depth: the batch in use
  std::vector<std::thread> threads_;
};

}  // namespace tailor::task
