// The only file that includes nlohmann_json.
#include "tailor/core/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tailor/core/strings.h"

namespace tailor::core {
namespace {

using Nlohmann = nlohmann::ordered_json;

class Builder : public nlohmann::json_sax<Nlohmann> {
 public:
  explicit Builder(std::string_view source) : source_(source) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(Json()); }
  bool boolean(bool v) override { return add(Json(v)); }
  bool number_integer(int64_t v) override { return add(Json(v)); }
  bool number_unsigned(uint64_t v) override {
    return v <= INT64_MAX ? add(Json(static_cast<int64_t>(v))) : add(Json(static_cast<double>(v)));
  }
  bool number_float(double v, const std::string& text) override {
    if (!std::isfinite(v)) fail(ErrorKind::Data, "{}: number out of range: {}", source_, text);
    return add(Json(v));
  }
  bool string(std::string& v) override { return add(Json(std::move(v))); }
  bool binary(Nlohmann::binary_t& /*v*/) override { return false; }
  bool start_object(size_t /*n*/) override { return open(Json(Json::Object())); }
  bool end_object() override { return close(); }
  bool start_array(size_t /*n*/) override { return open(Json(Json::Array())); }
  bool end_array() override { return close(); }
  bool key(std::string& k) override {
    if (stack_.back()->find(k))
      fail(ErrorKind::Data, "{}: the key \"{}\" stands twice in one object", source_, k);
    keys_.back() = std::move(k);
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& e) override {
    std::string what = e.what();
    size_t place = what.find(" at line ");
    if (place == std::string::npos)
      fail(ErrorKind::Data, "{}: not valid JSON at byte {}: {}", source_, position, what);
    const bool comment =
        what.find("invalid literal") != std::string::npos && what.find("/'") != std::string::npos;
    fail(ErrorKind::Data, "{}: not valid JSON{}{}", source_, what.substr(place),
         comment ? " (JSON has no comments; objects of a configuration take a \"comment\")" : "");
  }

 private:
  static constexpr size_t kMaxDepth = 200;

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.items().push_back(std::move(value));
      return &parent.items().back();
    }
    parent.members().emplace_back(keys_.back(), std::move(value));
    return &parent.members().back().second;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (stack_.size() >= kMaxDepth)
      fail(ErrorKind::Data, "{}: nested deeper than {} levels", source_, kMaxDepth);
    // Pointers stay valid: only the innermost open container grows.
    stack_.push_back(place(std::move(value)));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  std::string source_;
  Json root_;
  std::vector<Json*> stack_;
  std::vector<std::string> keys_;
};

Nlohmann to_nlohmann(const Json& v) {
  if (v.is_bool()) return v.as_bool();
  if (v.is_int()) return v.as_int();
  if (v.is_number()) return v.as_number();
  if (v.is_string()) return v.as_string();
  if (v.is_array()) {
    Nlohmann out = Nlohmann::array();
    for (const Json& item : v.as_array()) out.push_back(to_nlohmann(item));
    return out;
  }
  if (v.is_object()) {
    Nlohmann out = Nlohmann::object();
    for (const auto& [key, value] : v.as_object()) out[key] = to_nlohmann(value);
    return out;
  }
  return nullptr;
}

[[noreturn]] void fail_type(const char* expected, const Json& got) {
  fail(ErrorKind::Data, "JSON: expected {}, got {}", expected, got.type_name());
}

}  // namespace

const char* Json::type_name() const {
  static const char* const names[] = {"null",   "boolean", "integer", "number",
                                      "string", "array",   "object"};
  return names[value_.index()];
}

bool Json::as_bool() const {
  if (const bool* v = std::get_if<bool>(&value_)) return *v;
  fail_type("boolean", *this);
}
int64_t Json::as_int() const {
  if (const int64_t* v = std::get_if<int64_t>(&value_)) return *v;
  fail_type("integer", *this);
}
double Json::as_number() const {
  if (const int64_t* v = std::get_if<int64_t>(&value_)) return static_cast<double>(*v);
  if (const double* v = std::get_if<double>(&value_)) return *v;
  fail_type("number", *this);
}
const std::string& Json::as_string() const {
  if (const std::string* v = std::get_if<std::string>(&value_)) return *v;
  fail_type("string", *this);
}
const Json::Array& Json::as_array() const {
  if (const Array* v = std::get_if<Array>(&value_)) return *v;
  fail_type("array", *this);
}
const Json::Object& Json::as_object() const {
  if (const Object* v = std::get_if<Object>(&value_)) return *v;
  fail_type("object", *this);
}
Json::Array& Json::items() {
  if (Array* v = std::get_if<Array>(&value_)) return *v;
  fail_type("array", *this);
}
Json::Object& Json::members() {
  if (Object* v = std::get_if<Object>(&value_)) return *v;
  fail_type("object", *this);
}

const Json* Json::find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&value_);
  if (!object) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}
Json* Json::find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->find(key));
}
const Json& Json::at(std::string_view key) const {
  if (const Json* v = find(key)) return *v;
  fail(ErrorKind::Data, "JSON: expected the key \"{}\" in an {}, it is not there", key,
       type_name());
}
Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object();
  if (Json* existing = find(key)) {
    *existing = std::move(value);
    return *existing;
  }
  members().emplace_back(std::string(key), std::move(value));
  return members().back().second;
}
void Json::erase(std::string_view key) {
  Object& object = members();
  object.erase(std::remove_if(object.begin(), object.end(),
                              [&](const auto& member) { return member.first == key; }),
               object.end());
}
void Json::push_back(Json value) {
  if (is_null()) value_ = Array();
  items().push_back(std::move(value));
}

int64_t Json::get_int(std::string_view key, int64_t fallback) const {
  const Json* v = find(key);
  return v ? v->as_int() : fallback;
}
double Json::get_number(std::string_view key, double fallback) const {
  const Json* v = find(key);
  return v ? v->as_number() : fallback;
}
std::string Json::get_string(std::string_view key, std::string_view fallback) const {
  const Json* v = find(key);
  return v ? v->as_string() : std::string(fallback);
}

Json Json::parse(std::string_view text, std::string_view source) {
  Builder builder(source);
  Nlohmann::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

namespace {

/// "[1, 2]" and {"a": 1} with blanks, as people write it.
std::string one_line(const Json& json) {
  std::vector<std::string> parts;
  if (json.is_array()) {
    for (const Json& item : json.as_array()) parts.push_back(one_line(item));
    return "[" + join(parts, ", ") + "]";
  }
  if (!json.is_object()) return json.dump();
  for (const auto& [key, value] : json.as_object())
    parts.push_back(Json(key).dump() + ": " + one_line(value));
  return "{" + join(parts, ", ") + "}";
}

/// `before` columns of the first line are taken, and one behind it by a comma.
std::string lines_of(const Json& json, size_t width, size_t indent, size_t before) {
  std::string line = one_line(json);
  const bool empty = (json.is_array() && json.as_array().empty()) ||
                     (json.is_object() && json.as_object().empty());
  if (empty || !(json.is_array() || json.is_object()) || before + line.size() + 1 <= width)
    return line;
  const std::string margin(indent + 2, ' ');
  std::vector<std::string> parts;
  if (json.is_array()) {
    for (const Json& item : json.as_array())
      parts.push_back(margin + lines_of(item, width, indent + 2, indent + 2));
  } else {
    for (const auto& [key, value] : json.as_object()) {
      const std::string name = margin + Json(key).dump() + ": ";
      parts.push_back(name + lines_of(value, width, indent + 2, name.size()));
    }
  }
  const char *open = json.is_array() ? "[\n" : "{\n", *close = json.is_array() ? "]" : "}";
  return open + join(parts, ",\n") + "\n" + std::string(indent, ' ') + close;
}

}  // namespace

std::string Json::dump_to_width(size_t width) const { return lines_of(*this, width, 0, 0); }

std::string Json::dump(int indent) const {
  return to_nlohmann(*this).dump(indent, ' ', false, Nlohmann::error_handler_t::replace);
}

}  // namespace tailor::core
