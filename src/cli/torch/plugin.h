// The commands behind the door (tailor/cli/torch_plugin.h).
#pragma once

#include "tailor/core/rooms.h"

namespace tailor::cli {

using namespace nn;  // here only: cli itself is built without LibTorch
using namespace train;

struct TrainOptions;
struct EvaluateOptions;
struct SensitivityOptions;
struct BenchOptions;
int torch_train(const TrainOptions& options);
int torch_evaluate(const EvaluateOptions& options);
int torch_sensitivity(const SensitivityOptions& options);
int torch_bench(const BenchOptions& options);

}  // namespace tailor::cli
