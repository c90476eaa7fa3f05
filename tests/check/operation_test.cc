// The seam of operations: one of them from this file alone, `negate`, with its rules, its kernels,
// its library header and its printing; it is stored, designed, emulated, printed, compiled and
// checked like the built-in ones.
#include <gtest/gtest.h>

#include "support/graphs.h"
#include "support/projects.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tailor/emulate/kernels.h"
#include "tailor/emulate/streams.h"
#include "target/hls/printer.h"

namespace tailor::test {
namespace {

/// x → y: every `stride`-th pixel with the other sign.
struct Negate {
  int64_t stride = 1;
  static const Operation& operation();
};

Traits negate_traits() {
  Traits t{"negate"};
  t.keeps_type = true;
  return t;
}

class NegateRules : public OperationOf<Negate> {
 public:
  NegateRules() : OperationOf(negate_traits()) {}
  MapShape shape(const Graph& graph, const Node& node, int64_t /*out_channels*/) const override {
    const MapShape& x = graph.value(node.inputs[0]).shape;
    const int64_t stride = node.as<Negate>().stride;
    if (stride < 1)
      fail(ErrorKind::Data, "graph: {} (negate): the stride is {}", node.name, stride);
    return {x.channels, (x.height + stride - 1) / stride, (x.width + stride - 1) / stride};
  }
  StageLoop loop(const Graph& graph, const Node& node) const override {
    const int64_t stride = node.as<Negate>().stride;
    const MapShape& out = graph.value(node.outputs[0]).shape;
    StageLoop loop = pixel_loop(graph.value(node.inputs[0]).shape);
    loop.emits = {{0, 0}, {stride, stride}, {out.height, out.width}};
    return loop;
  }

 protected:
  void fields(Negate& a, AttributeVisitor& visitor) const override {
    visitor.field("stride", a.stride, "rows and columns from one pixel taken to the next");
  }
};

const Operation& Negate::operation() {
  static const NegateRules rules;
  return rules;
}

/// Index of the input element that output element i is made of.
size_t source(const MapShape& in, const MapShape& out, int64_t stride, size_t i) {
  const auto index = static_cast<int64_t>(i);
  const int64_t c = index % out.channels, x = index / out.channels % out.width,
                y = index / out.channels / out.width;
  return static_cast<size_t>((y * stride * in.width + x * stride) * in.channels + c);
}

std::vector<double> negate_float64(const Float64Call& call) {
  std::vector<double> y(static_cast<size_t>(call.out().size()));
  const int64_t stride = call.node.as<Negate>().stride;
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = -call.input()[source(call.in(), call.out(), stride, i)];
  return y;
}

struct NegateIntegers {
  template <class U, class T>
  static std::vector<U> run(const IntegerCall<T>& call) {
    const int64_t stride = call.node.template as<Negate>().stride;
    return call.template cast_each<U>(
        [&](size_t i) { return -int64_t{call.input()[source(call.in(), call.out(), stride, i)]}; });
  }
};

constexpr const char* kHeader = R"(#ifndef TEST_NEGATE_H_
#define TEST_NEGATE_H_
#include "tokens.h"
namespace tailor {
template <class C>
void negate(hls::stream<typename C::in_token>& in, hls::stream<typename C::out_token>& out) {
  for (int y = 0; y < C::scan_height; ++y) {
    for (int x = 0; x < C::scan_width; ++x) {
      TAILOR_PIPELINE(C)
      typename C::value_t values[C::channels];
      unpack<C::channels, C::bits>(in.read(), values);
      for (int c = 0; c < C::channels; ++c) values[c] = -values[c];
      if (y % C::stride == 0 && x % C::stride == 0)
        out.write(pack<C::channels, C::bits, typename C::out_token>(values));
    }
  }
}
}  // namespace tailor
#endif
)";

void negate_config(StageConfig& c) {
  c.add("channels", c.in.shape.channels);
  c.add("stride", c.node.as<Negate>().stride);
  c.add_scan();
  c.add_value();
}

const RegisterOperation<Negate> kRegisterNegate;
const RegisterKernels<Negate> kNegateKernels({negate_float64}, integer_kernel<NegateIntegers>());
const RegisterPrinter<Negate> kNegatePrinter({negate_config,
                                              [](const Node& node) {
                                                return plain_call(node, "tailor::negate");
                                              },
                                              {{"tailor/negate.h", kHeader}}});

Graph negating_graph() {
  testing::GraphBuilder b("negating", {2, 7, 9});
  b.conv("stem", b.at, testing::square_window<ops::Conv2d>(3, 1, 1), 3);
  b.relu("stem.relu");
  const ValueId from = b.at;
  b.conv("main", from, testing::square_window<ops::Conv2d>(3, 2, 1), 3);
  const ValueId main = b.at;
  const ValueId skip = b.add(Negate{2}, "skip.negate", {from});
  b.at = main;
  b.skip("skip", skip);
  b.relu("join.relu");
  return b.finish(4);
}

TEST(AnOperationOfItsOwn, IsWrittenToFilesAndReadBack) {
  TemporaryDirectory folder;
  const std::string path = path_join(folder.path(), "graph.safetensors");
  Graph graph = negating_graph();
  save_graph(path, graph);
  Graph back = load_graph(path);
  EXPECT_EQ(print_graph(back), print_graph(graph));
  EXPECT_EQ(testing::node_of(back, "skip.negate").as<Negate>().stride, 2);
  testing::node_of(graph, "skip.negate").as<Negate>().stride = 0;
  EXPECT_EQ(verify_graph(graph)[0], "graph: skip.negate (negate): the stride is 0");
}

TEST(AnOperationOfItsOwn, IsDesignedEmulatedPrintedCompiledAndChecked) {
  for (Layout layout : {Layout::Fused, Layout::Stock}) {
    TemporaryDirectory folder;
    const std::string output = path_join(folder.path(), "p");
    testing::DesignOptions options;
    options.layout = layout;
    options.type = FixedType{8, 3};  // -4 has no opposite: it saturates
    const testing::ProjectParts p = testing::project_parts(negating_graph(), options);
    EXPECT_FALSE(simulate_streams(p.design.graph(), fifo_depths(p.design), 2).deadlock);
    testing::write_parts(p, output);
    EXPECT_EQ(read_file(path_join(output, "firmware/tailor/negate.h")), kHeader);
    CheckOptions check;
    check.compiler = "c++ -O0";
    const CheckReport report = check_project(output, check);
    for (const CheckStep& step : report.steps)
      EXPECT_TRUE(step.passed) << step.name << ": " << step.detail;
  }
}

TEST(Operations, HaveRulesKernelsAndAPrinterEach) {
  EXPECT_GE(operations().size(), 13U);
  for (const Operation* operation : operations()) {
    const Traits& traits = operation->traits();
    EXPECT_EQ(&operation->make().rules(), operation) << traits.name << ": the attributes' rules";
    EXPECT_EQ(find_operation(traits.name), operation);
    if (traits.port) continue;
    EXPECT_NE(find_float64_kernel(*operation), nullptr) << traits.name << ": float64 kernel";
    if (traits.lowered_only) continue;
    EXPECT_NE(find_integer_kernel(*operation), nullptr) << traits.name << ": integer kernel";
    const StagePrinter* printer = find_printer(*operation);
    ASSERT_NE(printer, nullptr) << traits.name << ": printer";
    EXPECT_TRUE(printer->config && printer->call) << traits.name << ": config and call";
  }
}

TEST(Operations, OfOneNameAreRefused) {
  EXPECT_THROW(register_operation(Negate::operation()), Error);
  EXPECT_THROW(register_kernels(Negate::operation(), {}, {}), Error);
  EXPECT_THROW(register_printer(Negate::operation(), {}), Error);
}

}  // namespace
}  // namespace tailor::test
