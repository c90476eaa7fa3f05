// Reads a matrix of configurations. Every part of it passes the configuration's own record, so a
// wrong key is found where it stands and not in each member.
#include "tailor/run/matrix.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "tailor/core/record.h"
#include "tailor/core/strings.h"
#include "tailor/run/run_config.h"

namespace tailor::run {
namespace {

struct Axis {
  std::string name;
  std::vector<std::string> values;
};

struct Exception {
  std::map<std::string, std::vector<std::string>> where;  // an axis that is not named: any value
  bool leave_out = false;
  Json set;
};

/// A member under way: the value of each axis so far, and what they set.
struct Partial {
  std::map<std::string, std::string> values;
  std::string name;
  Json config;
};

void describe_part(RecordVisitor& v) {
  RunConfig defaults;
  describe(v, defaults);
}

std::vector<std::string> keys_but_comment(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.as_object()) {
    if (key != "comment") keys.push_back(key);
  }
  return keys;
}

void describe_axes(RecordVisitor& v, const Json& axes, std::vector<Axis>& out) {
  for (const std::string& name : keys_but_comment(axes)) {
    v.record(
        name.c_str(),
        [&](RecordVisitor& axis) {
          out.push_back({name, keys_but_comment(axes.at(name))});
          for (const std::string& value : out.back().values)
            axis.record(value.c_str(), describe_part, "What this value sets.");
        },
        "The values of an axis, by their text in the name.");
  }
}

/// "train.seed": [1, 2] says {"1": {"train": {"seed": 1}}, "2": …}: an axis that is named as the
/// one key that it sets.
Json with_long_axes(Json matrix, const std::string& source) {
  Json* axes = matrix.find("axes");
  if (!axes || !axes->is_object()) return matrix;
  for (auto& [name, axis] : axes->members()) {
    if (!axis.is_array()) continue;
    const Json::Array values = axis.as_array();
    axis = Json::object();
    for (size_t i = 0; i < values.size(); ++i) {
      Json set = values[i];
      const std::string text = set.is_string() ? set.as_string() : set.dump(),
                        pointer = fmt::format("/axes/{}/{}", name, i);
      if (!set.is_number() && !set.is_string() && !set.is_bool())
        fail_config(pointer, "a number, a text, true or false", text, source);
      if (axis.find(text)) fail_config(pointer, "each value once", text + " again", source);
      const std::vector<std::string> keys = split(name, '.');
      for (auto key = keys.rbegin(); key != keys.rend(); ++key)
        set = Json::object({{*key, Json(set)}});
      axis.set(text, set);
    }
  }
  return matrix;
}

void describe_exception(RecordVisitor& v, Exception& exception, const std::vector<Axis>& axes) {
  v.record(
      "where",
      [&](RecordVisitor& where) {
        for (const Axis& axis : axes) {
          std::vector<const char*> values;
          for (const std::string& value : axis.values) values.push_back(value.c_str());
          where.choices(axis.name.c_str(), exception.where[axis.name], values,
                        "Its values. Empty: any.");
        }
      },
      "Which members it is for.");
  v.boolean("leave_out", exception.leave_out, "There are no such members.");
  v.record("set", describe_part, "What it sets.");
}

}  // namespace

void lay_over(Json& under, const Json& over) {
  if (!over.is_object()) {
    under = over;
    return;
  }
  if (!under.is_object()) under = Json::object();
  for (const auto& [key, value] : over.as_object()) {
    if (key == "comment") continue;
    Json* at = under.find(key);
    lay_over(at ? *at : under.set(key, Json()), value);
  }
}

namespace {

bool is_for(const Exception& exception, const Partial& member) {
  return std::all_of(exception.where.begin(), exception.where.end(), [&](const auto& where) {
    const auto& [axis, values] = where;
    return values.empty() ||
           std::find(values.begin(), values.end(), member.values.at(axis)) != values.end();
  });
}

/// Every member with each value of one more axis.
std::vector<Partial> times(const std::vector<Partial>& members, const Axis& axis,
                           const Json& sets) {
  std::vector<Partial> out;
  for (const Partial& member : members) {
    for (const std::string& value : axis.values) {
      Partial next = member;
      next.values[axis.name] = value;
      const size_t at = next.name.find("{" + axis.name + "}");
      if (at != std::string::npos) next.name.replace(at, axis.name.size() + 2, value);
      lay_over(next.config, sets.at(value));
      out.push_back(std::move(next));
    }
  }
  return out;
}

bool is_plain(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

/// `members` are sorted by name.
void check_names(const std::vector<MatrixMember>& members, const std::string& pattern,
                 const std::string& source) {
  if (members.empty()) fail_config("/axes", "at least one member", "none", source);
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string& name = members[i].name;
    const std::string got = fmt::format("\"{}\", which makes \"{}\"", pattern, name);
    if (!is_plain(name)) {
      fail_config("/names",
                  "letters, digits, '_', '-' and '.', and the names of the axes in braces", got,
                  source);
    }
    if (i > 0 && members[i - 1].name == name)
      fail_config("/names", "the name of every axis in braces", got + " twice", source);
  }
}

}  // namespace

bool is_matrix(const Json& document) {
  return document.is_object() && document.find("axes") != nullptr;
}

std::vector<MatrixMember> matrix_members(const Json& document, const std::string& source) {
  const Json matrix = with_long_axes(document, source);
  std::string pattern;
  std::vector<Axis> axes;
  std::vector<Exception> exceptions;
  read_record(matrix, source, [&](RecordVisitor& v) {
    v.text("names", pattern, "The members' names, each axis in braces.");
    v.record("base", describe_part, "What all members share.");
    v.record(
        "axes", [&](RecordVisitor& r) { describe_axes(r, matrix.at("axes"), axes); },
        "What differs.");
    v.list(
        "exceptions", 0, [&](size_t n) { exceptions.resize(n); },
        [&](RecordVisitor& r, size_t i) { describe_exception(r, exceptions[i], axes); },
        "What single combinations set.");
  });
  for (size_t i = 0; i < exceptions.size(); ++i) {
    if (const Json* set = matrix.at("exceptions").as_array()[i].find("set"))
      exceptions[i].set = *set;
  }
  std::vector<Partial> partials(1);
  partials[0].name = pattern;
  if (const Json* base = matrix.find("base")) lay_over(partials[0].config, *base);
  for (const Axis& axis : axes) partials = times(partials, axis, matrix.at("axes").at(axis.name));
  std::vector<MatrixMember> members;
  for (Partial& member : partials) {
    bool left_out = false;
    for (const Exception& exception : exceptions) {
      if (!is_for(exception, member)) continue;
      left_out = left_out || exception.leave_out;
      if (exception.set.is_object()) lay_over(member.config, exception.set);
    }
    if (!left_out) members.push_back({std::move(member.name), std::move(member.config)});
  }
  std::sort(members.begin(), members.end(),
            [](const MatrixMember& a, const MatrixMember& b) { return a.name < b.name; });
  check_names(members, pattern, source);
  return members;
}

}  // namespace tailor::run
