#include "tailor/config/run_config.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tailor {
namespace {

constexpr const char* kJoins[] = {"before_activation", "after_activation"};
constexpr const char* kShortcuts[] = {"projection", "pad", "pad_end"};
constexpr const char* kAlterations[] = {"remove", "shorten", "keep"};
constexpr const char* kOrders[] = {"input_first", "output_first"};
constexpr const char* kSurgeries[] = {"none", "remove", "shorten"};
constexpr const char* kLayouts[] = {"fused", "stock"};
constexpr const char* kBackends[] = {"vitis", "vivado"};
constexpr const char* kRoundings[] = {"trn",     "trn_zero",    "rnd",     "rnd_zero",
                                      "rnd_inf", "rnd_min_inf", "rnd_conv"};
constexpr const char* kOverflows[] = {"sat", "sat_zero", "sat_sym", "wrap", "wrap_sm"};
constexpr const char* kFamilies[] = {"resnet_cifar", "resnet_imagenet", "resnet_mlperf_tiny",
                                     "residual_block", "file"};
constexpr const char* kStridesOn[] = {"3x3", "1x1"};
constexpr const char* kData[] = {"cifar10", "cifar100", "svhn",        "folder",
                                 "packed",  "npy",      "mlperf_tiny", "synthetic"};
constexpr const char* kAugmentations[] = {
    "pad_crop", "random_crop", "random_resized_crop", "flip", "color_jitter", "cutout", "mixup"};
constexpr const char* kUnreadable[] = {"skip", "error"};
constexpr const char* kFpgas[] = {"u200"};

template <size_t N>
RecordVisitor::Names names(const char* const (&array)[N]) {
  return {array, N};
}

/// A choice kept as text in the record.
void text_choice(RecordVisitor& v, const char* key, std::string& value, RecordVisitor::Names kinds,
                 const char* doc) {
  int index = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (value == kinds[i]) index = static_cast<int>(i);
  }
  v.choice(key, index, kinds, doc);
  value = kinds[static_cast<size_t>(index)];
}
template <size_t N>
void text_choice(RecordVisitor& v, const char* key, std::string& value,
                 const char* const (&array)[N], const char* doc) {
  text_choice(v, key, value, names(array), doc);
}

void describe(RecordVisitor& v, NetworkConfig& c) {
  text_choice(v, "family", c.family, kFamilies,
              "Network family: resnet_cifar is the ResNet for 32x32 images of He et al. 2015, "
              "section 4.2; resnet_imagenet the one of its table 1; resnet_mlperf_tiny MLPerf "
              "Tiny's ResNet-8; residual_block the paper's block study; file your own.");
  v.text("file", c.file,
         "family file: the JSON description of the network (tailor inspect --as-json prints one); "
         "depth, width, stride_on, shortcut and join are not used.");
  v.integer("depth", c.depth, 8, 1202,
            "Layers with weights on the main path. resnet_cifar: 6n + 2 (8, 20, 32, 44, 56, 110); "
            "resnet_imagenet: 18, 34, 50 or 101; the others have one.");
  v.integer("width", c.width, 0, 1024,
            "Filters of the first stage; each later one has twice as many. 0: the family's own, 16 "
            "(resnet_imagenet: 64).");
  v.enumeration("stride_on", c.stride_on, names(kStridesOn),
                "Which convolution of a bottleneck has the stride: 3x3 (v1.5) or the first 1x1 "
                "(v1).");
  v.enumeration(
      "shortcut", c.shortcut, names(kShortcuts),
      "Skip where the shape changes: projection is a strided 1x1 convolution with batch norm "
      "(option B), pad a strided slice with zero channels, half before and half behind (option A, "
      "no parameters), pad_end the same with all of them behind.");
  v.enumeration("join", c.join, names(kJoins),
                "Where a skip is added: before_activation is relu(F(x) + x), after_activation is "
                "relu(F(x)) + x (paper, Eq. 2).");
}

void describe(RecordVisitor& v, DataConfig& c) {
  text_choice(
      v, "name", c.name, kData,
      "Data set: the official files of CIFAR-10, CIFAR-100 (binary or Python) or SVHN (.mat); "
      "folder, any JPEG and PNG files in class folders (ImageNet's layout, Tiny ImageNet's, or one "
      "folder a class); packed, what tailor data pack made; npy, NumPy arrays of 8 bits, 16 bits "
      "or floats with any number of channels; or the procedural ten-class set made in memory.");
  v.text(
      "root", c.root,
      "Folder with the data set's files (cifar-10-batches-bin is also looked for inside it); for "
      "folder also an archive (.tar, .tar.gz, .zip). Empty: $TAILOR_DATA, else ./data.");
  v.integer(
      "image_size", c.image_size, 0, kLargestImageSize,
      "folder, packed: side of the square that the network sees, in pixels, at least 1. The other "
      "data sets have images of one size, and 0 here.");
  v.integer("resize", c.resize, 0, 8192,
            "folder, packed: evaluation scales the short side to this, then cuts out the centre. "
            "0: 8/7 of "
            "image_size (256 for 224).");
  v.integer(
      "channels", c.channels, 0, 3,
      "folder: channels that the network sees: 3, RGB (grey is repeated), or 1, grey (colours "
      "become their ITU-R 601 luma). 0: 3. packed: 0, or as many as the cache has. The other "
      "data sets have channels of their own.");
  v.boolean("extra", c.extra, "svhn: train on extra_32x32.mat too.");
  v.enumeration("unreadable", c.unreadable, names(kUnreadable),
                "folder: files that are no readable picture are left out and named in the log "
                "(skip), or are an error.");
  v.integer("validation", c.validation, 0, 1000000,
            "Training images kept back for validation, drawn once by `seed`. 0: no validation "
            "split, and so no best.ckpt.");
  v.choices("augment", c.augment, names(kAugmentations),
            "Training augmentation: pad_crop pads 4 zero pixels and crops at random; random_crop "
            "scales the short side to `resize` and crops at random; random_resized_crop takes a "
            "random part in a random aspect ratio; flip mirrors half of the images; color_jitter, "
            "cutout and mixup as below.");
  v.record(
      "random_resized_crop",
      [&](RecordVisitor& r) {
        r.number("min_area", c.random_resized_crop.min_area, 0.001, 1,
                 "Smallest part of the picture's area; the largest is 1.");
        r.number("max_aspect", c.random_resized_crop.max_aspect, 1, 10,
                 "Width by height is between 1/max_aspect and max_aspect.");
      },
      "Parameters of random_resized_crop (Szegedy et al. 2015; the defaults are torchvision's).");
  v.record(
      "color_jitter",
      [&](RecordVisitor& r) {
        r.number("brightness", c.color_jitter.brightness, 0, 1, "Factor within 1 ± this.");
        r.number("contrast", c.color_jitter.contrast, 0, 1,
                 "Factor within 1 ± this, around the mean grey.");
        r.number("saturation", c.color_jitter.saturation, 0, 1,
                 "Factor within 1 ± this, around each pixel's grey; not of images of one channel.");
      },
      "Parameters of color_jitter, in the order in which they are applied.");
  v.record(
      "cutout",
      [&](RecordVisitor& r) {
        r.integer("side", c.cutout.side, 1, 4096,
                  "Side of the square in pixels; its centre is anywhere in the image.");
      },
      "Parameter of cutout, which sets a square to the mean colour (DeVries and Taylor 2017).");
  v.record(
      "mixup",
      [&](RecordVisitor& r) {
        r.number("alpha", c.mixup.alpha, 0.01, 1, "The share is drawn from Beta(alpha, alpha).");
      },
      "Parameter of mixup, which blends each image of a batch and its label with another of the "
      "batch (Zhang et al. 2018).");
  v.integer("train_size", c.train_size, 0, 100000000,
            "Use only the first N training images, before the validation split (synthetic: make "
            "N). 0: all (synthetic: 6000).");
  v.integer(
      "test_size", c.test_size, 0, 100000000,
      "Use only the first N test images (synthetic: make N). 0: all (synthetic: 1000). A folder "
      "without test images needs it: N pictures are drawn by `seed` and kept back.");
  v.integer(
      "seed", c.seed, 0, INT32_MAX,
      "Seed of the validation split and of the synthetic images. Runs to be compared share it.");
  v.numbers("mean", c.mean, -1e9, 1e9,
            "Mean of the pixels in 0..1 (npy's floats: of the numbers as they are), one number a "
            "channel. Empty: the data set's.");
  v.numbers("deviation", c.deviation, 1e-6, 1e9,
            "Per-channel standard deviation. Empty: the data set's.");
}

void describe(RecordVisitor& v, OptimizerConfig& c) {
  text_choice(v, "kind", c.kind, {optimizer_kinds().data(), optimizer_kinds().size()},
              "sgd: stochastic gradient descent with momentum; adamw (Loshchilov and Hutter 2019); "
              "novograd (Ginsburg et al. 2019).");
  v.number("lr", c.lr, 0, 1000, "Base learning rate.");
  v.number("momentum", c.momentum, 0, 0.999999, "sgd: momentum; kept over every alteration.");
  v.boolean("nesterov", c.nesterov, "sgd: Nesterov momentum.");
  v.number("weight_decay", c.weight_decay, 0, 1,
           "Of every parameter, batch norm and bias included. sgd: L2 penalty; adamw: decoupled; "
           "novograd: added to the normalised gradient.");
  v.numbers("betas", c.betas, 0, 0.999999,
            "adamw, novograd: decay of the first and of the second moment. []: 0.9 and 0.999 "
            "(adamw), 0.95 and 0.98 (novograd).");
  v.number("epsilon", c.epsilon, 0, 1, "adamw, novograd: added to the root of the second moment.");
  v.number("clip_norm", c.clip_norm, 0, 1e9,
           "Gradients whose L2 norm over all parameters is larger are scaled to this norm; 0: none "
           "are.");
}

void describe(RecordVisitor& v, ScheduleConfig& c) {
  text_choice(
      v, "kind", c.kind, {schedule_kinds().data(), schedule_kinds().size()},
      "Learning rate over the epochs: constant; hold_then_cosine (constant until alpha epochs "
      "after the last edit, then a cosine to 0); cosine; step (times gamma every step_epochs).");
  v.integer(
      "warmup_epochs", c.warmup_epochs, 0, 1000000,
      "Epochs of linear warm-up within the schedule: of its n steps the first has 1/n of the rate, "
      "the last the whole.");
  v.optional_integer("hold_epochs", c.hold_epochs, 0, 1000000,
                     "hold_then_cosine: epochs at the base rate. null: until alpha epochs after "
                     "the last edit, or half of the epochs if nothing is altered.");
  v.integer("step_epochs", c.step_epochs, 1, 1000000, "step: epochs between two decays.");
  v.number("gamma", c.gamma, 0, 1, "step: factor of a decay.");
}

void describe_train(RecordVisitor& v, TrainConfig& c) {
  v.text("start", c.start,
         "A checkpoint whose weights and preprocessing the training begins with (tailor import, "
         "also with --new-head). Empty: initial weights. A student begins as its teacher.");
  v.integer("epochs", c.epochs, 1, 1000000, "Epochs in all, counted from 0.");
  v.integer("batch_size", c.batch_size, 1, 65536,
            "Images a step; the last batch of an epoch may be smaller.");
  v.record(
      "optimizer", [&](RecordVisitor& r) { describe(r, c.optimizer); },
      "Optimiser; one for the whole run.");
  v.record(
      "schedule", [&](RecordVisitor& r) { describe(r, c.schedule); },
      "Learning-rate schedule; never restarted by an alteration.");
  v.integer("seed", c.seed, 0, INT32_MAX,
            "Seed of initial weights, order of images and augmentation.");
}

void describe(RecordVisitor& v, TeacherConfig& c) {
  v.text("checkpoint", c.checkpoint,
         "A finished teacher: its checkpoint, or its run folder (best.ckpt, else last.ckpt). If "
         "given, no teacher is trained, and the keys of training are not used.");
  v.text("weights_sha256", c.weights_sha256,
         "Digest of the teacher's weights; another teacher is then an error. Empty: written into "
         "the run's config.json once the run has its teacher.");
  describe_train(v, c.train);
}

void describe(RecordVisitor& v, SkipPlan& c) {
  v.text("skip", c.skip, "Id of a skip (tailor inspect lists them), such as stage2.block0.skip.");
  v.enumeration("kind", c.kind, names(kAlterations),
                "What happens to it: remove, shorten or keep.");
}

void describe(RecordVisitor& v, SurgeryConfig& c) {
  v.enumeration(
      "kind", c.kind, names(kSurgeries),
      "What happens to the skips: none, remove (SkipRemover) or shorten (SkipShortener).");
  v.integer("alpha", c.alpha, 1, 1000000, "Epochs between two alterations (paper, Algorithm 1).");
  v.enumeration("order", c.order, names(kOrders),
                "Which skip goes first: the one nearest the input, or nearest the output.");
  v.integer("at_once", c.at_once, 1, 1000000, "Skips altered at each due epoch.");
  v.optional_integer("first_epoch", c.first_epoch, 0, 1000000,
                     "First epoch before which an alteration is due. null: alpha (Algorithm 1); "
                     "alpha + 1 is the authors' release; 0 alters before training.");
  v.list(
      "plan", c.plan.size(), [&](size_t n) { c.plan.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, c.plan[i]); },
      "Exceptions to kind, skip by skip; skips that are not named follow kind.");
  v.integer(
      "statistics_images", c.statistics_images, 0, 1000000,
      "Training images on which the batch norms' running statistics are estimated again after "
      "an alteration; those of the network before it say nothing about the one after it. 0: "
      "they are left as they were.");
  v.boolean("allow_partial", c.allow_partial,
            "Accept a run too short to reach every skip; otherwise that is an error.");
}

void describe(RecordVisitor& v, DistillConfig& c) {
  v.number("beta", c.beta, 0, 1,
           "Weight of the teacher in the loss (1 - beta) * CE(student, label) + beta * MSE(student "
           "logits, teacher logits) (paper, Eq. 3). 0: no distillation.");
}

void describe(RecordVisitor& v, RuntimeConfig& c) {
  v.integer("threads", c.threads, 0, 1024,
            "Threads of LibTorch. 0: as many as affinity mask and cgroup quota allow. Resuming bit "
            "for bit needs the same number.");
  v.number("checkpoint_minutes", c.checkpoint_minutes, 0, 1e6,
           "Also saves last.ckpt in the middle of an epoch this often; 0: only at its end.");
  v.text(
      "device", c.device,
      "Where the network runs: cpu, cuda (the first GPU), cuda:N, or auto: cuda if LibTorch finds "
      "a GPU, else cpu. tailor env lists what there is.");
}

void describe(RecordVisitor& v, ExportConfig& c) {
  v.text("precision", c.precision,
         "W,I of weights and activations: W bits, I of them before the point.");
  text_choice(v, "fpga", c.fpga, kFpgas, "Card: u200 is the AMD Alveo U200 (xcu200-fsgd2104-2-e).");
  v.number("clock_ns", c.clock_ns, 0.5, 1000,
           "Clock period asked of the HLS tool, in nanoseconds.");
  v.enumeration(
      "rounding", c.rounding, names(kRoundings),
      "Rounding of weights and activations: rnd is floor(v + 1/2); trn is hls4ml's default.");
  v.enumeration("overflow", c.overflow, names(kOverflows),
                "Overflow of weights and activations: sat saturates; wrap is hls4ml's default.");
  v.enumeration("backend", c.backend, names(kBackends),
                "Vendor tool that the scripts and pragmas are written for.");
  v.enumeration("layout", c.layout, names(kLayouts),
                "fused: pad, convolution, skip and ReLU in one stage; stock: hls4ml's stages "
                "(paper, Fig. 2a).");
  v.optional_integer("reuse_factor", c.reuse_factor, 1, 1000000000,
                     "Multiplications per multiplier, for every layer (nearest valid). null: per "
                     "layer, so that the stages take equal time within 70 % of the card's DSPs.");
  v.integer("vectors", c.vectors, 1, 10000, "Test vectors in the project's test bench.");
}

void describe(RecordVisitor& v, RunConfig& c) {
  v.record(
      "network", [&](RecordVisitor& r) { describe(r, c.network); }, "The network.");
  v.record(
      "data", [&](RecordVisitor& r) { describe(r, c.data); }, "Data set, split and augmentation.");
  bool has_teacher = c.teacher.has_value();
  TeacherConfig teacher = c.teacher.value_or(TeacherConfig());
  v.optional_record(
      "teacher", has_teacher, [&](RecordVisitor& r) { describe(r, teacher); },
      "The teacher: a run of its own, reused if finished. Absent: the network is trained from its "
      "initial weights, without distillation or alteration.");
  c.teacher = has_teacher ? std::optional(teacher) : std::nullopt;
  v.record(
      "surgery", [&](RecordVisitor& r) { describe(r, c.surgery); },
      "Alteration of the skip connections.");
  v.record(
      "distill", [&](RecordVisitor& r) { describe(r, c.distill); }, "Knowledge distillation.");
  v.record(
      "train", [&](RecordVisitor& r) { describe_train(r, c.train); },
      "The student's training (or the only one, without a teacher).");
  v.record(
      "runtime", [&](RecordVisitor& r) { describe(r, c.runtime); },
      "What may differ from machine to machine without changing the experiment.");
  v.record(
      "export", [&](RecordVisitor& r) { describe(r, c.exporting); },
      "Defaults of `tailor export` for this run.");
}

void check(const DataConfig& c, const std::string& source) {
  auto number = [](int64_t n) { return std::to_string(n); };
  // Arrays show how many channels and which range they have when they are opened.
  const bool arrays = c.name == "npy" || c.name == "packed";
  const size_t channels = c.name == "folder" && c.channels == 1 ? 1 : 3;
  if (c.mean.size() != c.deviation.size() ||
      (!arrays && !c.mean.empty() && c.mean.size() != channels)) {
    fail_config("/data/mean",
                arrays ? "one number a channel, and as many in /data/deviation (or both empty)"
                : channels == 1 ? "one number, and one in /data/deviation (or both empty)"
                                : "three numbers, and three in /data/deviation (or both empty)",
                fmt::format("{} and {}", c.mean.size(), c.deviation.size()), source);
  }
  for (size_t i = 0; i < c.mean.size() && !arrays; ++i) {
    const std::string at = fmt::format("/{}", i);
    if (c.mean[i] < 0 || c.mean[i] > 1) {
      fail_config("/data/mean" + at, "0 to 1, because pixels are", fmt::format("{}", c.mean[i]),
                  source);
    }
    if (c.deviation[i] > 10) {
      fail_config("/data/deviation" + at, "at most 10, of pixels in 0..1",
                  fmt::format("{}", c.deviation[i]), source);
    }
  }
  if (c.channels != 0 && (!c.any_size() || c.channels == 2)) {
    fail_config("/data/channels",
                c.any_size() ? "3 (RGB) or 1 (grey)"
                             : fmt::format("0, because {}'s images have their own", c.name),
                number(c.channels), source);
  }
  if (c.any_size()) {
    if (c.image_size < 1) {
      fail_config("/data/image_size",
                  "the side of the network's input, because this data set's images have sizes of "
                  "their own",
                  number(c.image_size), source);
    }
    if (c.resize > 0 && c.resize < c.image_size) {
      fail_config("/data/resize", fmt::format("at least /data/image_size, {}", c.image_size),
                  number(c.resize), source);
    }
  } else {
    if (c.image_size != 0) {
      fail_config("/data/image_size", fmt::format("0, {}'s own size", c.name), number(c.image_size),
                  source);
    }
    if (c.resize != 0) {
      fail_config("/data/resize", "0, because all images of " + c.name + " have one size",
                  number(c.resize), source);
    }
    if (c.augments("random_crop")) {
      fail_config("/data/augment",
                  "pad_crop or random_resized_crop, because all images of " + c.name +
                      " have the network's size",
                  "\"random_crop\"", source);
    }
  }
  if (c.extra && c.name != "svhn")
    fail_config("/data/extra", "false, because only svhn has extra images", "true", source);
  std::string crops;
  for (const char* name : {"pad_crop", "random_crop", "random_resized_crop"}) {
    if (!c.augments(name)) continue;
    if (!crops.empty())
      fail_config("/data/augment", "one kind of crop", crops + " and " + name, source);
    crops = name;
  }
  const int64_t side = c.any_size() ? c.image_size : 32;
  if (c.name != "npy" && c.augments("cutout") && c.cutout.side > 2 * side) {
    fail_config("/data/cutout/side", fmt::format("at most twice the image's {} pixels", side),
                number(c.cutout.side), source);
  }
}

void check(const NetworkConfig& c, const std::string& source) {
  const std::string depth = std::to_string(c.depth);
  if (c.family == "resnet_cifar" && (c.depth - 2) % 6 != 0)
    fail_config("/network/depth", "6n + 2 (8, 20, 32, 44, 56, 110, …)", depth, source);
  if (c.family == "resnet_imagenet" && c.depth != 18 && c.depth != 34 && c.depth != 50 &&
      c.depth != 101)
    fail_config("/network/depth", "18, 34, 50 or 101 (family resnet_imagenet)", depth, source);
  if (c.family == "resnet_imagenet" && c.stride_on == StrideOn::First1x1 && c.depth < 50) {
    fail_config("/network/stride_on", "\"3x3\": ResNet-18 and 34 have no bottlenecks", "\"1x1\"",
                source);
  }
  if ((c.family == "file") == c.file.empty()) {
    fail_config("/network/file",
                c.file.empty() ? "the description of the network (family file)"
                               : "no file, or family \"file\"",
                fmt::format("\"{}\"", c.file), source);
  }
}

void check(const RunConfig& c, const std::string& source) {
  auto number = [](int64_t n) { return std::to_string(n); };
  check(c.network, source);
  check(c.data, source);
  bool planned = !c.surgery.plan.empty();
  if (!c.teacher && (c.surgery.kind != SurgeryKind::None || planned)) {
    fail_config("/teacher",
                "a teacher, because /surgery alters skips and a student starts from its teacher",
                "no /teacher", source);
  }
  if (c.surgery.kind == SurgeryKind::None && planned) {
    fail_config("/surgery/kind",
                "\"remove\" or \"shorten\" with a /surgery/plan (which lists the exceptions)",
                "\"none\"", source);
  }
  auto check_train = [&](const TrainConfig& t, const std::string& at) {
    if (t.schedule.warmup_epochs >= t.epochs && t.schedule.warmup_epochs > 0) {
      fail_config(at + "/schedule/warmup_epochs", fmt::format("less than the {} epochs", t.epochs),
                  number(t.schedule.warmup_epochs), source);
    }
    if (t.schedule.hold_epochs && *t.schedule.hold_epochs > t.epochs) {
      fail_config(at + "/schedule/hold_epochs", fmt::format("at most the {} epochs", t.epochs),
                  number(*t.schedule.hold_epochs), source);
    }
    if (!t.optimizer.betas.empty() && t.optimizer.betas.size() != 2)
      fail_config(at + "/optimizer/betas", "two numbers, or none",
                  number(static_cast<int64_t>(t.optimizer.betas.size())), source);
    if (t.optimizer.kind == "sgd" && t.optimizer.nesterov && t.optimizer.momentum == 0)
      fail_config(at + "/optimizer/momentum", "more than 0 with nesterov", "0", source);
  };
  if (c.teacher && !c.teacher->weights_sha256.empty() &&
      (c.teacher->weights_sha256.size() != 64 ||
       c.teacher->weights_sha256.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    fail_config("/teacher/weights_sha256", "64 digits 0 to f, or \"\"",
                fmt::format("\"{}\"", c.teacher->weights_sha256), source);
  }
  check_train(c.train, "/train");
  if (c.teacher && !c.train.start.empty()) {
    fail_config("/train/start",
                "no start, because a student begins as its teacher (/teacher/start)",
                "\"" + c.train.start + "\"", source);
  }
  if (c.teacher && !c.teacher->checkpoint.empty() && !c.teacher->train.start.empty()) {
    fail_config("/teacher/start", "no start, because /teacher/checkpoint is a finished teacher",
                "\"" + c.teacher->train.start + "\"", source);
  }
  if (c.teacher) check_train(c.teacher->train, "/teacher");
  try {
    c.exporting.type();
  } catch (const Error& e) {
    fail(ErrorKind::Config, "config: {} in {}", e.what(), source);
  }
}

}  // namespace

std::vector<const char*>& optimizer_kinds() {
  static std::vector<const char*> kinds = {"sgd", "adamw", "novograd"};
  return kinds;
}
std::vector<const char*>& schedule_kinds() {
  static std::vector<const char*> kinds = {"constant", "hold_then_cosine", "cosine", "step"};
  return kinds;
}

const char* to_string(Join v) { return kJoins[static_cast<size_t>(v)]; }
const char* to_string(Shortcut v) { return kShortcuts[static_cast<size_t>(v)]; }
std::optional<Shortcut> find_shortcut(const std::string& name) {
  for (size_t i = 0; i < std::size(kShortcuts); ++i)
    if (name == kShortcuts[i]) return static_cast<Shortcut>(i);
  return std::nullopt;
}
const char* to_string(AlterationKind v) { return kAlterations[static_cast<size_t>(v)]; }
const char* to_string(Layout v) { return kLayouts[static_cast<size_t>(v)]; }
const char* to_string(HlsBackend v) { return kBackends[static_cast<size_t>(v)]; }
RecordVisitor::Names family_names() { return names(kFamilies); }
RecordVisitor::Names join_names() { return names(kJoins); }
RecordVisitor::Names layout_names() { return names(kLayouts); }
RecordVisitor::Names backend_names() { return names(kBackends); }
RecordVisitor::Names rounding_names() { return names(kRoundings); }
RecordVisitor::Names overflow_names() { return names(kOverflows); }

bool DataConfig::augments(const char* wanted) const {
  return std::find(augment.begin(), augment.end(), wanted) != augment.end();
}
bool DataConfig::is_own() const { return any_size() || name == "npy"; }
bool DataConfig::any_size() const { return name == "folder" || name == "packed"; }

FixedType ExportConfig::type(const std::string& where) const {
  FixedType type = parse_precision(precision, where);
  type.rounding = rounding;
  type.overflow = overflow;
  return type;
}

RunConfig read_run_config(const Json& json, const std::string& source) {
  RunConfig config;
  read_record(json, source, [&](RecordVisitor& v) { describe(v, config); });
  check(config, source);
  config.network = resolve_network_config(config.network);
  return config;
}

NetworkConfig resolve_network_config(NetworkConfig config) {
  if (config.width == 0) config.width = config.family == "resnet_imagenet" ? 64 : 16;
  return config;
}

Json write_run_config(const RunConfig& config) {
  RunConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

Json write_network_config(const NetworkConfig& config) {
  NetworkConfig copy = config;
  return write_record([&](RecordVisitor& v) { describe(v, copy); });
}

Json run_config_schema() {
  RunConfig config;
  Json schema = Json::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                              {"title", "tailor run configuration"}});
  Json record = record_schema([&](RecordVisitor& v) { describe(v, config); });
  for (auto& [key, value] : record.members()) schema.set(key, std::move(value));
  schema.find("properties")
      ->set("$schema", Json::object({{"type", "string"},
                                     {"description", "Path of the schema, for editors."}}));
  return schema;
}

namespace {

std::string type_text(const Json& field) {
  if (const Json* names = field.find("enum")) {
    std::string text;
    for (const Json& name : names->as_array())
      text += (text.empty() ? "`" : ", `") + name.as_string() + "`";
    return text;
  }
  const Json& type = field.at("type");
  std::string text = type.is_string() ? type.as_string() : type.as_array()[0].as_string();
  if (text == "array") return "array of " + type_text(field.at("items"));
  if (const Json* min = field.find("minimum")) {
    text += " " + min->dump();
    const Json* max = field.find("maximum");
    text += max ? " to " + max->dump() : " or more";
  }
  if (type.is_array()) text += ", or null";
  return text;
}

void append_reference(std::string& out, const std::string& path, const Json& schema) {
  out += "\n## " + (path.empty() ? std::string("The document") : "`" + path + "`") + "\n\n";
  if (const Json* doc = schema.find("description")) out += doc->as_string() + "\n\n";
  out += "| key | value | default | meaning |\n|---|---|---|---|\n";
  std::vector<std::pair<std::string, const Json*>> nested;
  for (const auto& [key, field] : schema.at("properties").as_object()) {
    if (key == "comment" || key == "$schema") continue;
    const Json* items = field.find("items");
    const Json* record = field.find("properties")             ? &field
                         : items && items->find("properties") ? items
                                                              : nullptr;
    std::string name = path.empty() ? key : path + "." + key;
    std::string type = record ? (items ? "array of objects" : "object") : type_text(field);
    const Json* fallback = field.find("default");
    out += fmt::format("| `{}` | {} | {} | {} |\n", key, type,
                       fallback && !record ? "`" + fallback->dump() + "`" : "",
                       field.at("description").as_string());
    if (record) nested.emplace_back(items ? name + "[]" : name, record);
  }
  for (const auto& [name, record] : nested) append_reference(out, name, *record);
}

void append_keys(std::vector<ConfigKey>& keys, const std::string& prefix, const Json& schema) {
  for (const auto& [name, field] : schema.at("properties").as_object()) {
    if (name == "comment" || name == "$schema") continue;
    if (field.find("properties")) {
      append_keys(keys, prefix + name + ".", field);
      continue;
    }
    ConfigKey key{prefix + name, field.at("description").as_string(), {}};
    if (const Json* names = field.find("enum")) {
      for (const Json& value : names->as_array()) {
        if (value.is_string()) key.values.push_back(value.as_string());
      }
    } else if (const Json* type = field.find("type"); type && *type == Json("boolean")) {
      key.values = {"true", "false"};
    }
    keys.push_back(std::move(key));
  }
}

}  // namespace

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  append_keys(keys, "", run_config_schema());
  return keys;
}

std::string run_config_reference() {
  std::string out =
      "<!-- Generated by `tailor config reference`; a test diffs it. Do not edit. -->\n"
      "# Configuration reference\n\n"
      "A run is described by one JSON document. Every key has a default; unknown keys, wrong types "
      "and values out of\n"
      "range are errors that name the file and the JSON Pointer. Every object also takes a "
      "`\"comment\"`. On the command\n"
      "line `--set train.epochs=3` overrides one key. The JSON Schema for editors is "
      "`config.schema.json`.\n";
  append_reference(out, "", run_config_schema());
  return out;
}

}  // namespace tailor
