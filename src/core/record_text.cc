// A record's schema as Markdown: the pages about configurations and file formats are made of it.
#include "tailor/core/record.h"
#include "tailor/core/strings.h"

namespace tailor::core {
namespace {

enum class Ranges { Said, LeftOut };

std::string type_text(const Json& field, Ranges ranges) {
  if (const Json* names = field.find("enum")) {
    std::string text;
    for (const Json& name : names->as_array())
      text += (text.empty() ? "`" : ", `") + name.as_string() + "`";
    return text;
  }
  if (const Json* forms = field.find("anyOf"))
    return type_text(forms->as_array()[0], ranges) + ", or [rows, columns]";
  const Json* type = field.find("type");
  if (!type) return "JSON";
  std::string text = type->is_string() ? type->as_string() : type->as_array()[0].as_string();
  if (text == "array") {
    const Json& items = field.at("items");
    const bool plural = ranges == Ranges::LeftOut && !items.find("enum");
    return "array of " + type_text(items, ranges) + (plural ? "s" : "");
  }
  const Json* values = field.find("additionalProperties");
  if (values && values->is_object()) text += " of " + values->at("type").as_string() + "s";
  if (const Json* min = field.find("minimum"); min && ranges == Ranges::Said) {
    text += " " + min->dump();
    const Json* max = field.find("maximum");
    text += max ? " to " + max->dump() : " or more";
  }
  if (type->is_array()) text += ", or null";
  return text;
}

/// A field and, where it is a record or a list of them, that record.
struct Field {
  std::string key, type;
  const Json* schema = nullptr;
  const Json* inner = nullptr;
  bool is_list = false;
  const std::string& about() const { return schema->at("description").as_string(); }
};

std::vector<Field> fields_of(const Json& schema, Ranges ranges) {
  std::vector<Field> fields;
  for (const auto& [key, field] : schema.at("properties").as_object()) {
    if (key == "comment" || key == "$schema") continue;
    const Json* items = field.find("items");
    const bool is_list = items && items->find("properties");
    const Json* inner = field.find("properties") ? &field : is_list ? items : nullptr;
    std::string type = !inner ? type_text(field, ranges) : is_list ? "array of objects" : "object";
    fields.push_back({key, std::move(type), &field, inner, is_list});
  }
  return fields;
}

void append_reference(std::string& out, const std::string& path, const Json& schema) {
  out += "\n## " + (path.empty() ? std::string("The document") : "`" + path + "`") + "\n\n";
  if (const Json* doc = schema.find("description")) out += wrap(doc->as_string(), 100, 0) + "\n\n";
  out += "| key | value | default | meaning |\n|---|---|---|---|\n";
  const std::vector<Field> fields = fields_of(schema, Ranges::Said);
  for (const Field& field : fields) {
    const Json* fallback = field.schema->find("default");
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.key, field.type,
                       fallback && !field.inner ? "`" + fallback->dump() + "`" : "", field.about());
  }
  const std::string prefix = path.empty() ? path : path + ".";
  for (const Field& field : fields) {
    if (field.inner)
      append_reference(out, prefix + field.key + (field.is_list ? "[]" : ""), *field.inner);
  }
}

void append_rows(std::string& out, const std::string& prefix, const Json& schema) {
  for (const Field& field : fields_of(schema, Ranges::LeftOut)) {
    const std::string key = prefix + field.key + (field.is_list ? "[]" : "");
    const bool may_be_null = field.inner == field.schema && field.inner->at("type").is_array();
    out += fmt::format("| `{}` | {}{} | {} |\n", key, field.type, may_be_null ? ", or null" : "",
                       field.about());
    if (field.inner) append_rows(out, key + ".", *field.inner);
  }
}

}  // namespace

std::string record_reference(const Json& schema) {
  std::string out;
  append_reference(out, "", schema);
  return out;
}

std::string record_table(const Json& schema) {
  std::string out = "| key | type | meaning |\n|---|---|---|\n";
  append_rows(out, "", schema);
  return out;
}

}  // namespace tailor::core
