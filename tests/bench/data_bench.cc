// How fast images reach the network: from the packed cache, and from JPEG beside what libjpeg-turbo
// alone takes for the same files. TAILOR_BENCH_IMAGES names a folder of class folders; without it
// pictures of 500 x 375 pixels are made.
#include <benchmark/benchmark.h>
#include <turbojpeg.h>

#include <cmath>
#include <cstdlib>

#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/core/random.h"
#include "tailor/data/batch.h"
#include "tailor/data/codec.h"
#include "tailor/data/packed.h"

namespace tailor::test {
namespace {

constexpr int64_t kMadeImages = 64;
constexpr int64_t kBatch = 64;

std::string made_jpeg(int64_t n) {
  constexpr int kHeight = 375, kWidth = 500;
  CounterRandom random(1, RandomStream::Test, static_cast<uint64_t>(n));
  double wave[6];
  for (double& w : wave) w = random.uniform(0.01, 0.2);
  std::vector<uint8_t> rgb;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double v = 128 + 60 * std::sin(wave[c] * x) + 40 * std::sin(wave[c + 3] * y) +
                         random.uniform(-20, 20);
        rgb.push_back(static_cast<uint8_t>(std::lround(v)));
      }
    }
  }
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  if (tjCompress2(handle, rgb.data(), kWidth, 0, kHeight, TJPF_RGB, &out, &size, TJSAMP_420, 90,
                  0) != 0)
    fail(ErrorKind::Internal, "{}", tjGetErrorStr2(handle));
  std::string bytes(reinterpret_cast<char*>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

struct Subject {
  TemporaryDirectory folder;
  DataConfig config;
  std::string cache = path_join(folder.path(), "cache");
  std::vector<std::string> jpegs;

  Subject() {
    set_log_levels("warn");
    config.name = "folder";
    config.image_size = 224;
    config.validation = 0;
    const char* root = std::getenv("TAILOR_BENCH_IMAGES");
    if (root && *root) {
      config.root = root;
    } else {
      config.root = path_join(folder.path(), "images");
      for (int64_t n = 0; n < kMadeImages; ++n) {
        const std::string bytes = made_jpeg(n);
        for (const char* part : {"train", "val"})
          write_file(fmt::format("{}/{}/{}/{}.jpg", config.root, part, n % 2, n), bytes);
      }
    }
    const DataSplits data = open_data(config);
    write_packed(cache, data, 256, null_progress());
    for (int64_t i = 0; i < std::min<int64_t>(data.train->size(), 4 * kBatch); ++i)
      jpegs.push_back(read_file(path_join(config.root, data.train->name(i))));
  }
};
Subject& subject() {
  static Subject s;
  return s;
}

/// One iteration is one batch of normalised floats; items are images.
void fill_batches(benchmark::State& state, const DataConfig& config) {
  const DataSplits data = open_data(config);
  const BatchMaker maker(data.shape, data.preprocessing);
  const Augmentation a = make_augmentation(config, 1);
  std::vector<float> batch(static_cast<size_t>(kBatch * data.shape.size()));
  std::vector<int64_t> labels(kBatch), indices(kBatch);
  std::vector<uint8_t> pixels(static_cast<size_t>(data.shape.size()));
  for (int64_t i = 0; i < data.train->size(); ++i)
    as_images(data.train)->get(i, pixels);  // the first epoch
  int64_t at = 0;
  for (auto _ : state) {
    for (int64_t& i : indices) i = at++ % data.train->size();
    maker.fill(*as_images(data.train), indices, a, at / data.train->size(), batch, labels,
               static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(batch.data());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void BM_PackedCropFlip(benchmark::State& state) {
  DataConfig config = subject().config;
  config.name = "packed";
  config.root = subject().cache;
  config.augment = {"random_crop", "flip"};
  fill_batches(state, config);
}
void BM_PackedResizedCropFlip(benchmark::State& state) {
  DataConfig config = subject().config;
  config.name = "packed";
  config.root = subject().cache;
  config.augment = {"random_resized_crop", "flip"};
  fill_batches(state, config);
}
void BM_FolderResizedCropFlip(benchmark::State& state) {
  DataConfig config = subject().config;
  config.augment = {"random_resized_crop", "flip"};
  fill_batches(state, config);
}
BENCHMARK(BM_PackedCropFlip)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_PackedResizedCropFlip)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_FolderResizedCropFlip)->Arg(1)->Arg(2)->UseRealTime();

/// The whole way of a JPEG in memory to 224 x 224, on one thread.
void BM_DecodeJpeg(benchmark::State& state) {
  const auto& jpegs = subject().jpegs;
  const MapShape shape{3, 224, 224};
  std::vector<uint8_t> out(static_cast<size_t>(shape.size()));
  size_t at = 0;
  for (auto _ : state) {
    const std::string& bytes = jpegs[at++ % jpegs.size()];
    decode_window(
        {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
        [&](Extent e) { return centre_window(e, shape, 256); }, shape, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
/// libjpeg-turbo alone for the same files at the same scale.
void BM_LibjpegTurbo(benchmark::State& state) {
  const auto& jpegs = subject().jpegs;
  const MapShape shape{3, 224, 224};
  tjhandle handle = tjInitDecompress();
  std::vector<uint8_t> out;
  size_t at = 0;
  for (auto _ : state) {
    const std::string& bytes = jpegs[at++ % jpegs.size()];
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    int width = 0, height = 0, sampling = 0, colour = 0;
    if (tjDecompressHeader3(handle, data, bytes.size(), &width, &height, &sampling, &colour) != 0)
      return state.SkipWithError(tjGetErrorStr2(handle));
    const CropWindow w = centre_window({height, width}, shape, 256);
    int eighths = 8;
    while (eighths > 1 && w.height * eighths / 2 >= 8 * shape.height) eighths /= 2;
    const tjscalingfactor factor{eighths, 8};
    width = TJSCALED(width, factor), height = TJSCALED(height, factor);
    out.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    tjDecompress2(handle, data, bytes.size(), out.data(), width, 0, height, TJPF_RGB, 0);
    benchmark::DoNotOptimize(out.data());
  }
  tjDestroy(handle);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DecodeJpeg);
BENCHMARK(BM_LibjpegTurbo);

}  // namespace
}  // namespace tailor::test

BENCHMARK_MAIN();
