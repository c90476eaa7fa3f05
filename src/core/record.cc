#include "tailor/core/record.h"

#include <algorithm>
#include <cmath>

#include "tailor/core/strings.h"

namespace tailor::core {
namespace {

std::string range_text(int64_t min, int64_t max) {
  if (max == INT64_MAX) return fmt::format("an integer of at least {}", min);
  return fmt::format("an integer {}..{}", min, max);
}

std::string range_text(double min, double max) {
  if (std::isinf(max)) return fmt::format("a number of at least {}", min);
  return fmt::format("a number {}..{}", min, max);
}

std::string names_text(Names names) {
  std::vector<std::string> quoted;
  for (const char* name : names) quoted.push_back(fmt::format("\"{}\"", name));
  return "one of " + join(quoted, ", ");
}

std::string got_text(const Json& value) {
  std::string text = value.dump();
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return fmt::format("{} ({})", text, value.type_name());
}

class Reader : public RecordVisitor {
 public:
  Reader(const Json& json, std::string pointer, std::string source)
      : json_(json), pointer_(std::move(pointer)), source_(std::move(source)) {
    if (!json.is_object())
      fail_config(pointer_.empty() ? "/" : pointer_, "an object", got_text(json), source_);
  }

  void finish() {
    for (const auto& [key, value] : json_.as_object()) {
      if (key == "comment" || (pointer_.empty() && key == "$schema")) continue;
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        throw Error(ErrorKind::Config, fmt::format("config: {}/{}: unknown key{} in {}", pointer_,
                                                   key, did_you_mean(key, known_), source_));
      }
    }
  }

  void boolean(const char* key, bool& value, const char* /*doc*/) override {
    if (const Json* v = take(key)) {
      if (!v->is_bool()) fail_at(key, "true or false", *v);
      value = v->as_bool();
    }
  }
  void integer(const char* key, int64_t& value, int64_t min, int64_t max,
               const char* /*doc*/) override {
    if (const Json* v = take(key)) value = read_int(key, *v, min, max);
  }
  void optional_integer(const char* key, std::optional<int64_t>& value, int64_t min, int64_t max,
                        const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (v->is_null()) {
      value.reset();
    } else {
      value = read_int(key, *v, min, max);
    }
  }
  void pair(const char* key, int64_t& rows, int64_t& columns, int64_t min, int64_t max,
            const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_array()) {
      rows = columns = read_int(key, *v, min, max);
    } else if (v->as_array().size() == 2) {
      rows = read_int(fmt::format("{}/0", key), v->as_array()[0], min, max);
      columns = read_int(fmt::format("{}/1", key), v->as_array()[1], min, max);
    } else {
      fail_at(key, range_text(min, max) + " or [rows, columns]", *v);
    }
  }
  void number(const char* key, double& value, double min, double max,
              const char* /*doc*/) override {
    if (const Json* v = take(key)) value = read_number(key, *v, min, max);
  }
  void numbers(const char* key, std::vector<double>& values, double min, double max,
               const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_array()) fail_at(key, "an array of numbers", *v);
    values.clear();
    for (size_t i = 0; i < v->as_array().size(); ++i)
      values.push_back(read_number(fmt::format("{}/{}", key, i), v->as_array()[i], min, max));
  }
  void optional_boolean(const char* key, std::optional<bool>& value, const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    value.reset();
    if (v->is_null()) return;
    if (!v->is_bool()) fail_at(key, "true, false or null", *v);
    value = v->as_bool();
  }
  void optional_number(const char* key, std::optional<double>& value, double min, double max,
                       const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    value.reset();
    if (!v->is_null()) value = read_number(key, *v, min, max);
  }
  void texts(const char* key, std::vector<std::string>& values, const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_array()) fail_at(key, "an array of strings", *v);
    values.clear();
    for (size_t i = 0; i < v->as_array().size(); ++i)
      values.push_back(read_text(fmt::format("{}/{}", key, i), v->as_array()[i]));
  }
  void counts(const char* key, Named<int64_t>& values, const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_object()) fail_at(key, "an object of integers", *v);
    values.clear();
    for (const auto& [name, count] : v->as_object())
      values.emplace_back(name, read_int(fmt::format("{}/{}", key, name), count, 0, INT64_MAX));
  }
  void named_texts(const char* key, Named<std::string>& values, const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_object()) fail_at(key, "an object of strings", *v);
    values.clear();
    for (const auto& [name, text] : v->as_object())
      values.emplace_back(name, read_text(fmt::format("{}/{}", key, name), text));
  }
  void json(const char* key, Json& value, const char* /*doc*/) override {
    if (const Json* v = take(key)) value = *v;
  }
  void text(const char* key, std::string& value, const char* /*doc*/) override {
    if (const Json* v = take(key)) value = read_text(key, *v);
  }
  void choice(const char* key, int& value, Names names, const char* /*doc*/) override {
    if (const Json* v = take(key)) value = read_choice(key, *v, names);
  }
  void choices(const char* key, std::vector<std::string>& values, Names names,
               const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_array()) fail_at(key, "an array with any of " + names_text(names).substr(7), *v);
    values.clear();
    for (size_t i = 0; i < v->as_array().size(); ++i) {
      std::string item_key = fmt::format("{}/{}", key, i);
      std::string name = names[static_cast<size_t>(read_choice(item_key, v->as_array()[i], names))];
      if (std::find(values.begin(), values.end(), name) != values.end())
        fail_at(item_key, "each name once", v->as_array()[i]);
      values.push_back(name);
    }
  }
  void record(const char* key, const Describe& describe, const char* /*doc*/) override {
    if (const Json* v = take(key)) read(*v, key, describe);
  }
  void optional_record(const char* key, bool& present, const Describe& describe,
                       const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    present = !v->is_null();
    if (present) read(*v, key, describe);
  }
  void list(const char* key, size_t /*size*/, const std::function<void(size_t)>& resize,
            const std::function<void(RecordVisitor&, size_t)>& describe,
            const char* /*doc*/) override {
    const Json* v = take(key);
    if (!v) return;
    if (!v->is_array()) fail_at(key, "an array of objects", *v);
    resize(0);  // a list is read whole, not laid over the one that was there
    resize(v->as_array().size());
    for (size_t i = 0; i < v->as_array().size(); ++i) {
      read(v->as_array()[i], fmt::format("{}/{}", key, i),
           [&](RecordVisitor& visitor) { describe(visitor, i); });
    }
  }

 private:
  const Json* take(const char* key) {
    known_.emplace_back(key);
    return json_.find(key);
  }
  [[noreturn]] void fail_at(const std::string& key, const std::string& expected, const Json& got) {
    fail_config(pointer_ + "/" + key, expected, got_text(got), source_);
  }
  int64_t read_int(const std::string& key, const Json& v, int64_t min, int64_t max) {
    if (!v.is_int() || v.as_int() < min || v.as_int() > max) fail_at(key, range_text(min, max), v);
    return v.as_int();
  }
  double read_number(const std::string& key, const Json& v, double min, double max) {
    if (!v.is_number() || v.as_number() < min || v.as_number() > max)
      fail_at(key, range_text(min, max), v);
    return v.as_number();
  }
  const std::string& read_text(const std::string& key, const Json& v) {
    if (!v.is_string()) fail_at(key, "a string", v);
    return v.as_string();
  }
  int read_choice(const std::string& key, const Json& v, Names names) {
    if (v.is_string()) {
      for (size_t i = 0; i < names.size(); ++i) {
        if (v.as_string() == names[i]) return static_cast<int>(i);
      }
    }
    fail_at(key, names_text(names), v);
  }
  void read(const Json& v, const std::string& key, const Describe& describe) {
    Reader reader(v, pointer_ + "/" + key, source_);
    describe(reader);
    reader.finish();
  }

  const Json& json_;
  std::string pointer_, source_;
  std::vector<std::string> known_;
};

class Writer : public RecordVisitor {
 public:
  Json document = Json::object();

  bool wants(bool present) override { return present; }
  void optional_boolean(const char* key, std::optional<bool>& value, const char* /*doc*/) override {
    document.set(key, value ? Json(*value) : Json());
  }
  void optional_number(const char* key, std::optional<double>& value, double /*min*/,
                       double /*max*/, const char* /*doc*/) override {
    document.set(key, value ? Json(*value) : Json());
  }
  void texts(const char* key, std::vector<std::string>& values, const char* /*doc*/) override {
    document.set(key, Json::array(values));
  }
  void counts(const char* key, Named<int64_t>& values, const char* /*doc*/) override {
    document.set(key, object_of(values));
  }
  void named_texts(const char* key, Named<std::string>& values, const char* /*doc*/) override {
    document.set(key, object_of(values));
  }
  void json(const char* key, Json& value, const char* /*doc*/) override {
    document.set(key, value);
  }
  void boolean(const char* key, bool& value, const char* /*doc*/) override {
    document.set(key, value);
  }
  void integer(const char* key, int64_t& value, int64_t /*min*/, int64_t /*max*/,
               const char* /*doc*/) override {
    document.set(key, value);
  }
  void optional_integer(const char* key, std::optional<int64_t>& value, int64_t /*min*/,
                        int64_t /*max*/, const char* /*doc*/) override {
    document.set(key, value ? Json(*value) : Json());
  }
  void pair(const char* key, int64_t& rows, int64_t& columns, int64_t /*min*/, int64_t /*max*/,
            const char* /*doc*/) override {
    document.set(key, rows == columns ? Json(rows) : Json(Json::Array{rows, columns}));
  }
  void number(const char* key, double& value, double /*min*/, double /*max*/,
              const char* /*doc*/) override {
    document.set(key, value);
  }
  void numbers(const char* key, std::vector<double>& values, double /*min*/, double /*max*/,
               const char* /*doc*/) override {
    document.set(key, Json::array(values));
  }
  void text(const char* key, std::string& value, const char* /*doc*/) override {
    document.set(key, value);
  }
  void choice(const char* key, int& value, Names names, const char* /*doc*/) override {
    document.set(key, names[static_cast<size_t>(value)]);
  }
  void choices(const char* key, std::vector<std::string>& values, Names /*names*/,
               const char* /*doc*/) override {
    document.set(key, Json::array(values));
  }
  void record(const char* key, const Describe& describe, const char* /*doc*/) override {
    document.set(key, write_record(describe));
  }
  void optional_record(const char* key, bool& present, const Describe& describe,
                       const char* /*doc*/) override {
    document.set(key, present ? write_record(describe) : Json());
  }
  void list(const char* key, size_t size, const std::function<void(size_t)>& /*resize*/,
            const std::function<void(RecordVisitor&, size_t)>& describe,
            const char* /*doc*/) override {
    Json::Array items;
    for (size_t i = 0; i < size; ++i)
      items.push_back(write_record([&](RecordVisitor& visitor) { describe(visitor, i); }));
    document.set(key, std::move(items));
  }

 private:
  template <class T>
  static Json object_of(const Named<T>& values) {
    Json::Object members;
    for (const auto& [name, value] : values) members.emplace_back(name, value);
    return members;
  }
};

class Schema : public RecordVisitor {
 public:
  Json properties = Json::object();

  void boolean(const char* key, bool& value, const char* doc) override {
    add(key, Json::object({{"type", "boolean"}, {"default", value}}), doc);
  }
  void integer(const char* key, int64_t& value, int64_t min, int64_t max,
               const char* doc) override {
    Json field = Json::object({{"type", "integer"}});
    bounds(field, min, max);
    field.set("default", value);
    add(key, std::move(field), doc);
  }
  void optional_integer(const char* key, std::optional<int64_t>& /*value*/, int64_t min,
                        int64_t max, const char* doc) override {
    Json field = Json::object({{"type", Json::Array{"integer", "null"}}});
    bounds(field, min, max);
    field.set("default", Json());
    add(key, std::move(field), doc);
  }
  void pair(const char* key, int64_t& rows, int64_t& columns, int64_t min, int64_t max,
            const char* doc) override {
    Json one = Json::object({{"type", "integer"}});
    bounds(one, min, max);
    const Json both =
        Json::object({{"type", "array"}, {"items", one}, {"minItems", 2}, {"maxItems", 2}});
    Json field = Json::object({{"anyOf", Json::Array{one, both}}});
    field.set("default", rows == columns ? Json(rows) : Json(Json::Array{rows, columns}));
    add(key, std::move(field), doc);
  }
  void number(const char* key, double& value, double min, double max, const char* doc) override {
    Json field = number_type(min, max);
    field.set("default", value);
    add(key, std::move(field), doc);
  }
  void numbers(const char* key, std::vector<double>& values, double min, double max,
               const char* doc) override {
    add(key,
        Json::object({{"type", "array"},
                      {"items", number_type(min, max)},
                      {"default", Json::array(values)}}),
        doc);
  }
  void optional_boolean(const char* key, std::optional<bool>& /*value*/, const char* doc) override {
    add(key, Json::object({{"type", Json::Array{"boolean", "null"}}, {"default", Json()}}), doc);
  }
  void optional_number(const char* key, std::optional<double>& /*value*/, double min, double max,
                       const char* doc) override {
    Json field = number_type(min, max);
    field.set("type", Json::Array{"number", "null"});
    field.set("default", Json());
    add(key, std::move(field), doc);
  }
  void texts(const char* key, std::vector<std::string>& values, const char* doc) override {
    add(key,
        Json::object({{"type", "array"},
                      {"items", Json::object({{"type", "string"}})},
                      {"default", Json::array(values)}}),
        doc);
  }
  void counts(const char* key, Named<int64_t>& /*values*/, const char* doc) override {
    add(key, object_type("integer"), doc);
  }
  void named_texts(const char* key, Named<std::string>& /*values*/, const char* doc) override {
    add(key, object_type("string"), doc);
  }
  void json(const char* key, Json& /*value*/, const char* doc) override {
    add(key, Json::object(), doc);
  }
  void text(const char* key, std::string& value, const char* doc) override {
    add(key, Json::object({{"type", "string"}, {"default", value}}), doc);
  }
  void choice(const char* key, int& value, Names names, const char* doc) override {
    add(key,
        Json::object(
            {{"enum", Json::array(names)}, {"default", names[static_cast<size_t>(value)]}}),
        doc);
  }
  void choices(const char* key, std::vector<std::string>& values, Names names,
               const char* doc) override {
    add(key,
        Json::object({{"type", "array"},
                      {"items", Json::object({{"enum", Json::array(names)}})},
                      {"uniqueItems", true},
                      {"default", Json::array(values)}}),
        doc);
  }
  void record(const char* key, const Describe& describe, const char* doc) override {
    add(key, record_schema(describe), doc);
  }
  void optional_record(const char* key, bool& /*present*/, const Describe& describe,
                       const char* doc) override {
    Json field = record_schema(describe);
    field.set("type", Json::Array{"object", "null"});
    add(key, std::move(field), doc);
  }
  void list(const char* key, size_t /*size*/, const std::function<void(size_t)>& resize,
            const std::function<void(RecordVisitor&, size_t)>& describe, const char* doc) override {
    resize(1);
    Json items = record_schema([&](RecordVisitor& visitor) { describe(visitor, 0); });
    resize(0);
    add(key,
        Json::object({{"type", "array"}, {"items", std::move(items)}, {"default", Json::Array()}}),
        doc);
  }

 private:
  void add(const char* key, Json field, const char* doc) {
    field.set("description", doc);
    properties.set(key, std::move(field));
  }
  static void bounds(Json& field, int64_t min, int64_t max) {
    field.set("minimum", min);
    if (max != INT64_MAX) field.set("maximum", max);
  }
  static Json object_type(const char* of) {
    return Json::object(
        {{"type", "object"}, {"additionalProperties", Json::object({{"type", of}})}});
  }
  static Json number_type(double min, double max) {
    Json field = Json::object({{"type", "number"}});
    if (!std::isinf(min)) field.set("minimum", min);
    if (!std::isinf(max)) field.set("maximum", max);
    return field;
  }
};

}  // namespace

void fail_config(const std::string& pointer, const std::string& expected, const std::string& got,
                 const std::string& source) {
  fail(ErrorKind::Config, "config: {}: expected {}, got {} in {}", pointer, expected, got, source);
}

void read_record(const Json& json, const std::string& source,
                 const RecordVisitor::Describe& describe, const std::string& pointer) {
  Reader reader(json, pointer, source);
  describe(reader);
  reader.finish();
}

Json write_record(const RecordVisitor::Describe& describe) {
  Writer writer;
  describe(writer);
  return std::move(writer.document);
}

Json record_schema(const RecordVisitor::Describe& describe) {
  Schema schema;
  describe(schema);
  schema.properties.set("comment", Json::object({{"description", "Free text; ignored."}}));
  return Json::object({{"type", "object"},
                       {"additionalProperties", false},
                       {"properties", std::move(schema.properties)}});
}

}  // namespace tailor::core
