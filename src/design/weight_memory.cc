// Where weights lie, and what that takes.
#include <utility>

#include "tailor/design/passes.h"

namespace tailor::design {
namespace {

/// A LUT with 6 inputs holds 64 words of one bit.
constexpr int64_t kWordsOfLut = 64;
/// Deeper ones fill a block RAM, and of LUTs would need many levels of multiplexers.
constexpr int64_t kDeepestOfLuts = 512;

int64_t luts_of_rom(int64_t words, int64_t word_bits) {
  return (words + kWordsOfLut - 1) / kWordsOfLut * word_bits;
}

}  // namespace

int64_t ramb18_of(int64_t words, int64_t word_bits) {
  constexpr std::pair<int64_t, int64_t> kShapes[] = {{512, 36}, {1024, 18}, {2048, 9},
                                                     {4096, 4}, {8192, 2},  {16384, 1}};
  for (const auto& [depth, width] : kShapes) {
    if (words <= depth) return (word_bits + width - 1) / width;
  }
  const auto [depth, width] = kShapes[5];
  return (words + depth - 1) / depth * word_bits / width;
}

FifoStorage rom_storage(int64_t words, int64_t word_bits, const Device& device) {
  if (words <= 1) return FifoStorage::Auto;
  if (words > kDeepestOfLuts) return FifoStorage::Bram;
  const double luts =
      static_cast<double>(luts_of_rom(words, word_bits)) / static_cast<double>(device.lut);
  const double blocks =
      static_cast<double>(ramb18_of(words, word_bits)) / static_cast<double>(device.ramb18);
  return luts <= blocks ? FifoStorage::Lutram : FifoStorage::Bram;
}

FifoStorage ProductStage::rom_storage(int64_t factor, const Device& device) const {
  return design::rom_storage(rom_words(factor), rom_word_bits(factor), device);
}

int64_t ProductStage::rom_luts(int64_t factor, const Device& device) const {
  if (rom_storage(factor, device) != FifoStorage::Lutram) return 0;
  return luts_of_rom(rom_words(factor), rom_word_bits(factor));
}

}  // namespace tailor::design
