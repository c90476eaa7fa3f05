// The configurations inside the program: every image experiment of the paper is there, its
// alterations fit into its epochs, and every value says where it comes from.
#include <gtest/gtest.h>

#include <map>

#include "tailor/core/embedded.h"
#include "tailor/surgery/surgery.h"

namespace tailor {
namespace {

/// The network as the data set makes it.
Network network_of(const RunConfig& c) {
  const std::map<std::string, int64_t> classes = {
      {"synthetic", 10}, {"cifar10", 10}, {"svhn", 10}, {"cifar100", 100}, {"folder", 1000}};
  const int64_t side = c.data.any_size() ? c.data.image_size : 32;
  return make_network(c.network, {3, side, side}, classes.at(c.data.name));
}

RunConfig embedded(const std::string& name) { return load_run_config(name, {}).config; }

TEST(EmbeddedConfigs, EveryAlterationFitsAndAThirdOfTheRunIsLeftAfterThem) {
  for (const std::string& name : embedded_config_names()) {
    SCOPED_TRACE(name);
    const RunConfig c = embedded(name);
    const Network network = network_of(c);
    const std::vector<PlannedEdit> edits =
        plan_edits(c.surgery, network, c.train.epochs, name + ".json");
    EXPECT_EQ(edits.size(), skip_ids(network).size());
    EXPECT_LE(3 * settled_epoch(c.surgery, edits), 2 * c.train.epochs);
    if (c.train.schedule.kind == "step") {  // not at a vanishing rate
      EXPECT_LT(edits.back().epoch, 2 * c.train.schedule.step_epochs);
    } else {
      EXPECT_EQ(c.train.schedule.kind, "hold_then_cosine");
    }
  }
}

TEST(EmbeddedConfigs, EveryImageExperimentOfThePaperIsThere) {
  const std::pair<const char*, const char*> sets[] = {
      {"", "cifar10"}, {"c100_", "cifar100"}, {"svhn_", "svhn"}};
  for (const int64_t depth : {8, 20, 32, 44, 56, 110}) {
    for (const auto& [infix, data] : sets) {
      const std::string name = fmt::format("resnet{}_{}", depth, infix);
      SCOPED_TRACE(name);
      const RunConfig removed = embedded(name + "remove");
      EXPECT_EQ(removed.network.depth, depth);
      EXPECT_EQ(removed.data.name, data);
      EXPECT_EQ(removed.surgery.kind, SurgeryKind::Remove);
      // All else is equal, so that the teacher is the same run.
      RunConfig shortened = embedded(name + "shorten");
      EXPECT_EQ(shortened.surgery.kind, SurgeryKind::Shorten);
      shortened.surgery.kind = SurgeryKind::Remove;
      EXPECT_EQ(write_run_config(shortened).dump(), write_run_config(removed).dump());
    }
  }
  const RunConfig imagenet = embedded("resnet50_imagenet_remove");
  EXPECT_EQ(imagenet.network.family, "resnet_imagenet");
  EXPECT_EQ(parameter_count(network_of(imagenet)), 25'557'032);
  EXPECT_EQ(imagenet.surgery.kind, SurgeryKind::Remove);
}

/// ResNet-34 is the same configuration at another depth.
TEST(EmbeddedConfigs, AFolderOfPicturesTakesResnet18And34) {
  for (const auto& [depth, skips] : {std::pair("18", size_t{8}), std::pair("34", size_t{16})}) {
    const RunConfig c =
        load_run_config("resnet18_folder", {std::string("network.depth=") + depth}).config;
    const Network network = network_of(c);
    const auto edits = plan_edits(c.surgery, network, c.train.epochs, "resnet18_folder");
    EXPECT_EQ(edits.size(), skips);
    EXPECT_LE(3 * settled_epoch(c.surgery, edits), 2 * c.train.epochs);
    EXPECT_EQ(network.input, (MapShape{3, 128, 128}));
  }
}

TEST(EmbeddedConfigs, EveryPartSaysItsSource) {
  for (const EmbeddedFile& file : embedded_configs()) {
    const std::string name = file.name;
    SCOPED_TRACE(name);
    const Json json = Json::parse(file.text, name);
    EXPECT_GT(json.get_string("comment", "").size(), 20U);
    if (name.rfind("quickstart", 0) == 0) continue;  // wholly ours, and says so
    for (const char* part : {"network", "data", "teacher", "surgery", "distill", "train"})
      EXPECT_GT(json.at(part).get_string("comment", "").size(), 20U) << part;
  }
}

}  // namespace
}  // namespace tailor
