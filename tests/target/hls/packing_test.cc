// Two products in one multiplier: every pair of weights with every operand, and what the tools are
// told. That whole projects compute the right thing is tests/check.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/projects.h"
#include "tailor/core/files.h"
#include "tailor/core/process.h"

namespace tailor::test {
namespace {

testing::ProjectParts packed_parts() {
  testing::DesignOptions options;
  options.type = FixedType{8, 3};
  options.dsp_packing = true;
  return testing::project_parts(testing::block_network(), options);
}

TEST(Packing, EveryProductIsExact) {
  TemporaryDirectory folder("tailor-packing");
  const std::string path = folder.path() + "/p";
  testing::write_parts(packed_parts(), path);
  write_file(path + "/all.cpp", R"(#include "tailor/dot_product.h"
template <int BITS, class In, class Raw>
struct Config {
  static const int weight_bits = 8, in_bits = BITS;
  typedef signed char weight_raw;
  typedef ap_fixed<8, 3> weight_t;
  typedef In in_t;
  typedef Raw operand_raw;
  typedef ap_fixed<18, 18 - (In::width - In::iwidth) - 5> product_t;
  typedef ap_fixed<30, 14> acc_t;
};
template <class C>
int wrong(int first, int last) {
  int count = 0;
  for (int low = -128; low < 128; ++low) {
    for (int high = -128; high < 128; high += low % 16 == 0 ? 1 : 17) {
      for (int x = first; x <= last; ++x) {
        typename C::in_t operand;
        operand.range(C::in_bits - 1, 0) = ap_int<12>(x).range(C::in_bits - 1, 0);
        typename C::acc_t packed[2], plain[2];
        packed[0] = packed[1] = plain[0] = plain[1] = 1;
        const signed char a = static_cast<signed char>(low), b = static_cast<signed char>(high);
        tailor::Multiplier<C, true>::add(a, b, operand, packed);
        tailor::Multiplier<C, false>::add(a, 0, operand, plain);
        tailor::Multiplier<C, false>::add(b, 0, operand, plain + 1);
        count += !(packed[0] == plain[0] && packed[1] == plain[1]);
      }
    }
  }
  return count;
}
int main() {
  return wrong<Config<8, ap_fixed<8, 3>, ap_int<8> > >(-128, 127) +
                     wrong<Config<8, ap_ufixed<8, 2>, ap_uint<8> > >(0, 255) +
                     wrong<Config<10, ap_fixed<10, 3>, ap_int<10> > >(-512, 511) >
                 0
             ? 1
             : 0;
}
)");
  const ProcessResult compiled =
      run_process({"c++", "-std=c++11", "-O2", "-Wall", "-Wextra", "-Werror", "-Ifirmware",
                   "-idirafter", "firmware/native", "all.cpp", "-o", "all"},
                  path);
  ASSERT_EQ(compiled.status, 0) << compiled.output;
  EXPECT_EQ(run_process({"./all"}, path).status, 0);
}

TEST(Packing, ToolsAreToldThatTheProductIsADsps) {
  TemporaryDirectory folder("tailor-packing");
  auto parts = packed_parts();
  parts.force = true;
  const std::string path = folder.path() + "/p";
  auto view = [&](HlsBackend backend) {
    parts.backend = backend;
    testing::write_parts(parts, path);
    const ProcessResult r =
        run_process({"c++", "-std=c++11", "-E", "-P", "-D__SYNTHESIS__", "-I.", "-Ifirmware",
                     "-idirafter", "firmware/native", "firmware/block.cpp"},
                    path);
    EXPECT_EQ(r.status, 0) << r.output;
    return r.output;
  };
  testing::expect_words(view(HlsBackend::Vitis),
                        {"#pragma HLS BIND_OP variable=products op=mul impl=dsp"});
  testing::expect_words(view(HlsBackend::Vivado),
                        {"#pragma HLS RESOURCE variable=products core=DSP48"});
  testing::expect_words(read_file(path + "/firmware/parameters.h"),
                        {"static const bool packed = true;", "typedef ap_int<8> operand_raw;",
                         "typedef ap_fixed<18, 8> product_t;"});
  testing::expect_words(read_file(path + "/manifest.json"),
                        {"\"dsp_packing\": true", "\"packed\": true"});
}

}  // namespace
}  // namespace tailor::test
