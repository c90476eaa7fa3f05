// One description serves reading, writing and the schema; a record with every kind of field shows
// that the three agree.
#include "tailor/core/record.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"

namespace tailor::test::record_test {
namespace {

using testing::message_of;

enum class Colour { Red, Green };
TAILOR_ENUMERATORS(Colour, "red", "green")
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Point {
  int64_t x = 0;
};
struct Sample {
  bool flag = true;
  int64_t count = 3, open = 0;
  std::optional<int64_t> maybe;
  double rate = 0.5, positive = 1;
  std::vector<double> weights = {0.25, 1};
  std::string text = "plain";
  Colour colour = Colour::Green;
  std::vector<std::string> colours = {"red"};
  Point inner;
  bool has_point = false;
  Point point;
  std::vector<Point> points;
  std::optional<bool> known;
  std::optional<double> score;
  std::vector<std::string> notes = {"a"};
  RecordVisitor::Named<int64_t> lost;
  RecordVisitor::Named<std::string> hashes;
  Json origin;
};

void describe(RecordVisitor& v, Point& p) { v.integer("x", p.x, -5, 5, "Place."); }
void describe(RecordVisitor& v, Sample& s) {
  v.boolean("flag", s.flag, "Flag.");
  v.integer("count", s.count, 1, 10, "Count.");
  v.integer("open", s.open, 0, INT64_MAX, "Open.");
  v.optional_integer("maybe", s.maybe, 0, 9, "Maybe.");
  v.number("rate", s.rate, 0, 1.5, "Rate.");
  v.number("positive", s.positive, 0, kInfinity, "Positive.");
  v.numbers("weights", s.weights, 0, 1, "Weights.");
  v.text("text", s.text, "Text.");
  v.enumeration("colour", s.colour, "Colour.");
  v.choices("colours", s.colours, enumerator_names<Colour>(), "Colours.");
  v.record(
      "inner", [&](RecordVisitor& r) { describe(r, s.inner); }, "Inner.");
  v.optional_record(
      "point", s.has_point, [&](RecordVisitor& r) { describe(r, s.point); }, "Point.");
  v.list(
      "points", s.points.size(), [&](size_t n) { s.points.resize(n); },
      [&](RecordVisitor& r, size_t i) { describe(r, s.points[i]); }, "Points.");
  v.optional_boolean("known", s.known, "Known.");
  v.optional_number("score", s.score, 0, 1, "Score.");
  if (v.wants(!s.notes.empty())) v.texts("notes", s.notes, "Notes.");
  v.counts("lost", s.lost, "Lost.");
  v.named_texts("hashes", s.hashes, "Hashes.");
  v.json("origin", s.origin, "Origin.");
}

Sample read(const std::string& text) {
  Sample sample;
  read_record(Json::parse(text, "FILE"), "FILE", [&](RecordVisitor& v) { describe(v, sample); });
  return sample;
}
std::string write(Sample sample) {
  return write_record([&](RecordVisitor& v) { describe(v, sample); }).dump();
}

constexpr const char* kDefaults =
    R"({"flag":true,"count":3,"open":0,"maybe":null,"rate":0.5,"positive":1.0,"weights":[0.25,1.0],"text":"plain",)"
    R"("colour":"green","colours":["red"],"inner":{"x":0},"point":null,"points":[],)"
    R"("known":null,"score":null,"notes":["a"],"lost":{},"hashes":{},"origin":null})";
constexpr const char* kFull =
    R"({"flag":false,"count":10,"open":9223372036854775807,"maybe":9,"rate":0.0001,"positive":1e+300,"weights":[],)"
    R"("text":"é","colour":"red","colours":["green","red"],"inner":{"x":-5},"point":{"x":4},"points":[{"x":1},{"x":2}],)"
    R"("known":false,"score":0.5,"notes":["b","c"],"lost":{"z":2,"a":1},"hashes":{"f.h":"0a"},"origin":{"run":[1]}})";

TEST(Record, AnEmptyObjectLeavesTheDefaults) { EXPECT_EQ(write(read("{}")), kDefaults); }

TEST(Record, ReadsAndWritesEveryKindOfField) {
  const Sample sample = read(kFull);
  EXPECT_EQ(write(sample), kFull);
  EXPECT_EQ(sample.colour, Colour::Red);
  EXPECT_EQ(sample.maybe, 9);
  EXPECT_TRUE(sample.has_point);
  EXPECT_EQ(sample.points.at(1).x, 2);
  EXPECT_EQ(sample.known, false);
  EXPECT_EQ(sample.lost.at(0).first, "z");    // in the order of the file
  EXPECT_EQ(read(R"({"rate": 1})").rate, 1);  // an integer is a number
}

TEST(Record, LeavesOutWhatIsNotPresentAndKnowsItWhenItReads) {
  Sample sample = read(R"({"notes": []})");
  const Json written = write_record([&](RecordVisitor& v) { describe(v, sample); });
  EXPECT_EQ(written.find("notes"), nullptr);
  EXPECT_EQ(read(R"({"notes": ["x"]})").notes, std::vector<std::string>{"x"});
  const Json schema = record_schema([&](RecordVisitor& v) { describe(v, sample); });
  EXPECT_NE(schema.at("properties").find("notes"), nullptr);
}

TEST(Record, TakesACommentEverywhereAndASchemaAtTheTop) {
  EXPECT_EQ(write(read(R"({"comment": {"any": 1}, "$schema": "x", "inner": {"comment": "y"}})")),
            kDefaults);
  EXPECT_EQ(message_of(ErrorKind::Config, [] { read(R"({"inner": {"$schema": "x"}})"); }),
            "config: /inner/$schema: unknown key in FILE");
}

TEST(Record, RefusesUnknownKeysWithASuggestion) {
  EXPECT_EQ(message_of(ErrorKind::Config, [] { read(R"({"coutn": 3})"); }),
            "config: /coutn: unknown key (did you mean 'count'?) in FILE");
  EXPECT_EQ(message_of(ErrorKind::Config, [] { read(R"({"points": [{"x": 1}, {"zebra": 1}]})"); }),
            "config: /points/1/zebra: unknown key in FILE");
}

TEST(Record, SaysWhatItExpectedAndWhatItGot) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"flag": 1})", "/flag: expected true or false, got 1 (integer)"},
      {R"({"count": "3"})", R"(/count: expected an integer 1..10, got "3" (string))"},
      {R"({"count": 11})", "/count: expected an integer 1..10, got 11 (integer)"},
      {R"({"count": 3.0})", "/count: expected an integer 1..10, got 3.0 (number)"},
      {R"({"count": null})", "/count: expected an integer 1..10, got null (null)"},
      {R"({"open": -1})", "/open: expected an integer of at least 0, got -1 (integer)"},
      {R"({"maybe": 10})", "/maybe: expected an integer 0..9, got 10 (integer)"},
      {R"({"rate": 1.6})", "/rate: expected a number 0..1.5, got 1.6 (number)"},
      {R"({"rate": true})", "/rate: expected a number 0..1.5, got true (boolean)"},
      {R"({"positive": -0.5})", "/positive: expected a number of at least 0, got -0.5 (number)"},
      {R"({"weights": [0.5, 2]})", "/weights/1: expected a number 0..1, got 2 (integer)"},
      {R"({"weights": 0.5})", "/weights: expected an array of numbers, got 0.5 (number)"},
      {R"({"text": ["a"]})", R"(/text: expected a string, got ["a"] (array))"},
      {R"({"colour": "blue"})", R"(/colour: expected one of "red", "green", got "blue" (string))"},
      {R"({"colours": ["red", 3]})",
       R"(/colours/1: expected one of "red", "green", got 3 (integer))"},
      {R"({"colours": ["red", "red"]})",
       R"(/colours/1: expected each name once, got "red" (string))"},
      {R"({"colours": "red"})",
       R"(/colours: expected an array with any of "red", "green", got "red" (string))"},
      {R"({"inner": []})", "/inner: expected an object, got [] (array)"},
      {R"({"inner": {"x": 6}})", "/inner/x: expected an integer -5..5, got 6 (integer)"},
      {R"({"point": 3})", "/point: expected an object, got 3 (integer)"},
      {R"({"points": {}})", "/points: expected an array of objects, got {} (object)"},
      {R"({"points": [{}, 3]})", "/points/1: expected an object, got 3 (integer)"},
      {R"({"known": 1})", "/known: expected true, false or null, got 1 (integer)"},
      {R"({"score": 2})", "/score: expected a number 0..1, got 2 (integer)"},
      {R"({"notes": ["a", 1]})", "/notes/1: expected a string, got 1 (integer)"},
      {R"({"lost": {"a": -1}})", "/lost/a: expected an integer of at least 0, got -1 (integer)"},
      {R"({"lost": []})", "/lost: expected an object of integers, got [] (array)"},
      {R"({"hashes": {"f": 1}})", "/hashes/f: expected a string, got 1 (integer)"},
      {"[]", "/: expected an object, got [] (array)"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(message_of(ErrorKind::Config, [&, bad = text] { read(bad); }),
              std::string("config: ") + expected + " in FILE");
}

TEST(Record, CutsALongValueInTheMessage) {
  const std::string message =
      message_of(ErrorKind::Config, [] { read("{\"count\": \"" + std::string(500, 'x') + "\"}"); });
  EXPECT_EQ(message, "config: /count: expected an integer 1..10, got \"" + std::string(56, 'x') +
                         "... (string) in FILE");
}

TEST(Record, SchemaStatesTypesBoundsDefaultsAndMeaning) {
  Sample sample;
  const Json schema = record_schema([&](RecordVisitor& v) { describe(v, sample); });
  EXPECT_EQ(schema.at("type"), "object");
  EXPECT_EQ(schema.at("additionalProperties"), false);
  const std::pair<const char*, const char*> cases[] = {
      {"flag", R"({"type":"boolean","default":true,"description":"Flag."})"},
      {"count",
       R"({"type":"integer","minimum":1,"maximum":10,"default":3,"description":"Count."})"},
      {"open", R"({"type":"integer","minimum":0,"default":0,"description":"Open."})"},
      {"maybe",
       R"({"type":["integer","null"],"minimum":0,"maximum":9,"default":null,"description":"Maybe."})"},
      {"rate",
       R"({"type":"number","minimum":0.0,"maximum":1.5,"default":0.5,"description":"Rate."})"},
      {"positive", R"({"type":"number","minimum":0.0,"default":1.0,"description":"Positive."})"},
      {"weights",
       R"({"type":"array","items":{"type":"number","minimum":0.0,"maximum":1.0},"default":[0.25,1.0],"description":"Weights."})"},
      {"text", R"({"type":"string","default":"plain","description":"Text."})"},
      {"colour", R"({"enum":["red","green"],"default":"green","description":"Colour."})"},
      {"colours",
       R"({"type":"array","items":{"enum":["red","green"]},"uniqueItems":true,"default":["red"],"description":"Colours."})"},
      {"known", R"({"type":["boolean","null"],"default":null,"description":"Known."})"},
      {"score",
       R"({"type":["number","null"],"minimum":0.0,"maximum":1.0,"default":null,"description":"Score."})"},
      {"notes",
       R"({"type":"array","items":{"type":"string"},"default":["a"],"description":"Notes."})"},
      {"lost",
       R"({"type":"object","additionalProperties":{"type":"integer"},"description":"Lost."})"},
      {"origin", R"({"description":"Origin."})"},
      {"comment", R"({"description":"Free text; ignored."})"},
  };
  const Json& properties = schema.at("properties");
  for (const auto& [key, expected] : cases) EXPECT_EQ(properties.at(key).dump(), expected);
  EXPECT_EQ(properties.as_object().size(), 20U);
  const Json place = Json::parse(
      R"({"type":"integer","minimum":-5,"maximum":5,"default":0,"description":"Place."})", "");
  EXPECT_EQ(properties.at("inner").at("properties").at("x"), place);
  EXPECT_EQ(properties.at("point").at("type").dump(), R"(["object","null"])");
  EXPECT_EQ(properties.at("points").at("items").at("properties").at("x"), place);
  EXPECT_TRUE(sample.points.empty());
}

}  // namespace
}  // namespace tailor::test::record_test
