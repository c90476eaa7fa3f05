// A model in ONNX, from import to a checked project, and back out; in floats and with types.
#include "tailor/ir/onnx.h"

#include <sys/mount.h>

#include "cli/torch/train_cli.h"

namespace tailor::test {
namespace {

TEST_F(TrainCli, AModelInOnnxBecomesANetworkAndAProjectAndGoesBack) {
  const Network network = make_network(network_by_name("resnet8").config, {3, 32, 32}, 10);
  const TensorMap tensors = testing::random_tensors(network, 9);
  OnnxModel model = onnx_of(lower(network, tensors, "x").graph()).model;
  write_file(file("theirs.onnx"), print_onnx(model));

  ProcessResult r = run({"import", "theirs.onnx", "--output", "in", "--set", "data.name=synthetic",
                         "--mean", "0.5,0.5,0.5", "--std", "0.3,0.25,0.2"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"in/model.ckpt: resnet8 from theirs.onnx (ONNX by tailor)",
                                   "3 skips", "deviation 0.3,0.25,0.2\n", "data: synthetic"});
  const Checkpoint c = load_checkpoint(file("in/model.ckpt"));
  EXPECT_EQ(c.tensors, tensors);
  EXPECT_EQ(write_network(c.network), write_network(network));
  EXPECT_EQ(c.assumptions, std::vector<std::string>{});

  ASSERT_EQ(run({"export", "--checkpoint", "in", "--format", "onnx", "--precision", "7,3",
                 "--rounding", "rnd_conv", "--output", "typed.onnx"})
                .status,
            0);
  r = run({"import", "typed.onnx", "--output", "typed", "--set", "data.name=synthetic"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"description: typed/typed.json", "types: 7,3", "no batch norm"});
  ASSERT_EQ(run({"export", "--checkpoint", "typed", "--output", "p", "--vectors", "2"}).status, 0);
  r = run({"check", "p"});
  EXPECT_EQ(r.status, 0) << r.output;
  ASSERT_EQ(run({"export", "--checkpoint", "in", "--output", "q", "--vectors", "2", "--precision",
                 "7,3", "--rounding", "rnd_conv"})
                .status,
            0);
  EXPECT_EQ(read_file(file("p/tb_data/expected.dat")), read_file(file("q/tb_data/expected.dat")));

  expect_failure(2, {"--network: theirs.onnx is an ONNX model", "leave it out"},
                 {"import", "theirs.onnx", "--network", "resnet8"});
  expect_failure(2, {"--output typed.onnx: it exists already", "--force"},
                 {"export", "--checkpoint", "in", "--format", "onnx", "--output", "typed.onnx"});
  expect_failure(2, {"go with --precision"},
                 {"export", "--checkpoint", "in", "--format", "onnx", "--rounding", "trn",
                  "--output", "x.onnx"});
  expect_failure(5, {"its type", "does not saturate at its ends", "--overflow"},
                 {"export", "--checkpoint", "in", "--format", "onnx", "--precision", "8,3",
                  "--overflow", "wrap", "--output", "x.onnx"});
  model.nodes.back().op_type = "LSTM";
  write_file(file("other.onnx"), print_onnx(model));
  expect_failure(5, {"other.onnx: node 'fc' (LSTM): an operator that no layer"},
                 {"import", "other.onnx", "--output", "x"});
  expect_failure(2, {"--network: expected the network that", "only an ONNX model says it itself"},
                 {"import", "typed/typed.json", "--output", "x"});
  expect_failure(2, {"--scale-bits: typed/typed.json is no ONNX model"},
                 {"import", "typed/typed.json", "--output", "x", "--scale-bits", "8"});
  EXPECT_FALSE(path_exists(file("x")) || path_exists(file("x.onnx")));
}

/// By channel for weights, and 0.04 for the input, which the preprocessing takes.
TEST_F(TrainCli, AModelWithScalesOfItsOwnBecomesAProject) {
  const Network network = make_network(network_by_name("resnet8").config, {3, 32, 32}, 10);
  TrainedPrecision p;
  p.weights = "4,3", p.activations = "7,3", p.scales = "u8,0";
  p.rounding = Rounding::RndConv;
  p.input_magnitude = 1.9;
  const Plan plan = plan_trained(lower(network, testing::random_tensors(network, 9), "x"), p);
  OnnxModel model = onnx_of(plan.graph()).model;
  model.initializers.at("input/out/scale") = Tensor::from<float>({}, {0.04F});
  write_file(file("scaled.onnx"), print_onnx(model));
  ProcessResult r = run({"import", "scaled.onnx", "--output", "in", "--set", "data.name=synthetic",
                         "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25", "--scale-bits", "12"});
  ASSERT_EQ(r.status, 0) << r.output;
  testing::expect_words(r.output, {"10 of them with given scales", "a scale of each channel, of 12",
                                   "the deviation of the preprocessing is divided by 0.78125"});
  EXPECT_NEAR(load_checkpoint(file("in/model.ckpt")).preprocessing.deviation.at(0), 0.32, 1e-6);
  ASSERT_EQ(run({"export", "--checkpoint", "in", "--output", "p", "--vectors", "2"}).status, 0);
  r = run({"check", "p"});
  EXPECT_EQ(r.status, 0) << r.output;
  auto confusion = [&](const char* backend) {
    const ProcessResult e = run({"evaluate", "--checkpoint", "in", "--backend", backend, "--limit",
                                 "20", "--json", "--log", "off"});
    EXPECT_EQ(e.status, 0) << e.output;
    return Json::parse(e.output, "evaluate").at("confusion");
  };
  EXPECT_EQ(confusion("emulator"), confusion("libtorch"));
}

TEST_F(TrainCli, AnImportThatFindsNoRoomLeavesNothing) {
  const Network network = make_network(network_by_name("resnet8").config, {3, 32, 32}, 10);
  Network own = network;  // no built-in one: its description is a file too
  own.blocks.erase(own.blocks.begin() + 1);
  write_file(file("own.onnx"),
             print_onnx(onnx_of(lower(own, testing::random_tensors(own, 9), "x").graph()).model));
  const std::string disk = file("disk");
  create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=100k") != 0)
    GTEST_SKIP() << "mounting a tmpfs needs root";
  const std::vector<std::string> import = {
      "import", "own.onnx", "--set", "data.name=synthetic", "--output", "disk/imports/in"};
  const ProcessResult r = run(import);
  EXPECT_EQ(r.status, 4) << r.output;
  testing::expect_words(r.output, {"model.ckpt: No space left on device"});
  EXPECT_TRUE(is_empty_directory(disk)) << join(list_files_recursively(disk), ", ");
  ::umount(disk.c_str());
  EXPECT_EQ(run(import).status, 0);
  EXPECT_EQ(list_directory(file("disk/imports/in")),
            (std::vector<std::string>{"model.ckpt", "own.json"}));
}

}  // namespace
}  // namespace tailor::test
