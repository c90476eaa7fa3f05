// The integer emulator against a second, slow computation written from the definitions: exact wide
// sums, one cast_raw where the graph says so. Every kernel (vectorised, portable, 64-bit), every
// rounding and overflow mode, both layouts.
#include "tailor/emulate/integer.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "emulate/integer_kernels.h"
#include "support/designs.h"
#include "support/graphs.h"
#include "support/networks.h"
#include "support/random_graphs.h"
#include "tailor/design/passes.h"
#include "tailor/ir/weights.h"

namespace tailor::test {
namespace {

using testing::Surgery;

/// Straight from the definitions, in 128-bit integers; maps are HWC.
ByValue<std::vector<int64_t>> slow_run(const Graph& g, const std::vector<double>& image,
                                       std::vector<int64_t>& overflows) {
  ByValue<std::vector<int64_t>> maps(g.values.size());
  overflows.assign(g.nodes.size(), 0);
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const Node& node = g.nodes[n];
    if (node.is<ops::Output>()) break;
    const MapShape in = node.inputs.empty() ? MapShape{} : g.value(node.inputs[0]).shape;
    const Value& ov = g.value(node.outputs[0]);
    const MapShape out = ov.shape;
    auto at = [&](size_t input, int64_t y, int64_t x, int64_t c) -> Int128 {
      const Value& v = g.value(node.inputs[input]);
      if (y < 0 || x < 0 || c < 0 || y >= v.shape.height || x >= v.shape.width ||
          c >= v.shape.channels)
        return 0;
      return maps[node.inputs[input]]
                 [static_cast<size_t>((y * v.shape.width + x) * v.shape.channels + c)];
    };
    auto fraction = [&](size_t input) { return g.value(node.inputs[input]).type->fraction(); };
    constexpr int kFine = 80;  // fraction bits that every term is brought to
    auto fine = [&](Int128 raw, int f) { return raw * (Int128{1} << (kFine - f)); };
    // The weight of output o at an index, with its channel's scale: raw, and its fraction.
    const std::optional<FixedType>& scale = node.hardware.scale;
    std::vector<double> weights, scales;
    if (node.traits().has_weights) weights = g.tensor(node, "weight").to_doubles();
    if (scale) scales = g.tensor(node, "scale").to_doubles();
    auto weight_at = [&](int64_t o, int64_t index) -> Int128 {
      const double w = weights[static_cast<size_t>(index)];
      if (!scale) return quantise(w, *node.hardware.weight);
      const double s = scales[static_cast<size_t>(o)];
      const bool binary = node.hardware.weight->width == 1;
      const int64_t steps = binary ? (w < 0 ? -1 : 1) : quantise(w / s, *node.hardware.weight);
      return Int128{steps} * quantise(s, *scale);
    };
    const int weight_fraction = node.traits().has_weights ? node.hardware.weight->fraction() +
                                                                (scale ? scale->fraction() : 0)
                                                          : 0;
    std::vector<int64_t> y;
    for (int64_t oy = 0; oy < out.height; ++oy) {
      for (int64_t ox = 0; ox < out.width; ++ox) {
        for (int64_t o = 0; o < out.channels; ++o) {
          if (node.is<ops::Input>()) {
            bool lost = false;
            y.push_back(
                quantise(image[static_cast<size_t>((oy * out.width + ox) * out.channels + o)],
                         *ov.type, &lost));
            overflows[n] += lost;
            continue;
          }
          Int128 value = 0;
          int from = kFine;
          if (node.traits().has_weights) {
            if (node.is<ops::Dense>()) {
              for (int64_t i = 0; i < in.size(); ++i) {
                const int64_t pixel = i / in.channels;
                value += fine(at(0, pixel / in.width, pixel % in.width, i % in.channels) *
                                  weight_at(o, o * in.size() + i),
                              fraction(0) + weight_fraction);
              }
              value += fine(quantise(g.tensor(node, "bias").to_doubles()[static_cast<size_t>(o)],
                                     *node.hardware.bias),
                            node.hardware.bias->fraction());
            } else {
              const ops::Conv2d& a = node.as<ops::Conv2d>();
              const Window& win = a.window;
              const int64_t read = in.channels / a.groups,
                            first = o / (out.channels / a.groups) * read;
              for (int64_t ky = 0; ky < win.kernel.height; ++ky) {
                for (int64_t kx = 0; kx < win.kernel.width; ++kx) {
                  for (int64_t c = 0; c < read; ++c) {
                    const int64_t index =
                        ((o * read + c) * win.kernel.height + ky) * win.kernel.width + kx;
                    const int64_t iy = oy * win.stride.height + ky * win.dilation.height,
                                  ix = ox * win.stride.width + kx * win.dilation.width;
                    value += fine(at(0, iy - win.pads.top, ix - win.pads.left, first + c) *
                                      weight_at(o, index),
                                  fraction(0) + weight_fraction);
                  }
                }
              }
              value += fine(quantise(g.tensor(node, "bias").to_doubles()[static_cast<size_t>(o)],
                                     *node.hardware.bias),
                            node.hardware.bias->fraction());
              Int128 skips = 0;
              for (size_t s = 1; s < node.inputs.size(); ++s)
                skips += fine(at(s, oy, ox, o), fraction(s));
              for (size_t s = 0; s < a.window_skips.size(); ++s)
                skips += fine(at(0, oy, ox, o), fraction(0));
              if (!a.skips_after_activation) value += skips;
              if (a.relu && value < 0) value = 0;
              if (a.skips_after_activation) value += skips;
            }
          } else if (node.is<ops::Add>()) {
            for (size_t s = 0; s < node.inputs.size(); ++s)
              value += fine(at(s, oy, ox, o), fraction(s));
          } else if (node.is<ops::Relu>()) {
            value = fine(std::max<Int128>(at(0, oy, ox, o), 0), fraction(0));
          } else if (node.is<ops::Clone>()) {
            value = fine(at(0, oy, ox, o), fraction(0));
          } else if (node.is<ops::ZeroPad>()) {
            const auto& a = node.as<ops::ZeroPad>();
            const int64_t iy = oy - a.pads.top, ix = ox - a.pads.left;
            const bool inside = iy >= 0 && iy < in.height && ix >= 0 && ix < in.width;
            value = fine(a.lowest && !inside ? Int128{ov.type->min_raw()} : at(0, iy, ix, o),
                         fraction(0));
          } else if (node.is<ops::ShortcutPad>()) {
            const auto& a = node.as<ops::ShortcutPad>();
            value = fine(at(0, oy * a.stride.height, ox * a.stride.width, o - a.channel_offset),
                         fraction(0));
          } else if (node.is<ops::MaxPool2d>()) {
            const Window& win = node.as<ops::MaxPool2d>().window;
            std::vector<Int128> window;
            for (int64_t py = 0; py < in.height; ++py) {
              for (int64_t px = 0; px < in.width; ++px) {
                const int64_t dy = py + win.pads.top - oy * win.stride.height,
                              dx = px + win.pads.left - ox * win.stride.width;
                const Size2 extent = win.extent();
                if (dy >= 0 && dy < extent.height && dx >= 0 && dx < extent.width &&
                    dy % win.dilation.height == 0 && dx % win.dilation.width == 0)
                  window.push_back(at(0, py, px, o));
              }
            }
            value = fine(*std::max_element(window.begin(), window.end()), fraction(0));
          } else if (node.is<ops::GlobalAvgPool>()) {
            for (int64_t py = 0; py < in.height; ++py) {
              for (int64_t px = 0; px < in.width; ++px) value += at(0, py, px, o);
            }
            value *= quantise(1.0 / static_cast<double>(in.pixels()), *node.hardware.reciprocal);
            from = fraction(0) + node.hardware.reciprocal->fraction();
          } else {
            ADD_FAILURE() << to_string(node.op);
          }
          bool lost = false;
          y.push_back(cast_raw(value, from, *ov.type, &lost));
          overflows[n] += lost;
        }
      }
    }
    for (ValueId id : node.outputs) maps[id] = y;
    if (!node.is<ops::Conv2d>() || node.outputs.size() < 2) continue;
    const Size2& stride = node.as<ops::Conv2d>().window.stride;
    std::vector<int64_t>& centre = maps[node.outputs[1]];
    centre.clear();
    for (int64_t oy = 0; oy < out.height; ++oy) {
      for (int64_t ox = 0; ox < out.width; ++ox) {
        for (int64_t c = 0; c < in.channels; ++c)
          centre.push_back(static_cast<int64_t>(at(0, oy * stride.height, ox * stride.width, c)));
      }
    }
  }
  return maps;
}

void expect_equal_to_definition(const Graph& g, int64_t seed) {
  auto image = testing::random_image(g.input_shape(), seed);
  std::vector<int64_t> overflows;
  auto expected = slow_run(g, image, overflows);
  size_t taps = 0;
  IntegerResult r = IntegerEmulator(g).run(image, [&](ValueId id, Span<const int64_t> hwc) {
    ++taps;
    ASSERT_EQ(std::vector<int64_t>(hwc.begin(), hwc.end()), expected[id]) << g.value(id).name;
  });
  EXPECT_EQ(taps, g.values.size());
  EXPECT_EQ(r.overflows, overflows);
  for (size_t k = 0; k < r.logits.size(); ++k)
    EXPECT_EQ(r.logits[k],
              std::ldexp(static_cast<double>(r.logits_raw[k]), -g.values.back().type->fraction()));
}

testing::DesignOptions options(FixedType type, Layout layout) {
  testing::DesignOptions o;
  o.type = type;
  o.input_magnitude = 2.1;
  o.layout = layout;
  return o;
}

TEST(IntegerEmulator, EqualsTheDefinitionForEveryVariant) {
  for (const auto& variant : testing::all_variants()) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      SCOPED_TRACE(variant.name() + to_string(layout));
      expect_equal_to_definition(
          testing::make_design(testing::lowered_variant(variant), options({16, 6}, layout)), 7);
    }
  }
}

TEST(IntegerEmulator, EqualsTheDefinitionForPoolsGroupsAndOneSidedPads) {
  for (bool shortened : {false, true}) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      for (FixedType type : {FixedType{16, 6}, FixedType{18, 5}, FixedType{7, 3}}) {
        SCOPED_TRACE(to_string(layout) + to_string(type));
        expect_equal_to_definition(
            testing::make_design(testing::windows_graph(9, 12, shortened), options(type, layout)),
            7);
      }
    }
  }
}

TEST(IntegerEmulator, EqualsTheDefinitionForRandomWindows) {
  for (int64_t seed = 0; seed < 12; ++seed) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      SCOPED_TRACE(std::to_string(seed) + to_string(layout));
      expect_equal_to_definition(
          testing::make_design(testing::random_graph(seed), options({16, 6}, layout)), seed);
    }
  }
}

TEST(IntegerEmulator, EqualsTheDefinitionForEveryMode) {
  Graph lowered =
      testing::lowered_variant({Surgery::Mixed, Join::AfterActivation, Shortcut::Projection});
  for (Rounding rounding : {Rounding::Trn, Rounding::TrnZero, Rounding::Rnd, Rounding::RndZero,
                            Rounding::RndInf, Rounding::RndMinInf, Rounding::RndConv}) {
    for (Overflow overflow :
         {Overflow::Sat, Overflow::SatZero, Overflow::SatSym, Overflow::Wrap, Overflow::WrapSm}) {
      SCOPED_TRACE(std::string(vendor_name(rounding)) + vendor_name(overflow));
      expect_equal_to_definition(
          testing::make_design(lowered, options({7, 2, true, rounding, overflow}, Layout::Fused)),
          3);  // 2 integer bits: it overflows
    }
  }
}

TEST(IntegerEmulator, EqualsTheDefinitionForEveryWidth) {
  Graph lowered =
      testing::lowered_variant({Surgery::Traditional, Join::BeforeActivation, Shortcut::Pad});
  for (FixedType type : {FixedType{2, 1}, FixedType{8, 3}, FixedType{12, 12}, FixedType{16, 1},
                         FixedType{17, 6}, FixedType{24, 8}}) {
    SCOPED_TRACE(to_string(type));
    expect_equal_to_definition(testing::make_design(lowered, options(type, Layout::Stock)), 5);
  }
}

TEST(IntegerEmulator, EqualsTheDefinitionWithAScaleForEachChannel) {
  Precision scaled(FixedType{8, 3}), binary(FixedType{5, 3}), wide(FixedType{16, 6});
  scaled.weights = FixedType{4, 3}, scaled.scales = FixedType{8, 0, false};
  binary.weights = binary_weights(), binary.scales = FixedType{7, 1, false};
  wide.scales = FixedType{14, 0, false};
  for (const Precision& types : {scaled, binary, wide}) {
    for (Layout layout : {Layout::Fused, Layout::Stock}) {
      SCOPED_TRACE(to_string(types.weight("")) + to_string(layout));
      testing::DesignOptions o = options({8, 3}, layout);
      o.type = types;
      for (const Graph& lowered : {testing::lowered_variant({Surgery::Mixed, Join::BeforeActivation,
                                                             Shortcut::Projection}),
                                   testing::windows_graph(9, 12, true)}) {
        const Graph g = testing::make_design(lowered, o);
        expect_equal_to_definition(g, 11);
      }
    }
  }
}

/// A stage's sums then have the skip's point, and not their products'.
TEST(IntegerEmulator, EqualsTheDefinitionWhereASkipIsFinerThanTheProducts) {
  for (const int bits : {16, 20}) {  // of the skip: maps of int16, and of int32
    const Graph g =
        testing::make_design(testing::fine_skip_graph(), testing::fine_skip_options(bits));
    const Node& joined = *std::find_if(g.nodes.begin(), g.nodes.end(),
                                       [](const Node& n) { return n.name == "joined"; });
    ASSERT_EQ(joined.hardware.accumulator->fraction(), bits - 6);
    ASSERT_LT(g.value(joined.inputs[0]).type->fraction() + joined.hardware.weight->fraction(),
              bits - 6);
    expect_equal_to_definition(g, 13);
  }
}

TEST(IntegerEmulator, CountsOverflowsWhereTheyHappen) {
  Graph lowered =
      testing::lowered_variant({Surgery::Removed, Join::BeforeActivation, Shortcut::Projection});
  Graph g = testing::make_design(lowered, options({8, 2}, Layout::Fused));
  IntegerResult r = IntegerEmulator(g).run(testing::random_image(g.input_shape(), 1));
  int64_t total = 0;
  for (int64_t n : r.overflows) total += n;
  EXPECT_GT(total, 0);
  IntegerResult wide =
      IntegerEmulator(testing::make_design(lowered, options({16, 8}, Layout::Fused)))
          .run(testing::random_image(g.input_shape(), 1));
  for (int64_t n : wide.overflows) EXPECT_EQ(n, 0);
}

TEST(IntegerEmulator, RefusesALoweredGraph) {
  Graph lowered =
      testing::lowered_variant({Surgery::Removed, Join::BeforeActivation, Shortcut::Projection});
  EXPECT_THROW(IntegerEmulator{lowered}, Error);
}

TEST(Precision, TooWideIsRefusedWithTheLayer) {
  Graph lowered =
      testing::lowered_variant({Surgery::Removed, Join::BeforeActivation, Shortcut::Projection});
  try {
    testing::make_design(lowered, options({32, 8}, Layout::Fused));
    FAIL() << "32 bits were accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Unsupported);
    EXPECT_NE(std::string(e.what()).find("stem.conv1 would need an accumulator of"),
              std::string::npos)
        << e.what();
  }
}

TEST(WindowSums, ARowTooLongForInt32IsCutIntoPairs) {
  // 2,048 inputs of a 1×1 convolution: no row fits, pieces of one do.
  const int64_t length = 2050, outputs = 19;
  std::vector<int64_t> weights(static_cast<size_t>(outputs * length), 500), starts = {0, 7},
                                                                            runs = {0};
  for (size_t i = 0; i < weights.size(); i += 3) weights[i] = -499;
  std::vector<int16_t> map(static_cast<size_t>(length + 9), -32768);
  const WindowWeights packed = pack_window_weights(weights, 1, length, outputs, 32768, true);
  EXPECT_GT(packed.pairs_per_chunk, 0);
  EXPECT_LT(packed.pairs_per_chunk, packed.pairs_per_row);
  std::vector<int64_t> sums(static_cast<size_t>(2 * outputs));
  window_sums(packed, map.data(), starts, runs, sums.data(), outputs);
  for (int64_t i = 0; i < 2 * outputs; ++i) {
    int64_t expected = 0;
    for (int64_t k = 0; k < length; ++k)
      expected -= 32768 * weights[static_cast<size_t>(i % outputs * length + k)];
    ASSERT_EQ(sums[static_cast<size_t>(i)], expected) << i;
  }
}

TEST(WindowSums, EveryKernelIsExactAtItsLimits) {
  // Largest weights against largest inputs: one row more in a chunk would overflow int32.
  for (int64_t weight : {32767, -32768, 1024, 3}) {
    for (int64_t outputs : {1, 7, 8, 16, 17, 40}) {
      const int64_t rows = 3, length = 9, pixels = 6, step = 3, pitch = 30;
      std::vector<int64_t> weights;
      for (int64_t i = 0; i < outputs * rows * length; ++i)
        weights.push_back(i % 5 == 0 ? weight : i % 3 - 1);
      std::vector<int16_t> map(static_cast<size_t>(rows * pitch + 2));
      for (size_t i = 0; i < map.size(); ++i)
        map[i] = static_cast<int16_t>(i % 4 == 0   ? -32768
                                      : i % 4 == 1 ? 32767
                                                   : static_cast<int>(i));
      WindowWeights packed = pack_window_weights(weights, rows, length, outputs, 32768, true);
      std::vector<int64_t> sums(static_cast<size_t>(pixels * outputs)), starts, runs;
      for (int64_t p = 0; p < pixels; ++p) starts.push_back(p * step);
      for (int64_t r = 0; r < rows; ++r) runs.push_back(r * pitch);
      window_sums(packed, map.data(), starts, runs, sums.data(), outputs);
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t o = 0; o < outputs; ++o) {
          int64_t expected = 0;
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t i = 0; i < length; ++i)
              expected += weights[static_cast<size_t>((o * rows + r) * length + i)] *
                          map[static_cast<size_t>(p * step + r * pitch + i)];
          }
          ASSERT_EQ(sums[static_cast<size_t>(p * outputs + o)], expected)
              << weight << " " << outputs << " " << p << " " << o;
        }
      }
    }
  }
}

/// Sums, bias added, by every 32-bit kernel that the weights and this CPU allow.
TEST(WindowSums, SumsOf32BitsAreThoseOf64) {
  int64_t bytes = 0;
  for (int64_t largest : {int64_t{127}, int64_t{1500}}) {
    for (int64_t outputs : {1, 8, 11, 16, 40}) {
      for (int64_t length : {1, 5, 6, 7, 8, 48}) {
        const int64_t rows = 3, pixels = 7, step = 2, pitch = length + pixels * step;
        std::vector<int64_t> weights, starts, runs;
        for (int64_t i = 0; i < outputs * rows * length; ++i)
          weights.push_back(i % 3 == 0 ? -largest - 1 : i % 7 == 0 ? largest : i % 5);
        std::vector<int16_t> map(static_cast<size_t>(rows * pitch + 4));
        for (size_t i = 0; i < map.size(); ++i)
          map[i] = static_cast<int16_t>(i % 4 == 0   ? -128
                                        : i % 4 == 1 ? 127
                                                     : static_cast<int>(i % 9));
        const WindowWeights w = pack_window_weights(weights, rows, length, outputs, 128, true);
        ASSERT_TRUE(w.is_one_chunk());
        for (int64_t p = 0; p < pixels; ++p) starts.push_back(p * step);
        for (int64_t r = 0; r < rows; ++r) runs.push_back(r * pitch);
        const auto n = static_cast<size_t>(pixels * outputs);
        std::vector<int64_t> wide(n);
        window_sums(w, map.data(), starts, runs, wide.data(), outputs);
        std::vector<int32_t> bias, byte_bias, sums(n), byte_sums(n);
        for (int64_t o = 0; o < outputs; ++o) {
          int64_t sum = 0;
          for (int64_t i = 0; i < rows * length; ++i)
            sum += weights[static_cast<size_t>(o * rows * length + i)];
          bias.push_back(static_cast<int32_t>(1000 - 3 * o));
          byte_bias.push_back(static_cast<int32_t>(bias.back() - kByteOffset * sum));
        }
        window_sums(w, map.data(), starts, runs, bias.data(), sums.data(), outputs);
        std::vector<uint8_t> byte_map;
        for (int16_t v : map) byte_map.push_back(static_cast<uint8_t>(v + kByteOffset));
        if (!w.quads.empty()) {
          ++bytes;
          window_sums(w, byte_map.data(), starts, runs, byte_bias.data(), byte_sums.data(),
                      outputs);
        }
        EXPECT_TRUE(largest < 128 || w.quads.empty());
        for (size_t i = 0; i < n; ++i) {
          const int64_t expected = wide[i] + bias[i % static_cast<size_t>(outputs)];
          ASSERT_EQ(sums[i], expected) << largest << " " << outputs << " " << length << " " << i;
          if (!w.quads.empty()) {
            ASSERT_EQ(byte_sums[i], expected) << outputs << " " << length;
          }
        }
      }
    }
  }
  if (bytes == 0) GTEST_SKIP() << "this CPU has no kernel for bytes";
}

TEST(FinishSums, IsTheCastOfEverySumWithItsSkips) {
  const Caster caster(12, parse_fixed_type("ap_fixed<8,3,AP_RND,AP_SAT>"));
  const NarrowCast narrow = caster.narrow(1 << 24).value();
  EXPECT_FALSE(caster.narrow(int64_t{1} << 31).has_value());
  EXPECT_FALSE(Caster(12, parse_fixed_type("ap_fixed<8,3>")).narrow(1).has_value());
  std::vector<int16_t> skip(401), outputs(401);
  for (size_t i = 0; i < skip.size(); ++i) skip[i] = static_cast<int16_t>(100 - i);
  for (const bool relu : {false, true}) {
    for (const bool first : {false, true}) {
      std::vector<int32_t> sums;
      for (int32_t i = 0; i < 401; ++i) sums.push_back((i - 200) * 297);
      const std::vector<int32_t> before = sums;
      const std::vector<NarrowSkip> skips = {{skip.data(), 32}, {skip.data(), 1}};
      const int64_t overflowed = finish_sums(sums, skips, relu, first, narrow, outputs.data());
      int64_t expected_overflows = 0;
      for (size_t i = 0; i < before.size(); ++i) {
        int64_t v = before[i];
        if (relu && first) v = std::max<int64_t>(v, 0);
        v += 33 * skip[i];
        if (relu && !first) v = std::max<int64_t>(v, 0);
        ASSERT_EQ(outputs[i], caster(v, expected_overflows)) << i << " " << relu << first;
      }
      EXPECT_EQ(overflowed, expected_overflows);
      EXPECT_GT(overflowed, 0);
    }
  }
}

}  // namespace
}  // namespace tailor::test
