#include "tailor/task/task.h"

#include "tailor/core/strings.h"

namespace tailor::task {

void prepare_buffer(Tensor& tensor, DType dtype, const Shape& shape) {
  if (tensor.dtype() != dtype || tensor.shape() != shape) tensor = Tensor(dtype, shape);
}

double Figure::recorded() const { return is_share ? to_percent(value) : value; }

std::string Figure::text(int decimals) const {
  return is_share ? fmt::format("{:.{}f} %", 100 * value, decimals)
                  : fmt::format("{:.{}f}", value, decimals + 2);
}

const Figure& find_figure(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& figure : figures)
    if (figure.name == name) return figure;
  fail(ErrorKind::Internal, "there is no figure {}", name);
}

}  // namespace tailor::task
