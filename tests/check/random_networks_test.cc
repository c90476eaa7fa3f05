// Random networks, of everything that a description can say, as compiled projects.
#include <gtest/gtest.h>

#include "support/random_projects.h"
#include "support/rooms.h"
#include "tailor/emulate/float64.h"

namespace tailor::test {
namespace {

TEST(Check, RandomNetworksPassInBothLayouts) {
  TemporaryDirectory folder("tailor-random");
  for (const int64_t seed : {0, 1, 2}) {
    const Network network = testing::random_network(seed);
    Graph graph = testing::lowered(network);
    calibrate_batch_norm(graph, {testing::random_image(network.input, 100),
                                 testing::random_image(network.input, 101)});
    EXPECT_EQ(testing::project_findings(graph, path_join(folder.path(), network.name)), "");
  }
}

}  // namespace
}  // namespace tailor::test
