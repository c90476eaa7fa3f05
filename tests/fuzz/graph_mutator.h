// Changes a graph file where it means something: an entry of its document or of its tensors, so
// that most of what comes out is nearly a graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/rooms.h"
#include "tailor/core/json.h"
#include "tailor/core/random.h"
#include "tailor/tensors/safetensors.h"

namespace tailor::fuzz {

class GraphMutator {
 public:
  explicit GraphMutator(unsigned seed) : random_(seed, RandomStream::Test, 2718) {}

  int64_t below(int64_t n) { return random_.below(n); }

  /// One change, or a few.
  void change(Json& document, TensorMap& tensors) {
    for (int64_t n = below(3) > 0 ? 1 : 2 + below(3); n > 0; --n) {
      if (!tensors.empty() && below(6) == 0) {
        change_tensor(tensors);
      } else {
        change_document(document);
      }
    }
  }

 private:
  template <class T>
  T one_of(const std::vector<T>& all) {
    return all[static_cast<size_t>(below(static_cast<int64_t>(all.size())))];
  }

  static void collect(Json& at, std::vector<Json*>& places) {
    places.push_back(&at);
    if (at.is_object()) {
      for (auto& member : at.members()) collect(member.second, places);
    } else if (at.is_array()) {
      for (Json& item : at.items()) collect(item, places);
    }
  }

  void change_document(Json& document) {
    std::vector<Json*> places, plain;
    collect(document, places);
    for (Json* place : places) {
      if (place->is_int() || place->is_bool() || is_type(*place)) plain.push_back(place);
    }
    if (!plain.empty() && below(4) > 0) {  // what a graph is most often still one with
      Json& number = *one_of(plain);
      change_plain(number, places);
      return;
    }
    Json& at = *one_of(places);
    const int64_t kind = below(8);
    if (kind == 0) {  // what stands elsewhere
      const Json other = *one_of(places);
      at = other;
    } else if (at.is_object()) {
      change_object(at, places);
    } else if (at.is_array()) {
      change_array(at);
    } else {
      change_plain(at, places);
    }
  }

  static bool is_type(const Json& at) {
    return at.is_string() && at.as_string().rfind("ap_", 0) == 0;
  }

  void change_plain(Json& at, const std::vector<Json*>& places) {
    if (at.is_int()) {
      change_int(at, places);
    } else if (at.is_bool()) {
      at = !at.as_bool();
    } else if (at.is_string()) {
      change_string(at, places);
    } else if (at.is_number()) {
      at = one_of<double>({0, -1, 1, 1e-300, 1e300, 0.5});
    } else {
      at = below(2) == 0 ? Json::object() : Json(1);
    }
  }

  void change_object(Json& at, const std::vector<Json*>& places) {
    Json::Object& members = at.members();
    if (!members.empty() && below(2) == 0) {
      members.erase(members.begin() + below(static_cast<int64_t>(members.size())));
      return;
    }
    const Json other = *one_of(places);
    if (!other.is_object() || other.as_object().empty()) return;
    const auto& [key, value] = one_of(other.as_object());
    at.set(key, value);
  }

  void change_array(Json& at) {
    Json::Array& items = at.items();
    const auto size = static_cast<int64_t>(items.size());
    const int64_t kind = below(4);
    if (size == 0 || kind == 0) {
      items.push_back(size == 0 ? Json(below(8)) : Json(items[static_cast<size_t>(below(size))]));
    } else if (kind == 1) {
      items.erase(items.begin() + below(size));
    } else {
      std::swap(items[static_cast<size_t>(below(size))], items[static_cast<size_t>(below(size))]);
    }
  }

  void change_int(Json& at, const std::vector<Json*>& places) {
    const int64_t value = at.as_int(), kind = below(4);
    if (kind == 0) {
      at = one_of<int64_t>({-1,
                            0,
                            1,
                            2,
                            3,
                            4,
                            5,
                            7,
                            8,
                            16,
                            31,
                            32,
                            62,
                            63,
                            64,
                            1023,
                            1 << 20,
                            (1 << 20) + 1,
                            1 << 30,
                            INT32_MAX,
                            int64_t{1} << 31,
                            int64_t{1} << 62,
                            INT64_MAX,
                            INT64_MIN});
    } else if (kind == 1) {
      const Json other = *one_of(places);
      if (other.is_int()) at = other;
    } else if (value > -100 && value < 100) {
      at = kind == 2 ? value + 1 : value - 1;
    } else {
      at = value / 2;
    }
  }

  void change_string(Json& at, const std::vector<Json*>& places) {
    const std::string& text = at.as_string();
    if (is_type(at) && below(4) > 0) {
      at = below(2) == 0 ? random_type() : to_string(altered(parse_fixed_type(text)));
    } else if (below(4) > 0) {
      std::vector<Json> strings;
      for (const Json* place : places) {
        if (place->is_string()) strings.push_back(*place);
      }
      at = one_of(strings);
    } else {
      at = one_of<std::string>(
          {"",           "input",   "output",   "conv2d",       "dense",      "relu",
           "add",        "clone",   "zero_pad", "shortcut_pad", "max_pool2d", "global_avg_pool",
           "batch_norm", "auto",    "srl",      "bram",         "uram",       "lutram",
           "registers",  "lowered", "design"});
    }
  }

  /// One thing about it.
  FixedType altered(FixedType type) {
    const int64_t kind = below(6);
    if (kind == 0)
      type.width = static_cast<int>(std::clamp<int64_t>(type.width + below(9) - 4, 1, 62));
    if (kind == 1)
      type.integer = static_cast<int>(std::clamp<int64_t>(type.integer + below(9) - 4, -64, 64));
    if (kind == 2)
      type.width = std::min(62, type.width + 8), type.integer = std::min(64, type.integer + 8);
    if (kind == 3) type.is_signed = !type.is_signed && type.width > 1;
    if (kind == 4) type.rounding = static_cast<Rounding>(below(7));
    if (kind == 5) type.overflow = static_cast<Overflow>(below(5));
    return type;
  }

  std::string random_type() {
    const bool is_signed = below(3) > 0;
    const int64_t width = below(3) == 0 ? 1 + below(3) : 1 + below(is_signed ? 63 : 62);
    const int64_t integer = below(3) == 0 ? below(129) - 64 : width - below(width + 8);
    return fmt::format(
        "ap_{}fixed<{},{},{},{}>", is_signed ? "" : "u", width, std::max<int64_t>(integer, -64),
        vendor_name(static_cast<Rounding>(below(7))), vendor_name(static_cast<Overflow>(below(5))));
  }

  void change_tensor(TensorMap& tensors) {
    auto found = tensors.begin();
    std::advance(found, below(static_cast<int64_t>(tensors.size())));
    Tensor& tensor = found->second;
    const int64_t kind = below(8);
    if (kind == 0) {
      tensors.erase(found);
    } else if (kind == 1) {
      auto other = tensors.begin();
      std::advance(other, below(static_cast<int64_t>(tensors.size())));
      tensor = Tensor(other->second);
    } else if (kind == 2) {
      tensor = Tensor::from(tensor.shape(), tensor.to_doubles());
    } else if (kind == 3) {
      tensor =
          Tensor(one_of<DType>({DType::F32, DType::I64, DType::I8, DType::U8}), tensor.shape());
    } else if (kind == 4) {
      Shape shape = tensor.shape();
      if (!shape.empty())
        shape[static_cast<size_t>(below(static_cast<int64_t>(shape.size())))] = below(4);
      tensor = Tensor(tensor.dtype(), shape);
    } else {
      change_number(tensor);
    }
  }

  void change_number(Tensor& tensor) {
    if (tensor.size() == 0) return;
    const double value = one_of<double>(
        {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 0.1, -0.75, 1e-30, 1e30, 1e300, -1e300, 127.5});
    const auto at = static_cast<size_t>(below(tensor.size()));
    if (tensor.dtype() == DType::F64) tensor.as<double>()[at] = value;
    if (tensor.dtype() == DType::F32 && !(std::abs(value) > 1e38 && std::isfinite(value)))
      tensor.as<float>()[at] = static_cast<float>(value);
  }

  CounterRandom random_;
};

}  // namespace tailor::fuzz
