// The commands behind the door (tailor/cli/torch_plugin.h).
#pragma once

namespace tailor {

struct TrainOptions;
struct EvaluateOptions;
int torch_train(const TrainOptions& options);
int torch_evaluate(const EvaluateOptions& options);

}  // namespace tailor
