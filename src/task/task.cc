#include "tailor/task/task.h"

#include "tailor/core/strings.h"
#include "tailor/data/batch.h"
#include "tailor/task/classification.h"
#include "tailor/task/sequences.h"

namespace tailor::task {

void prepare_buffer(Tensor& tensor, DType dtype, const Shape& shape) {
  if (tensor.dtype() != dtype || tensor.shape() != shape) tensor = Tensor(dtype, shape);
}

double Figure::recorded() const { return is_share ? to_percent(value) : value; }

std::string Figure::text(int decimals) const {
  return is_share ? fmt::format("{:.{}f} %", 100 * value, decimals)
                  : fmt::format("{:.{}f}", value, decimals + 2);
}

std::vector<int64_t> take_share(Span<const int64_t> indices, const BatchShare& share) {
  std::vector<int64_t> own;
  for (const int64_t place : share.places(static_cast<int64_t>(indices.size())))
    own.push_back(indices[static_cast<size_t>(place)]);
  return own;
}

void Task::collate_share(Span<const int64_t> indices, int64_t epoch, const BatchShare& share,
                         Batch& batch) const {
  const std::vector<int64_t> own = take_share(indices, share);
  collate(Split::Train, own, epoch, batch);
  batch.weight = static_cast<double>(own.size()) / static_cast<double>(indices.size());
}

std::vector<int64_t> Task::order(int64_t seed, int64_t epoch, int64_t /*batch_size*/) const {
  return epoch_order(size(Split::Train), seed, epoch);
}

void verify_answers(ExampleKind kind, bool per_position, const MapShape& answers,
                    const std::string& network) {
  const bool image = kind == ExampleKind::Images;
  if (per_position != image) return;
  if (image) {
    fail(ErrorKind::Unsupported,
         "{}: it answers at {} positions ({}), and classification has one label an image: expected "
         "a head that answers once, with a global_avg_pool or a linear layer (docs/formats.md); "
         "other answers need a data set of their own",
         network, answers.pixels(), to_string(answers));
  }
  fail(ErrorKind::Unsupported,
       "{}: it answers once, and {} has an answer at every position: expected a head of "
       "convolutions, without a global_avg_pool or a linear layer (docs/formats.md)",
       network, to_string(kind));
}

std::shared_ptr<const Task> make_task(const DataSplits& data, const Preprocessing& preprocessing,
                                      const DataConfig& config, const CtcConfig& ctc, int64_t seed,
                                      const PositionsOf& positions) {
  if (data.kind == ExampleKind::Images) {
    return std::make_shared<Classification>(data, preprocessing, make_augmentation(config, seed));
  }
  if (data.kind == ExampleKind::Speech)
    return std::make_shared<SpeechToText>(data, config, ctc, seed, positions);
  return std::make_shared<CurrentToBases>(data, ctc, positions);
}

const Figure& find_figure(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& figure : figures)
    if (figure.name == name) return figure;
  fail(ErrorKind::Internal, "there is no figure {}", name);
}

}  // namespace tailor::task
