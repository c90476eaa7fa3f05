// A JSON value with ordered keys, as the rooms pass it around. nlohmann_json parses and prints it,
// in one source file, so that its header (4 s of compile time) is not read by every room.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tailor/core/error.h"

namespace tailor::core {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;  // null
  // Implicit on purpose: {"key", 3} and obj.set("key", "text") read like JSON.
  Json(bool v) : value_(v) {}                           // NOLINT
  Json(int v) : value_(static_cast<int64_t>(v)) {}      // NOLINT
  Json(int64_t v) : value_(v) {}                        // NOLINT
  Json(size_t v) : value_(static_cast<int64_t>(v)) {}   // NOLINT
  Json(double v) : value_(v) {}                         // NOLINT
  Json(const char* v) : value_(std::string(v)) {}       // NOLINT
  Json(std::string v) : value_(std::move(v)) {}         // NOLINT
  Json(std::string_view v) : value_(std::string(v)) {}  // NOLINT
  Json(Array v) : value_(std::move(v)) {}               // NOLINT
  Json(Object v) : value_(std::move(v)) {}              // NOLINT
  template <class T>
  static Json array(const T& items) {
    Array out;
    for (const auto& item : items) out.emplace_back(item);
    return out;
  }
  static Json object(std::initializer_list<std::pair<std::string, Json>> members = {}) {
    return Object(members);
  }

  bool is_null() const { return value_.index() == 0; }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  /// "object", "string", … for messages.
  const char* type_name() const;

  /// Typed access. Throws Data naming the expected and the found type.
  bool as_bool() const;
  int64_t as_int() const;
  double as_number() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;
  Array& items();
  Object& members();

  /// Member of an object or null pointer; `at` throws Data if it is absent.
  const Json* find(std::string_view key) const;
  Json* find(std::string_view key);
  const Json& at(std::string_view key) const;
  /// Sets or replaces a member; a null value becomes an object first.
  Json& set(std::string_view key, Json value);
  void erase(std::string_view key);
  void push_back(Json value);

  /// Member if present, else the fallback.
  int64_t get_int(std::string_view key, int64_t fallback) const;
  double get_number(std::string_view key, double fallback) const;
  std::string get_string(std::string_view key, std::string_view fallback) const;

  friend bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }
  friend bool operator!=(const Json& a, const Json& b) { return !(a == b); }

  /// Parses a whole document; `source` names it in the error (line and column). Duplicate keys are
  /// errors.
  static Json parse(std::string_view text, std::string_view source);
  /// indent < 0: one line. Numbers print shortest-round-trip, so parse(dump) is the identity.
  std::string dump(int indent = -1) const;
  /// For reading: what fits into `width` columns stands on one line, the rest is indented by two.
  std::string dump_to_width(size_t width) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

}  // namespace tailor::core
