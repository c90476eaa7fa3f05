#include "net/onnx_constants.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::net {
namespace {

constexpr int64_t kMostMade = 1 << 16;  // elements of an array that an operator makes larger
constexpr int64_t kMostSide = int64_t{1} << 40;
constexpr double kEnd = 9.0e15;  // an index beyond it is the end

using Inputs = std::vector<OnnxConstant>;

OnnxConstant made(OnnxArray array) { return std::make_shared<const OnnxArray>(std::move(array)); }

const OnnxArray& need(const OnnxReason& at, const Inputs& inputs, size_t i) {
  if (i >= inputs.size() || !inputs[i]) at.damaged(fmt::format("input {} is missing", i));
  return *inputs[i];
}

int64_t wrapped(const OnnxReason& at, int64_t axis, size_t dimensions) {
  const auto n = static_cast<int64_t>(dimensions);
  if (axis < -n || axis >= n)
    at.damaged(fmt::format("the axis {} of {} dimensions", axis, dimensions));
  return axis < 0 ? axis + n : axis;
}

int64_t elements_of(const OnnxReason& at, const Shape& shape, size_t most = kMostMade) {
  int64_t count = 1;
  for (int64_t n : shape) {
    if (n < 0 || (n > 0 && count > static_cast<int64_t>(most) / n))
      at.refuse(fmt::format("a constant of the shape {}", tensors::to_string(shape)));
    count *= n;
  }
  return count;
}

Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {  // of an array without elements they may be anything
    strides[i - 1] =
        static_cast<int64_t>(static_cast<uint64_t>(strides[i]) * static_cast<uint64_t>(shape[i]));
  }
  return strides;
}

OnnxConstant binary(const OnnxReason& at, const Inputs& inputs,
                    const std::function<double(double, double)>& f) {
  return broadcast(at, need(at, inputs, 0), need(at, inputs, 1), f);
}

OnnxConstant reshape(const OnnxReason& at, const Inputs& inputs) {
  OnnxArray out = need(at, inputs, 0);
  Shape to = integers_of(need(at, inputs, 1));
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && i < out.shape.size()) to[i] = out.shape[i];
    if (to[i] == -1 && unknown < 0) {
      unknown = static_cast<int64_t>(i);
    } else if (to[i] < 0 || to[i] > kMostSide || known > kMostSide / (to[i] + 1)) {
      at.damaged(fmt::format("the shape {}", tensors::to_string(to)));
    } else {
      known *= to[i];
    }
  }
  const auto count = static_cast<int64_t>(out.values.size());
  if (unknown >= 0 && known > 0) {
    to[static_cast<size_t>(unknown)] = count / known;
    known = count / known * known;
  }
  if (known != count) {
    at.damaged(fmt::format("{} do not fit into {}", tensors::to_string(out.shape),
                           tensors::to_string(to)));
  }
  out.shape = to;
  return made(std::move(out));
}

OnnxConstant transpose(const OnnxReason& at, const Inputs& inputs) {
  const OnnxArray& x = need(at, inputs, 0);
  std::vector<int64_t> permutation;
  for (size_t i = x.shape.size(); i-- > 0;) permutation.push_back(static_cast<int64_t>(i));
  permutation = at.integers("perm").value_or(permutation);
  std::vector<int64_t> sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int64_t>(i) || sorted.size() != x.shape.size())
      at.damaged("perm is no permutation of its input's axes");
  }
  return made(transposed(x, permutation));
}

OnnxConstant concat(const OnnxReason& at, const Inputs& inputs) {
  OnnxArray out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const OnnxArray& x = need(at, inputs, i);
    if (x.shape.size() != 1) at.refuse("joins constants of several dimensions");
    out.values.insert(out.values.end(), x.values.begin(), x.values.end());
    if (static_cast<int64_t>(out.values.size()) > kMostMade) at.refuse("makes a large constant");
  }
  out.shape = {static_cast<int64_t>(out.values.size())};
  return made(std::move(out));
}

OnnxConstant gather(const OnnxReason& at, const Inputs& inputs) {
  const OnnxArray &x = need(at, inputs, 0), &indices = need(at, inputs, 1);
  if (x.shape.size() != 1) at.refuse("takes from a constant of several dimensions");
  OnnxArray out;
  out.shape = indices.shape;
  for (int64_t i : integers_of(indices))
    out.values.push_back(x.values[static_cast<size_t>(wrapped(at, i, x.values.size()))]);
  return made(std::move(out));
}

OnnxConstant slice(const OnnxReason& at, const Inputs& inputs) {
  const OnnxArray& x = need(at, inputs, 0);
  const auto starts = axes_of(at, inputs, 1, "starts"), ends = axes_of(at, inputs, 2, "ends");
  const auto axes = axes_of(at, inputs, 3).value_or(std::vector<int64_t>{0});
  const auto steps = axes_of(at, inputs, 4, "steps").value_or(std::vector<int64_t>{1});
  if (!starts || !ends || starts->size() != 1 || ends->size() != 1 || axes.size() != 1 ||
      steps.size() != 1 || x.shape.empty())
    at.refuse("cuts a constant along several axes");
  if (wrapped(at, axes[0], x.shape.size()) != 0 || steps[0] == 0)
    at.refuse("cuts a constant along another axis than the first");
  const int64_t n = x.shape[0], step = steps[0];
  const int64_t row = n == 0 ? 0 : static_cast<int64_t>(x.values.size()) / n;
  auto clamp = [&](int64_t i) {
    if (i < 0) i += n;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  OnnxArray out;
  out.shape = x.shape;
  out.shape[0] = 0;
  const int64_t end = (*ends)[0] < -n ? (step > 0 ? 0 : -1) : clamp((*ends)[0]);
  for (int64_t i = clamp((*starts)[0]); step > 0 ? i < end : i > end;) {
    out.values.insert(out.values.end(), x.values.begin() + i * row,
                      x.values.begin() + (i + 1) * row);
    ++out.shape[0];
    if (step > n || step < -n) break;
    i += step;
  }
  return made(std::move(out));
}

OnnxConstant squeezed(const OnnxReason& at, const Inputs& inputs, bool insert) {
  OnnxArray out = need(at, inputs, 0);
  const auto axes = axes_of(at, inputs, 1);
  if (!axes && insert) at.damaged("it has no axes");
  if (!axes) {
    out.shape.erase(std::remove(out.shape.begin(), out.shape.end(), 1), out.shape.end());
    return made(std::move(out));
  }
  const size_t n = out.shape.size() + (insert ? axes->size() : 0);
  std::vector<bool> chosen(n, false);
  for (int64_t axis : *axes) chosen[static_cast<size_t>(wrapped(at, axis, n))] = true;
  Shape to;
  size_t from = 0;
  for (size_t i = 0; i < n; ++i) {
    if (insert && chosen[i]) {
      to.push_back(1);
    } else {
      if (from >= out.shape.size()) at.damaged("an axis stands twice");
      const int64_t size = out.shape[from++];
      if (!insert && chosen[i] && size != 1)
        at.damaged(fmt::format("squeezes an axis of {}", size));
      if (insert || !chosen[i]) to.push_back(size);
    }
  }
  out.shape = to;
  return made(std::move(out));
}

OnnxConstant filled(const OnnxReason& at, const Inputs& inputs) {
  OnnxArray out;
  out.shape = integers_of(need(at, inputs, 0));
  double value = 0;
  const auto found = at.node().attributes.find("value");
  if (found != at.node().attributes.end()) {
    const auto* tensor = std::get_if<Tensor>(&found->second);
    if (!tensor || tensor->size() != 1) at.damaged("its value is no tensor of one element");
    value = tensor->to_doubles()[0];
  }
  out.values.assign(static_cast<size_t>(elements_of(at, out.shape)), value);
  return made(std::move(out));
}

OnnxConstant shape_of_constant(const OnnxReason& at, const Inputs& inputs) {
  const Shape& shape = need(at, inputs, 0).shape;
  return made({{static_cast<int64_t>(shape.size())}, {shape.begin(), shape.end()}, {}});
}

OnnxConstant cast(const OnnxReason& at, const Inputs& inputs) {
  OnnxArray out = need(at, inputs, 0);
  constexpr int64_t kFloat = 1, kFloat16 = 10, kDouble = 11, kBfloat16 = 16;
  const int64_t to = at.integer("to", kFloat);
  if (to != kFloat && to != kFloat16 && to != kDouble && to != kBfloat16) {
    for (double& v : out.values) v = std::trunc(v);
  }
  return made(std::move(out));
}

OnnxConstant constant(const OnnxReason& at) {
  for (const auto& [name, value] : at.node().attributes) {
    if (const auto* tensor = std::get_if<Tensor>(&value)) return constant_of(*tensor);
    if (const auto* x = std::get_if<int64_t>(&value))
      return made({{}, {static_cast<double>(*x)}, {}});
    if (const auto* x = std::get_if<double>(&value)) return made({{}, {*x}, {}});
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) {
      return made({{static_cast<int64_t>(list->size())}, {list->begin(), list->end()}, {}});
    }
    if (const auto* list = std::get_if<std::vector<double>>(&value))
      return made({{static_cast<int64_t>(list->size())}, *list, {}});
  }
  at.refuse("a constant of another kind than numbers");
}

}  // namespace

bool OnnxType::is_binary_point() const { return share_mantissa(step, 1); }
int OnnxType::fraction() const { return -std::ilogb(step); }

bool share_mantissa(double step, double other) {
  int exponent = 0;
  return std::frexp(step, &exponent) == std::frexp(other, &exponent);
}

std::string OnnxReason::name() const {
  if (!node_.name.empty()) return printable(node_.name);
  return node_.outputs.empty() ? "" : printable(node_.outputs[0]);
}

void OnnxReason::refuse(const std::string& reason) const {
  fail(ErrorKind::Unsupported, "{}: node '{}' ({}): {}", where_, name(), printable(node_.op_type),
       reason);
}

void OnnxReason::damaged(const std::string& reason) const {
  fail(ErrorKind::Data, "{}: node '{}' ({}): {}; the model is damaged (onnx.checker says more)",
       where_, name(), printable(node_.op_type), reason);
}

int64_t OnnxReason::integer(const char* attribute, int64_t usual) const {
  const auto found = node_.attributes.find(attribute);
  if (found == node_.attributes.end()) return usual;
  if (const auto* value = std::get_if<int64_t>(&found->second)) return *value;
  damaged(fmt::format("{} is no integer", attribute));
}

double OnnxReason::real(const char* attribute, double usual) const {
  const auto found = node_.attributes.find(attribute);
  if (found == node_.attributes.end()) return usual;
  if (const auto* value = std::get_if<double>(&found->second)) return *value;
  damaged(fmt::format("{} is no number", attribute));
}

std::string OnnxReason::text(const char* attribute, const std::string& usual) const {
  const auto found = node_.attributes.find(attribute);
  if (found == node_.attributes.end()) return usual;
  if (const auto* value = std::get_if<std::string>(&found->second)) return *value;
  damaged(fmt::format("{} is no text", attribute));
}

std::optional<std::vector<int64_t>> OnnxReason::integers(const char* attribute) const {
  const auto found = node_.attributes.find(attribute);
  if (found == node_.attributes.end()) return std::nullopt;
  if (const auto* value = std::get_if<std::vector<int64_t>>(&found->second)) return *value;
  damaged(fmt::format("{} is no list of integers", attribute));
}

OnnxConstant constant_of(const Tensor& tensor) {
  return made({tensor.shape(), tensor.to_doubles(), {}});
}

std::vector<int64_t> integers_of(const OnnxArray& array) {
  std::vector<int64_t> out;
  for (double v : array.values)
    out.push_back(v != v ? 0 : static_cast<int64_t>(std::clamp(v, -kEnd, kEnd)));
  return out;
}

Tensor floats_of(const OnnxArray& array) {
  Tensor tensor(DType::F32, array.shape);
  std::transform(array.values.begin(), array.values.end(), tensor.as<float>().begin(),
                 [](double v) { return static_cast<float>(v); });
  return tensor;
}

std::optional<std::vector<int64_t>> axes_of(const OnnxReason& at,
                                            const std::vector<OnnxConstant>& inputs, size_t input,
                                            const char* attribute) {
  if (input < inputs.size() && inputs[input]) return integers_of(*inputs[input]);
  return at.integers(attribute);
}

OnnxArray transposed(const OnnxArray& a, const std::vector<int64_t>& permutation) {
  OnnxArray out;
  out.type = a.type;
  if (a.steps && a.steps->shape.size() == permutation.size())
    out.steps = made(transposed(*a.steps, permutation));
  const Shape steps = strides_of(a.shape);
  Shape moved;
  for (int64_t axis : permutation) {
    out.shape.push_back(a.shape[static_cast<size_t>(axis)]);
    moved.push_back(steps[static_cast<size_t>(axis)]);
  }
  const Shape own = strides_of(out.shape);
  out.values.resize(a.values.size());
  for (size_t i = 0; i < out.values.size(); ++i) {
    int64_t from = 0;
    for (size_t k = 0; k < moved.size(); ++k)
      from += static_cast<int64_t>(i) / own[k] % out.shape[k] * moved[k];
    out.values[i] = a.values[static_cast<size_t>(from)];
  }
  return out;
}

OnnxConstant broadcast(const OnnxReason& at, const OnnxArray& a, const OnnxArray& b,
                       const std::function<double(double, double)>& f) {
  const size_t n = std::max(a.shape.size(), b.shape.size());
  OnnxArray out;
  out.shape.resize(n);
  auto size = [&](const OnnxArray& x, size_t i) {
    return i + x.shape.size() < n ? int64_t{1} : x.shape[i + x.shape.size() - n];
  };
  for (size_t i = 0; i < n; ++i) {
    const int64_t p = size(a, i), q = size(b, i);
    if (p != q && p != 1 && q != 1) {
      at.damaged(fmt::format("the shapes {} and {} do not fit", tensors::to_string(a.shape),
                             tensors::to_string(b.shape)));
    }
    out.shape[i] = p == 1 ? q : p;
  }
  const size_t most = std::max({a.values.size(), b.values.size(), size_t{kMostMade}});
  out.values.resize(static_cast<size_t>(elements_of(at, out.shape, most)));
  const Shape steps = strides_of(out.shape);
  auto index = [&](const OnnxArray& x, int64_t flat) {
    const Shape own = strides_of(x.shape);
    int64_t at_index = 0;
    for (size_t i = n - x.shape.size(); i < n; ++i) {
      const size_t k = i + x.shape.size() - n;
      if (x.shape[k] != 1) at_index += flat / steps[i] % out.shape[i] * own[k];
    }
    return static_cast<size_t>(at_index);
  };
  for (size_t i = 0; i < out.values.size(); ++i) {
    const auto flat = static_cast<int64_t>(i);
    out.values[i] = f(a.values[index(a, flat)], b.values[index(b, flat)]);
  }
  return made(std::move(out));
}

OnnxConstant evaluate_constant(const OnnxReason& at, const Inputs& inputs) {
  const std::string& op = at.node().op_type;
  if (op == "Constant") return constant(at);
  if (op == "Identity") return made(need(at, inputs, 0));
  if (op == "Reshape") return reshape(at, inputs);
  if (op == "Transpose") return transpose(at, inputs);
  if (op == "Concat") return concat(at, inputs);
  if (op == "Gather") return gather(at, inputs);
  if (op == "Slice") return slice(at, inputs);
  if (op == "Squeeze") return squeezed(at, inputs, false);
  if (op == "Unsqueeze") return squeezed(at, inputs, true);
  if (op == "ConstantOfShape") return filled(at, inputs);
  if (op == "Shape") return shape_of_constant(at, inputs);
  if (op == "Cast") return cast(at, inputs);
  if (op == "Add") return binary(at, inputs, [](double a, double b) { return a + b; });
  if (op == "Sub") return binary(at, inputs, [](double a, double b) { return a - b; });
  if (op == "Mul") return binary(at, inputs, [](double a, double b) { return a * b; });
  if (op == "Div") return binary(at, inputs, [](double a, double b) { return a / b; });
  return nullptr;
}

}  // namespace tailor::net
