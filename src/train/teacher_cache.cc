#include "train/teacher_cache.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tailor/core/error.h"
#include "tailor/core/log.h"
#include "tailor/data/batch.h"

namespace tailor::train {
namespace {

/// Answers are kept where so many are expected to be given again: padding the last images that the
/// teacher is asked about, and looking for the others, take a few hundredths of its time.
constexpr double kWorthwhile = 0.25;
constexpr double kSpare = 1.05;  // of what is expected: images come by chance

/// (state ^ word) · odd, and its upper half into the lower: two words that differ give states that
/// do.
void absorb(uint64_t& state, uint64_t word, uint64_t odd) {
  state = (state ^ word) * odd;
  state ^= state >> 32;
}

/// Why the teacher's answers cannot be kept, as what is expected instead; empty: they can.
std::string obstacle(bool images, const Network& network, at::Device device,
                     const std::optional<int64_t>& versions) {
  if (!images || network.answers_per_position())
    return "auto or off: only answers to images are kept";
  if (!device.is_cpu())
    return fmt::format("auto or off: on {} the teacher is part of a captured step", device.str());
  if (!versions)
    return "auto or off, or data.augment of pad_crop and flip alone: no other image comes again";
  return "";
}

}  // namespace

TeacherCache::TeacherCache(int64_t most, int64_t outputs)
    : most_(most),
      outputs_(outputs),
      keys_(static_cast<size_t>(most / 4 * 5 + 5)),
      answers_(keys_.size() * static_cast<size_t>(outputs)) {}

int64_t TeacherCache::answers_in(int64_t bytes, int64_t outputs) {
  const int64_t places = bytes / (static_cast<int64_t>(sizeof(Key)) + 4 * outputs);
  return std::max<int64_t>(0, (places - 5) / 5 * 4);
}

int64_t TeacherCache::bytes() const {
  return static_cast<int64_t>(keys_.size() * sizeof(Key) + answers_.size() * sizeof(float));
}

TeacherCache::Key TeacherCache::key_of(Span<const float> image) {
  Key key{0x243F6A8885A308D3, 0x13198A2E03707344};
  for (size_t i = 0; i < image.size(); i += 2) {
    uint64_t word = 0;
    std::memcpy(&word, &image[i], std::min<size_t>(2, image.size() - i) * sizeof(float));
    absorb(key.a, word, 0x9E3779B97F4A7C15);
    absorb(key.b, word, 0xD6E8FEB86659FD93);
  }
  for (int i = 0; i < 3; ++i) {
    absorb(key.a, key.b, 0xD6E8FEB86659FD93);
    absorb(key.b, key.a, 0x9E3779B97F4A7C15);
  }
  key.a |= 1;
  return key;
}

size_t TeacherCache::place_of(const Key& key) const {
  size_t place = key.a % keys_.size();
  while (keys_[place].a != 0 && (keys_[place].a != key.a || keys_[place].b != key.b))
    place = (place + 1) % keys_.size();
  return place;
}

void TeacherCache::keep(const Key& key, const float* answer) {
  const size_t place = place_of(key);
  if (keys_[place].a != 0 || kept_ == most_) return;
  keys_[place] = key;
  std::copy_n(answer, outputs_, answers_.begin() + static_cast<std::ptrdiff_t>(place) * outputs_);
  ++kept_;
}

at::Tensor TeacherCache::answers(const FrozenModel& teacher, const at::Tensor& inputs) {
  const at::Tensor images = inputs.permute({0, 2, 3, 1}).contiguous();  // what they are already
  const int64_t count = images.size(0), size = images.numel() / count;
  const float* from = images.data_ptr<float>();
  at::Tensor result = at::empty({count, outputs_}, at::kFloat);
  float* to = result.data_ptr<float>();
  std::vector<Key> keys;
  std::vector<int64_t> missing;
  for (int64_t i = 0; i < count; ++i) {
    keys.push_back(key_of({from + i * size, static_cast<size_t>(size)}));
    const size_t place = place_of(keys.back());
    if (keys_[place].a == 0) {
      missing.push_back(i);
    } else {
      std::copy_n(answers_.begin() + static_cast<std::ptrdiff_t>(place) * outputs_, outputs_,
                  to + i * outputs_);
    }
  }
  const auto left = static_cast<int64_t>(missing.size());
  asked_ += count, found_ += count - left;
  at::Tensor rows = at::empty({kRows, images.size(1), images.size(2), images.size(3)}, at::kFloat);
  for (int64_t first = 0; first < left; first += kRows) {
    auto image_of = [&](int64_t row) {
      return missing[static_cast<size_t>(std::min(first + row, left - 1))];
    };
    for (int64_t r = 0; r < kRows; ++r)
      std::copy_n(from + image_of(r) * size, size, rows.data_ptr<float>() + r * size);
    const at::Tensor logits = teacher.forward(rows.permute({0, 3, 1, 2})).contiguous();
    TAILOR_CHECK(logits.numel() == kRows * outputs_, "{} logits of {} images", logits.numel(),
                 kRows);
    for (int64_t r = 0; r < std::min(kRows, left - first); ++r) {
      const float* answer = logits.data_ptr<float>() + r * outputs_;
      std::copy_n(answer, outputs_, to + image_of(r) * outputs_);
      keep(keys[static_cast<size_t>(image_of(r))], answer);
    }
  }
  return result;
}

double expected_repeats(int64_t versions, int64_t epochs) {
  const auto v = static_cast<double>(versions), e = static_cast<double>(epochs);
  return 1 - v / e * (1 - std::pow(1 - 1 / v, e));
}

void verify_teacher_cache(const RunConfig& config, bool images, const Network& network,
                          at::Device device, const std::string& source, const std::string& at) {
  if (config.distill.teacher_cache != TeacherCacheUse::On) return;
  if (config.distill.features != Features::None) {
    fail_config(at + "/distill/teacher_cache",
                "auto or off, because maps are compared and not kept", "\"on\"", source);
  }
  const auto versions = augmented_versions(make_augmentation(config.data, 0));
  if (const std::string why = obstacle(images, network, device, versions); !why.empty())
    fail_config(at + "/distill/teacher_cache", why, "\"on\"", source);
}

int64_t plan_teacher_cache(const RunSpec& spec, const Task& task, const Network& network,
                           at::Device device) {
  const DistillConfig& distill = spec.config.distill;
  if (distill.teacher_cache == TeacherCacheUse::Off || distill.features != Features::None) return 0;
  const bool wanted = distill.teacher_cache == TeacherCacheUse::On,
             of_images = !spec.task && spec.data.kind == ExampleKind::Images;
  verify_teacher_cache(spec.config, of_images, network, device, spec.source);
  const auto versions = augmented_versions(make_augmentation(spec.config.data, 0));
  if (!obstacle(of_images, network, device, versions).empty()) return 0;
  const int64_t epochs = spec.config.train.epochs, images = task.size(Split::Train);
  const double repeats = expected_repeats(*versions, epochs);
  const double different = std::min(kSpare * (1 - repeats) * static_cast<double>(epochs),
                                    static_cast<double>(*versions)) *
                           static_cast<double>(images);
  const int64_t most = TeacherCache::answers_in(distill.teacher_cache_mib << 20, network.classes());
  const double share = std::min(1.0, static_cast<double>(most) / different) * repeats;
  if (!wanted && share < kWorthwhile) return 0;
  const int64_t kept = std::min(most, static_cast<int64_t>(different));
  log_info("train",
           "up to {} answers of the teacher are kept: {} versions of {} images in {} epochs, of "
           "which {:.0f} % come again (distill.teacher_cache)",
           kept, *versions, images, epochs, 100 * share);
  return kept;
}

}  // namespace tailor::train
