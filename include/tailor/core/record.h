// A record describes its fields once, to a visitor; reading, printing and the JSON Schema are three
// visitors. So a field cannot be read without being documented, ranged and saved. Every record also
// takes a "comment" key.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tailor/core/enumerators.h"
#include "tailor/core/json.h"
#include "tailor/core/span.h"

namespace tailor::core {

class RecordVisitor {
 public:
  using Describe = std::function<void(RecordVisitor&)>;
  template <class T>
  using Named = std::vector<std::pair<std::string, T>>;
  virtual ~RecordVisitor() = default;

  /// Whether to visit a member that may be absent: a writer leaves out what is not `present`.
  virtual bool wants(bool /*present*/) { return true; }
  virtual void boolean(const char* key, bool& value, const char* doc) = 0;
  virtual void integer(const char* key, int64_t& value, int64_t min, int64_t max,
                       const char* doc) = 0;
  /// Absent or null means "decided by the program"; doc says how.
  virtual void optional_integer(const char* key, std::optional<int64_t>& value, int64_t min,
                                int64_t max, const char* doc) = 0;
  /// Rows and columns: one integer for both, or [rows, columns].
  virtual void pair(const char* key, int64_t& rows, int64_t& columns, int64_t min, int64_t max,
                    const char* doc) = 0;
  virtual void number(const char* key, double& value, double min, double max, const char* doc) = 0;
  virtual void numbers(const char* key, std::vector<double>& values, double min, double max,
                       const char* doc) = 0;
  /// Absent or null: nothing is known.
  virtual void optional_boolean(const char* key, std::optional<bool>& value, const char* doc) = 0;
  virtual void optional_number(const char* key, std::optional<double>& value, double min,
                               double max, const char* doc) = 0;
  virtual void text(const char* key, std::string& value, const char* doc) = 0;
  virtual void texts(const char* key, std::vector<std::string>& values, const char* doc) = 0;
  /// An object of whole numbers, or of texts, by names that no record knows beforehand.
  virtual void counts(const char* key, Named<int64_t>& values, const char* doc) = 0;
  virtual void named_texts(const char* key, Named<std::string>& values, const char* doc) = 0;
  /// Any JSON: a document of another record, or free in form.
  virtual void json(const char* key, Json& value, const char* doc) = 0;
  /// One of `names`; value is its index.
  virtual void choice(const char* key, int& value, Names names, const char* doc) = 0;
  /// Any of `names`, each at most once.
  virtual void choices(const char* key, std::vector<std::string>& values, Names names,
                       const char* doc) = 0;
  virtual void record(const char* key, const Describe& describe, const char* doc) = 0;
  /// A record that may be absent: `present` says whether it is.
  virtual void optional_record(const char* key, bool& present, const Describe& describe,
                               const char* doc) = 0;
  /// A list of records: `resize` sets its length, `describe` visits element i.
  virtual void list(const char* key, size_t size, const std::function<void(size_t)>& resize,
                    const std::function<void(RecordVisitor&, size_t)>& describe,
                    const char* doc) = 0;

  /// A value of an enumeration (core/enumerators.h).
  template <class E>
  void enumeration(const char* key, E& value, const char* doc) {
    int index = static_cast<int>(value);
    choice(key, index, names_of(value), doc);
    value = static_cast<E>(index);
  }
  /// One of `names`, kept as text; the first one where it is none of them.
  void text_choice(const char* key, std::string& value, Names names, const char* doc) {
    int index = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      if (value == names[i]) index = static_cast<int>(i);
    }
    choice(key, index, names, doc);
    value = names[static_cast<size_t>(index)];
  }
  /// A record with a describe(RecordVisitor&, T&) of its own.
  template <class T>
  void object(const char* key, T& value, const char* doc) {
    record(
        key, [&](RecordVisitor& r) { describe(r, value); }, doc);
  }
};

/// Reads strictly: unknown keys, wrong types and values out of range throw Config with `source` and
/// a JSON Pointer.
void read_record(const Json& json, const std::string& source,
                 const RecordVisitor::Describe& describe, const std::string& pointer = "");
/// Every field with its value, in the order of description.
Json write_record(const RecordVisitor::Describe& describe);
/// JSON Schema (draft 2020-12) of the record; the values at the call are its defaults.
Json record_schema(const RecordVisitor::Describe& describe);

/// Throws Config "config: POINTER: expected …, got … in SOURCE".
[[noreturn]] void fail_config(const std::string& pointer, const std::string& expected,
                              const std::string& got, const std::string& source);

}  // namespace tailor::core
