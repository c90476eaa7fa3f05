// Random networks, of everything that a description can say, as compiled projects.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/frames.h"
#include "support/random_graphs.h"
#include "support/random_projects.h"
#include "support/rooms.h"
#include "tailor/emulate/float64.h"

namespace tailor::test {
namespace {

TEST(Check, RandomNetworksPassInEveryLayout) {
  TemporaryDirectory folder("tailor-random");
  for (const int64_t seed : {0, 1}) {
    const Network network = testing::random_network(seed);
    Graph graph = testing::lowered(network);
    calibrate_batch_norm(graph, {testing::random_image(network.input, 100),
                                 testing::random_image(network.input, 101)});
    testing::DesignOptions options;
    options.dsp_packing = seed == 1;
    if (options.dsp_packing) options.type = FixedType{8, 4};
    EXPECT_EQ(testing::project_findings(graph, path_join(folder.path(), network.name), options),
              "");
  }
}

TEST(Check, RandomNetworksPassWithTypesByStage) {
  TemporaryDirectory folder("tailor-random");
  for (const int64_t seed : {3, 4}) {
    const Network network = testing::random_network(seed);
    Graph graph = testing::lowered(network);
    calibrate_batch_norm(graph, {testing::random_image(network.input, 100),
                                 testing::random_image(network.input, 101)});
    testing::DesignOptions options;
    options.dsp_packing = seed != 4;
    EXPECT_EQ(testing::project_findings(graph, path_join(folder.path(), network.name), options,
                                        static_cast<uint32_t>(seed)),
              "");
  }
}

TEST(Check, ASkipFinerThanTheProductsPasses) {
  TemporaryDirectory folder("tailor-fine");
  const std::string project = path_join(folder.path(), "p");
  testing::write_parts(
      testing::project_parts(testing::fine_skip_graph(), testing::fine_skip_options(16), 3),
      project);
  CheckOptions options;
  options.compiler = "c++ -O0";
  for (const CheckStep& s : check_project(project, options).steps)
    EXPECT_TRUE(s.passed) << s.name << ": " << s.detail;
}

TEST(Check, DrawnTypesAreNeverRefused) {
  for (int64_t seed = 0; seed < 24; ++seed) {
    const Graph graph = seed % 2 == 0 ? testing::random_graph(seed)
                                      : testing::random_frames_graph(static_cast<uint64_t>(seed));
    for (const auto& [layout, skips] : testing::layouts()) {
      SCOPED_TRACE(graph.name + std::to_string(seed) + to_string(layout) + to_string(skips));
      testing::DesignOptions options;
      options.layout = layout;
      options.skips = skips;
      options.type = testing::random_types(graph, options, static_cast<uint32_t>(seed));
      EXPECT_NO_THROW(testing::make_plan(graph, options));
    }
  }
}

TEST(Check, NoticesAWrongAnswerAtTheLastPosition) {
  const Network network = testing::random_network(0);
  ASSERT_GT(output_shape(network).pixels(), 1);
  TemporaryDirectory folder("tailor-random");
  const std::string project = path_join(folder.path(), "p"),
                    expected = path_join(project, "tb_data/expected.dat");
  testing::write_parts(testing::project_parts(network), project);
  std::string text(trim(read_file(expected)));
  const size_t last = text.find_last_of(' ') + 1;
  write_file(expected, text.replace(last, text.size() - last, "12345\n"));
  CheckOptions options;
  options.compiler = "c++ -O0";
  const CheckStep bench = check_project(project, options).steps.back();
  EXPECT_FALSE(bench.passed);
  testing::expect_words(bench.detail, {"test bench fails", "expected.dat was changed"});
}

}  // namespace
}  // namespace tailor::test
