// The configurations inside the program: every image experiment of the paper is there, its
// alterations fit into its epochs, and every value says where it comes from.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "support/rooms.h"
#include "tailor/core/embedded.h"
#include "tailor/core/strings.h"
#include "tailor/data/source.h"
#include "tailor/run/matrix.h"
#include "tailor/run/recipe.h"
#include "tailor/run/run_config.h"
#include "tailor/surgery/surgery.h"

namespace tailor::test {
namespace {

/// The network as the data set makes it.
Network network_of(const RunConfig& c) {
  switch (data::traits_of(c.data).kind) {
    case ExampleKind::Speech:
      return make_network(c.network, {64, 1, 1600}, 29);
    case ExampleKind::Signal:
      return make_network(c.network, {1, 1, c.data.signal.chunk}, 5);
    case ExampleKind::Images:
      break;
  }
  const std::map<std::string, int64_t> classes = {
      {"synthetic", 10}, {"cifar10", 10}, {"svhn", 10}, {"cifar100", 100}, {"folder", 1000}};
  const int64_t side = c.data.any_size() ? c.data.image_size : 32;
  return make_network(c.network, {3, side, side}, classes.at(c.data.name));
}

RunConfig embedded(const std::string& name) { return load_run_config(name, {}).config; }

TEST(EmbeddedConfigs, EveryAlterationFitsAndAThirdOfTheRunIsLeftAfterThem) {
  for (const std::string& name : embedded_config_names()) {
    SCOPED_TRACE(name);
    if (name.rfind("method_", 0) == 0) continue;  // below
    const RunConfig c = embedded(name);
    const Network network = network_of(c);
    const std::vector<PlannedEdit> edits =
        plan_edits(c.surgery, network, c.train.epochs, name + ".json");
    EXPECT_EQ(edits.size(), skip_ids(network).size());
    EXPECT_LE(3 * settled_epoch(c.surgery, edits), 2 * c.train.epochs);
    if (c.train.schedule.kind == "step") {  // not at a vanishing rate
      EXPECT_LT(edits.back().epoch, 2 * c.train.schedule.step_epochs);
    } else if (c.train.schedule.kind == "cosine") {  // at half of the rate or more
      EXPECT_LE(2 * edits.back().epoch, c.train.epochs);
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

TEST(EmbeddedConfigs, TheSequencesOfThePaperAreThere) {
  const std::tuple<const char*, int64_t, size_t> networks[] = {
      {"quartznet5x5_dna_", 6'678'533, 5}, {"quartznet10x5_speech_", 12'818'781, 10}};
  for (const auto& [prefix, parameters, skips] : networks) {
    const std::string name = prefix;
    SCOPED_TRACE(name);
    const RunConfig removed = embedded(name + "remove");
    EXPECT_EQ(removed.surgery.kind, SurgeryKind::Remove);
    EXPECT_EQ(removed.distill.beta, 0.35);
    EXPECT_EQ(parameter_count(network_of(removed)), parameters);
    EXPECT_EQ(skip_ids(network_of(removed)).size(), skips);
    RunConfig shortened = embedded(name + "shorten");
    EXPECT_EQ(shortened.surgery.kind, SurgeryKind::Shorten);
    EXPECT_EQ(shortened.network.join, Join::AfterActivation);
    shortened.surgery.kind = SurgeryKind::Remove;
    shortened.network.join = Join::BeforeActivation;
    EXPECT_EQ(write_run_config(shortened).dump(), write_run_config(removed).dump());
  }
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

/// Its teacher is the one of the student in floating point.
TEST(EmbeddedConfigs, TheQuantisedStudentIsTheShortenedOneInEightBits) {
  RunConfig quantised = embedded("resnet20_quantised");
  ASSERT_TRUE(quantised.quantization.has_value());
  EXPECT_EQ(quantised.quantization->precision, "8");
  EXPECT_EQ(quantised.quantization->points, Points::Learned);
  quantised.quantization.reset();
  EXPECT_EQ(write_run_config(quantised).dump(),
            write_run_config(embedded("resnet20_shorten")).dump());
}

/// Phase for phase: skips that it begins with and ends with, and who teaches it.
std::string course_of(const RunConfig& c, const std::string& name) {
  const Recipe recipe = make_recipe(c);
  std::string text;
  std::vector<Network> ends_with;
  for (size_t i = 0; i < recipe.phases.size(); ++i) {
    const Phase& phase = recipe.phases[i];
    Network network = network_of(c);
    if (phase.start == kInitial || phase.teacher.empty()) {
      network = alter_every_skip(network, phase.train.skips);
    } else if (i > 0) {
      network = ends_with.back();
    }
    text += fmt::format("{}{}", text.empty() ? "" : " ", skip_ids(network).size());
    const auto edits = plan_edits(phase.surgery, network, phase.train.epochs, name);
    for (const PlannedEdit& edit : edits)
      apply_alteration(network, edit.skip_id, edit.kind, edit.part);
    if (!edits.empty()) text += fmt::format(">{}", skip_ids(network).size());
    if (!phase.teacher.empty()) text += phase.teacher == kFirst ? "<first" : "<";
    ends_with.push_back(network);
  }
  return text;
}

TEST(EmbeddedConfigs, EveryMethodOfTheFieldIsThere) {
  const std::map<std::string, std::string> courses = {
      {"scratch", "9"},
      {"scratch_removed", "0"},
      {"scratch_shortened", "18"},
      {"distill_only_removed", "9 0<"},
      {"distill_only_shortened", "9 18<"},
      {"unaltered", "9 9<"},
      {"skip_remover", "9 9>0<"},
      {"skip_remover_reset", "9 9>0<"},
      {"skip_shortener_before", "9 9>18<"},
      {"skip_shortener_after", "9 9>18<"},
      {"rounds_2020", "9 9>18< 18>12< 12>6< 6>0<"},
      {"keras_2021",
       "9 9>8< 8>7<first 7>6<first 6>5<first 5>4<first 4>3<first 3>2<first 2>1<first 1>0<first"},
      {"residual_distillation", "9 0<"},
      {"repvgg", "35"},
      {"dirac", "0"},
      {"solve", "9 9>0<"}};
  std::set<std::string> names;
  for (const auto& [method, course] : courses) {
    for (const char* seed : {"", "_s2", "_s3"}) {
      const std::string name = "method_" + method + seed;
      names.insert(name);
      SCOPED_TRACE(name);
      const RunConfig c = embedded(name);
      EXPECT_EQ(course_of(c, name), course);
      EXPECT_EQ(c.train.epochs, 12);
      EXPECT_EQ(c.data.train_size - c.data.validation, 20000);
      EXPECT_EQ(c.train.seed, *seed ? seed[2] - '0' : 1);
      if (c.teacher) {
        EXPECT_EQ(c.teacher->train.seed, c.train.seed);
      }
    }
  }
  for (const std::string& name : embedded_config_names())
    EXPECT_TRUE(name.rfind("method_", 0) != 0 || names.count(name) == 1) << name;
  // The two differ in one key.
  RunConfig reset = embedded("method_skip_remover_reset");
  EXPECT_EQ(reset.surgery.optimizer, OptimizerState::Reset);
  reset.surgery.optimizer = OptimizerState::Keep;
  EXPECT_EQ(write_run_config(reset).dump(),
            write_run_config(embedded("method_skip_remover")).dump());
}

/// A comment is a text, or its lines.
size_t comment_size(const Json& part) {
  const Json* comment = part.find("comment");
  if (!comment) return 0;
  return comment->is_array() ? comment->dump().size() : comment->as_string().size();
}

TEST(EmbeddedConfigs, EveryPartSaysItsSource) {
  for (const EmbeddedFile& file : embedded_configs()) {
    const std::string name = file.name;
    SCOPED_TRACE(name);
    const Json json = Json::parse(file.text, name);
    EXPECT_GT(comment_size(json), 20U);
    if (name.rfind("quickstart", 0) == 0) continue;  // wholly ours, and says so
    const Json& parts = is_matrix(json) ? json.at("base") : json;
    for (const char* part : {"network", "data", "teacher", "surgery", "distill", "train"})
      EXPECT_GT(comment_size(parts.at(part)), 20U) << part;
    if (!is_matrix(json)) continue;
    for (const auto& [axis, values] : json.at("axes").as_object()) {
      EXPECT_GT(comment_size(values), 20U) << axis;
      if (axis != "method") continue;
      for (const auto& [method, sets] : values.as_object())
        EXPECT_TRUE(method == "comment" || comment_size(sets) > 15U) << method;
    }
    for (const Json& exception : json.at("exceptions").as_array())
      EXPECT_GT(comment_size(exception), 20U) << exception.dump();
  }
}

/// What its members differ in: join, data, teacher, student, each as epochs x batch and schedule.
std::string members_of(const Json& matrix) {
  std::string text = "\n";
  auto training = [](const Json& t) {
    return fmt::format("{}x{} {}", t.at("epochs").as_int(), t.at("batch_size").as_int(),
                       t.at("schedule").at("kind").as_string());
  };
  for (const auto& [name, c] : matrix_members(matrix, "the matrix")) {
    std::vector<std::string> augment;
    for (const Json& step : c.at("data").at("augment").as_array())
      augment.push_back(step.as_string());
    text += fmt::format(
        "{} {} {} {} {} {} {}\n", name, split(c.at("network").at("join").as_string(), '_')[0],
        c.at("data").at("name").as_string(), join(augment, "+"), training(c.at("teacher")),
        c.at("teacher").at("schedule").get_int("warmup_epochs", 0), training(c.at("train")));
  }
  return text;
}

/// As the forty files said it that the matrix replaced, and what came since.
TEST(EmbeddedConfigs, TheMatrixSaysWhatAFileForEachMemberSaid) {
  std::string matrix;
  for (const EmbeddedFile& file : embedded_configs()) {
    if (file.name == std::string_view("cifar_matrix.json")) matrix = file.text;
  }
  EXPECT_EQ(members_of(Json::parse(matrix, "cifar_matrix.json")), R"(
resnet110_c100_remove before cifar100 pad_crop+flip 160x128 cosine 2 250x128 hold_then_cosine
resnet110_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 2 250x128 hold_then_cosine
resnet110_c100_solve before cifar100 pad_crop+flip 160x128 cosine 2 20x64 cosine
resnet110_remove before cifar10 pad_crop+flip 160x128 cosine 2 250x128 hold_then_cosine
resnet110_shorten before cifar10 pad_crop+flip 160x128 cosine 2 250x128 hold_then_cosine
resnet110_solve before cifar10 pad_crop+flip 160x128 cosine 2 20x64 cosine
resnet110_svhn_remove before svhn pad_crop 80x128 cosine 2 250x128 hold_then_cosine
resnet110_svhn_shorten before svhn pad_crop 80x128 cosine 2 250x128 hold_then_cosine
resnet110_svhn_solve before svhn pad_crop 80x128 cosine 2 20x64 cosine
resnet20_c100_remove before cifar100 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet20_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet20_c100_solve before cifar100 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet20_remove before cifar10 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet20_remove_paper before cifar10 pad_crop+flip 200x32 step 0 200x32 step
resnet20_shorten before cifar10 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet20_shorten_paper after cifar10 pad_crop+flip 200x32 step 0 200x32 step
resnet20_solve before cifar10 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet20_svhn_remove before svhn pad_crop 80x128 cosine 0 60x128 hold_then_cosine
resnet20_svhn_shorten before svhn pad_crop 80x128 cosine 0 60x128 hold_then_cosine
resnet20_svhn_solve before svhn pad_crop 80x128 cosine 0 20x64 cosine
resnet32_c100_remove before cifar100 pad_crop+flip 160x128 cosine 0 90x128 hold_then_cosine
resnet32_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 0 90x128 hold_then_cosine
resnet32_c100_solve before cifar100 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet32_remove before cifar10 pad_crop+flip 160x128 cosine 0 90x128 hold_then_cosine
resnet32_shorten before cifar10 pad_crop+flip 160x128 cosine 0 90x128 hold_then_cosine
resnet32_solve before cifar10 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet32_svhn_remove before svhn pad_crop 80x128 cosine 0 90x128 hold_then_cosine
resnet32_svhn_shorten before svhn pad_crop 80x128 cosine 0 90x128 hold_then_cosine
resnet32_svhn_solve before svhn pad_crop 80x128 cosine 0 20x64 cosine
resnet44_c100_remove before cifar100 pad_crop+flip 160x128 cosine 0 120x128 hold_then_cosine
resnet44_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 0 120x128 hold_then_cosine
resnet44_c100_solve before cifar100 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet44_remove before cifar10 pad_crop+flip 160x128 cosine 0 120x128 hold_then_cosine
resnet44_shorten before cifar10 pad_crop+flip 160x128 cosine 0 120x128 hold_then_cosine
resnet44_solve before cifar10 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet44_svhn_remove before svhn pad_crop 80x128 cosine 0 120x128 hold_then_cosine
resnet44_svhn_shorten before svhn pad_crop 80x128 cosine 0 120x128 hold_then_cosine
resnet44_svhn_solve before svhn pad_crop 80x128 cosine 0 20x64 cosine
resnet56_c100_remove before cifar100 pad_crop+flip 160x128 cosine 0 140x128 hold_then_cosine
resnet56_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 0 140x128 hold_then_cosine
resnet56_c100_solve before cifar100 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet56_remove before cifar10 pad_crop+flip 160x128 cosine 0 140x128 hold_then_cosine
resnet56_shorten before cifar10 pad_crop+flip 160x128 cosine 0 140x128 hold_then_cosine
resnet56_solve before cifar10 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet56_svhn_remove before svhn pad_crop 80x128 cosine 0 140x128 hold_then_cosine
resnet56_svhn_shorten before svhn pad_crop 80x128 cosine 0 140x128 hold_then_cosine
resnet56_svhn_solve before svhn pad_crop 80x128 cosine 0 20x64 cosine
resnet8_c100_remove before cifar100 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet8_c100_shorten before cifar100 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet8_c100_solve before cifar100 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet8_remove before cifar10 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet8_remove_paper before cifar10 pad_crop+flip 200x32 step 0 200x32 step
resnet8_shorten before cifar10 pad_crop+flip 160x128 cosine 0 60x128 hold_then_cosine
resnet8_shorten_paper after cifar10 pad_crop+flip 200x32 step 0 200x32 step
resnet8_solve before cifar10 pad_crop+flip 160x128 cosine 0 20x64 cosine
resnet8_svhn_remove before svhn pad_crop 80x128 cosine 0 60x128 hold_then_cosine
resnet8_svhn_shorten before svhn pad_crop 80x128 cosine 0 60x128 hold_then_cosine
resnet8_svhn_solve before svhn pad_crop 80x128 cosine 0 20x64 cosine
)");
}

}  // namespace
}  // namespace tailor::test
