#include "tensors/parametrisation.h"

#include <cmath>
#include <map>
#include <optional>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::tensors {
namespace {

/// "layer1.weight_v" by "_v", "_g" → ("layer1.weight", "layer1.weight_g");
/// "conv1.parametrizations.weight.original1" → ("conv1.weight", "….original0").
struct Pair {
  std::string weight, other;
};
std::optional<Pair> pair_of(const std::string& name, std::string_view end, const char* other) {
  if (!has_extension(name, end)) return std::nullopt;
  const std::string stem = name.substr(0, name.size() - end.size());
  Pair pair{stem, stem + other};
  if (end[0] != '.') return pair;
  constexpr std::string_view kFolder = "parametrizations.";
  const size_t at = stem.rfind(kFolder);
  if (at == std::string::npos) return std::nullopt;
  pair.weight.erase(at, kFolder.size());
  return pair;
}

Tensor masked(const Tensor& values, const Tensor& mask) {
  const std::vector<double> v = values.to_doubles(), m = mask.to_doubles();
  Tensor result(DType::F32, values.shape());
  for (size_t i = 0; i < v.size(); ++i) result.as<float>()[i] = static_cast<float>(v[i] * m[i]);
  return result;
}

/// For each element of v the one of g that scales it; nothing if g has not v's dimensions or 1.
std::optional<std::vector<size_t>> places_in(const Shape& g, const Shape& v) {
  if (!g.empty() && g.size() != v.size() && element_count(g) != 1) return std::nullopt;
  const bool single = element_count(g) == 1;
  std::vector<size_t> places(static_cast<size_t>(element_count(v)), 0);
  if (single) return places;
  for (size_t d = 0; d < v.size(); ++d)
    if (g[d] != v[d] && g[d] != 1) return std::nullopt;
  for (size_t i = 0; i < places.size(); ++i) {
    size_t rest = i, stride = 1;
    for (size_t d = v.size(); d-- > 0;) {
      const size_t at = rest % static_cast<size_t>(v[d]);
      rest /= static_cast<size_t>(v[d]);
      if (g[d] == 1) continue;
      places[i] += at * stride;
      stride *= static_cast<size_t>(g[d]);
    }
  }
  return places;
}

Tensor scaled(const Tensor& g, const Tensor& v, const std::string& where) {
  const auto places = places_in(g.shape(), v.shape());
  if (!places) {
    fail(ErrorKind::Data,
         "{}: weight norm of shapes {} (g) and {} (v), expected a g that has v's "
         "dimensions or 1 in their place",
         where, to_string(g.shape()), to_string(v.shape()));
  }
  const std::vector<double> lengths = g.to_doubles(), values = v.to_doubles();
  std::vector<double> squares(lengths.size(), 0);
  for (size_t i = 0; i < values.size(); ++i) squares[(*places)[i]] += values[i] * values[i];
  Tensor result(DType::F32, v.shape());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t at = (*places)[i];
    if (!(squares[at] > 0))
      fail(ErrorKind::Data, "{}: weight norm of a direction v that is 0 or no number", where);
    result.as<float>()[i] = static_cast<float>(lengths[at] * values[i] / std::sqrt(squares[at]));
  }
  return result;
}

}  // namespace

void resolve_parametrisations(WeightFile& file, const std::string& where) {
  struct Kind {
    std::string_view end;  // of the tensor with the weight's shape
    const char* other;
    bool mask;
  };
  constexpr Kind kKinds[] = {
      {"_orig", "_mask", true}, {"_v", "_g", false}, {".original1", ".original0", false}};
  size_t pruned = 0, normed = 0;
  int64_t zeros = 0, elements = 0;
  for (const Kind& kind : kKinds) {
    std::map<std::string, Pair> found;
    for (const auto& [name, tensor] : file.tensors) {
      const auto pair = pair_of(name, kind.end, kind.other);
      if (pair && file.tensors.count(pair->other) > 0 && file.tensors.count(pair->weight) == 0)
        found.emplace(name, *pair);
    }
    for (const auto& [name, pair] : found) {
      const Tensor &main = file.tensors.at(name), &other = file.tensors.at(pair.other);
      const std::string at = where + ": tensor '" + printable(pair.weight) + "'";
      if (kind.mask && main.shape() != other.shape()) {
        fail(ErrorKind::Data, "{}: its mask has shape {}, expected {}", at,
             to_string(other.shape()), to_string(main.shape()));
      }
      Tensor weight = kind.mask ? masked(main, other) : scaled(other, main, at);
      ++(kind.mask ? pruned : normed);
      for (float v : weight.as<float>()) zeros += kind.mask && v == 0;
      if (kind.mask) elements += weight.size();
      file.tensors.erase(name);
      file.tensors.erase(pair.other);
      file.tensors.emplace(pair.weight, std::move(weight));
    }
  }
  if (pruned > 0) {
    file.remarks.push_back(fmt::format("{} pruning masks were applied; {} of {} weights are 0",
                                       pruned, zeros, elements));
  }
  if (normed > 0) file.remarks.push_back(fmt::format("{} weight norms were applied", normed));
}

}  // namespace tailor::tensors
