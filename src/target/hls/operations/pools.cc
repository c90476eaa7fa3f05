// Max pool and global average pool (library: pool.h).
#include "target/hls/printer.h"

namespace tailor::target {
namespace {

void max_pool_config(StageConfig& c) {
  c.add("in_height", c.in.shape.height);
  c.add("in_width", c.in.shape.width);
  c.add("channels", c.in.shape.channels);
  c.add("out_height", c.out.shape.height);
  c.add("out_width", c.out.shape.width);
  c.add_window(c.node.as<ops::MaxPool2d>().window);
  c.add_scan();
  c.add_value();
}

void average_config(StageConfig& c) {
  const FixedType& reciprocal = *c.node.hardware.reciprocal;
  c.add("pixels", c.in.shape.pixels());
  c.add("channels", c.in.shape.channels);
  c.add("reuse_factor", c.node.hardware.reuse_factor);
  c.add_streams();
  c.add("reciprocal_bits", reciprocal.width);
  c.add("reciprocal_raw", quantise(1.0 / static_cast<double>(c.in.shape.pixels()), reciprocal));
  c.add_type("reciprocal_t", cpp_type(reciprocal));
  c.add_type("acc_t", cpp_type(*c.node.hardware.accumulator));
}

const RegisterPrinter<ops::MaxPool2d> kMaxPoolPrinter(
    {max_pool_config, [](const Node& node) { return plain_call(node, "tailor::max_pool2d"); }, {}});
const RegisterPrinter<ops::GlobalAvgPool> kAveragePrinter(
    {average_config,
     [](const Node& node) { return plain_call(node, "tailor::global_average_pool"); },
     {}});

}  // namespace
}  // namespace tailor::target
