// The tables of docs/formats.md that are records: each stands between <!-- generated: NAME --> and
// <!-- end -->, as the record's own sentences make it.
#include <gtest/gtest.h>

#include <map>

#include "support/golden.h"
#include "support/rooms.h"
#include "tailor/check/check.h"
#include "tailor/design/device.h"
#include "tailor/design/reuse_factors.h"
#include "tailor/design/trained_precision.h"
#include "tailor/ir/operation.h"
#include "tailor/run/results.h"
#include "tailor/target/manifest.h"
#include "tailor/target/reports.h"

namespace tailor::test {
namespace {

template <class Record>
std::string table_of() {
  Record record;
  return record_table(record_schema([&](RecordVisitor& v) { record.describe(v); }));
}

/// Attributes of all operations; what several say alike is one row.
class AttributeRows : public AttributeVisitor {
 public:
  struct Row {
    std::string key, type, about, operations;
  };
  std::vector<Row> rows;
  std::string operation;

  void field(const char* key, bool& value, const char* doc) override {
    add(key, "boolean", value ? "true" : "false", doc);
  }
  void field(const char* key, int64_t& value, const char* doc) override {
    add(key, "integer", std::to_string(value), doc);
  }
  void field(const char* key, double& /*value*/, const char* doc) override {
    add(key, "number", "", doc);
  }
  void field(const char* key, Size2& value, const char* doc) override {
    add(key, "integer, or [rows, columns]", std::to_string(value.height), doc);
  }
  void field(const char* key, Pads& /*value*/, const char* doc) override {
    add(key, "[top, left, bottom, right]", "", doc);
  }
  void field(const char* key, std::vector<std::string>& /*value*/, const char* doc) override {
    add(key, "array of strings", "", doc);
  }

 protected:
  bool leaves_out(const char* /*key*/, bool /*usual*/) override {
    optional_ = true;
    return false;
  }

 private:
  void add(const char* key, std::string type, const std::string& usual, const char* about) {
    if (optional_) type += "; absent: " + usual;
    optional_ = false;
    for (Row& row : rows) {
      if (row.key != key || row.type != type || row.about != about) continue;
      row.operations += ", `" + operation + "`";
      return;
    }
    rows.push_back({key, type, about, "`" + operation + "`"});
  }
  bool optional_ = false;
};

std::string attribute_table() {
  AttributeRows visitor;
  for (const Operation* operation : operations()) {
    visitor.operation = operation->name();
    Op op = operation->make();
    operation->describe(op, visitor);
  }
  std::string out = "| key | of | type | meaning |\n|---|---|---|---|\n";
  for (const AttributeRows::Row& row : visitor.rows)
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.key, row.operations, row.type, row.about);
  return out;
}

std::string precision_table() {
  TrainedPrecision precision;
  return record_table(record_schema([&](RecordVisitor& v) { describe(v, precision); }));
}

std::string reuse_factors_table() {
  ReuseFactors factors;
  return record_table(record_schema([&](RecordVisitor& v) { describe(v, factors); }));
}

const std::map<std::string, std::string (*)()>& format_tables() {
  static const std::map<std::string, std::string (*)()> tables = {
      {"metrics", table_of<EpochMetrics>},  {"alterations", table_of<AlterationLine>},
      {"summary", table_of<RunSummary>},    {"manifest", table_of<Manifest>},
      {"check", table_of<CheckReport>},     {"device", table_of<Device>},
      {"reports", table_of<ReportSummary>}, {"attributes", attribute_table},
      {"precision", precision_table},       {"reuse_factors", reuse_factors_table}};
  return tables;
}

TEST(Formats, ThePageHasTheTablesAsTheRecordsSayThem) {
  const std::string page = read_file(path_join(TAILOR_TEST_SOURCE, "../docs/formats.md"));
  const std::string begin = "<!-- generated: ", end = "<!-- end -->";
  std::string made;
  size_t at = 0, tables = 0;
  for (size_t mark; (mark = page.find(begin, at)) != std::string::npos; ++tables) {
    const size_t line_end = page.find('\n', mark), close = page.find(end, mark);
    ASSERT_NE(close, std::string::npos) << "no " << end << " behind " << page.substr(mark, 60);
    const size_t name_at = mark + begin.size();
    const std::string name = page.substr(name_at, page.find(' ', name_at) - name_at);
    ASSERT_TRUE(format_tables().count(name)) << "no record is called " << name;
    made += page.substr(at, line_end - at) + "\n\n" + format_tables().at(name)() + "\n" + end;
    at = close + end.size();
  }
  EXPECT_EQ(tables, format_tables().size());
  testing::expect_golden("../docs/formats.md", made + page.substr(at));
}

}  // namespace
}  // namespace tailor::test
