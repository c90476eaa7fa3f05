// parse(dump(x)) is x, bit for bit; whatever is not a document is refused with the source and the
// place.
#include "tailor/core/json.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/expect_error.h"
#include "tailor/core/random.h"

namespace tailor::test {
namespace {

using testing::expect_error;
using testing::message_of;

Json parse(std::string_view text) { return Json::parse(text, "x.json"); }

TEST(Json, ParsesAndDumpsNestedDocumentsInOrder) {
  const std::string text = R"({"z":[1,-2,[],{}],"a":{"b":null,"c":[true,false]},"":"x"})";
  const Json json = parse(text);
  EXPECT_EQ(json.dump(), text);
  EXPECT_EQ(json.at("z").as_array()[1].as_int(), -2);
  EXPECT_TRUE(json.at("a").at("b").is_null());
  EXPECT_FALSE(json.at("a").at("c").as_array()[1].as_bool());
  EXPECT_EQ(json.at("").as_string(), "x");
  EXPECT_EQ(parse(" [ 1 , { \"a\" : 2 } ]\n").dump(2), "[\n  1,\n  {\n    \"a\": 2\n  }\n]");
}

TEST(Json, KeepsUnicodeAndEscapes) {
  EXPECT_EQ(parse(R"("\u00e9\ud83d\ude00\n\"\\\u0001")").as_string(), "é😀\n\"\\\x01");
  EXPECT_EQ(Json("é😀\n\"\\\x01").dump(), "\"é😀\\n\\\"\\\\\\u0001\"");
  EXPECT_EQ(parse(Json("é😀\n\"\\\x01").dump()), Json("é😀\n\"\\\x01"));
  EXPECT_EQ(Json(std::string("a\0b", 3)).dump(), "\"a\\u0000b\"");
}

TEST(Json, PrintsNumbersShortest) {
  EXPECT_EQ(Json(1e-4).dump(), "0.0001");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(1.0).dump(), "1.0");
  EXPECT_EQ(Json(1e22).dump(), "1e+22");
  EXPECT_EQ(Json(0.1 + 0.2).dump(), "0.30000000000000004");
  EXPECT_EQ(Json(INT64_MIN).dump(), "-9223372036854775808");
  EXPECT_EQ(Json(INT64_MAX).dump(), "9223372036854775807");
}

TEST(Json, KeepsTheDifferenceOfIntegersAndNumbers) {
  EXPECT_TRUE(parse("3").is_int());
  EXPECT_FALSE(parse("3.0").is_int());
  EXPECT_TRUE(parse("3.0").is_number());
  EXPECT_NE(parse("3"), parse("3.0"));
  EXPECT_EQ(parse("3").as_number(), 3.0);
  EXPECT_EQ(parse("-9223372036854775808").as_int(), INT64_MIN);
  EXPECT_FALSE(parse("9223372036854775808").is_int());
  EXPECT_EQ(parse("9223372036854775808").as_number(), 0x1p63);
}

TEST(Json, RoundTripsEveryFiniteNumber) {
  CounterRandom random(1, RandomStream::Test, 1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t bits = static_cast<uint64_t>(random.next_u32()) << 32 | random.next_u32();
    double value = 0;
    std::memcpy(&value, &bits, 8);
    if (!std::isfinite(value)) continue;
    const double back = parse(Json(value).dump()).as_number();
    EXPECT_EQ(std::memcmp(&back, &value, 8), 0) << value;
  }
}

TEST(Json, RefusesDuplicateKeys) {
  EXPECT_EQ(message_of(ErrorKind::Data, [] { parse(R"({"a": 1, "b": {"a": 2}, "a": 3})"); }),
            "x.json: the key \"a\" stands twice in one object");
  EXPECT_NO_THROW(parse(R"([{"a": 1}, {"a": 2}])"));
}

TEST(Json, SaysWhereADocumentIsBroken) {
  const std::string message =
      message_of(ErrorKind::Data, [] { parse("{\n  \"a\": 1,\n  \"b\": ]\n}"); });
  EXPECT_EQ(message.substr(0, 53), "x.json: not valid JSON at line 3, column 8: syntax er")
      << message;
  testing::expect_words(message, {"unexpected ']'"});
  for (const char* bad : {"", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "{a:1}", "01", "1 2",
                          "nan", "[1]x", "\"\\x\"", "\"open", "\"\xff\"", "// c\n1", "tru"})
    expect_error(ErrorKind::Data, {"x.json: not valid JSON at line "}, [&] { parse(bad); });
  expect_error(ErrorKind::Data, {"x.json", "1e999"}, [] { parse("[1e999]"); });
}

TEST(Json, SaysThatThereAreNoComments) {
  testing::expect_error(ErrorKind::Data, {"x.json: not valid JSON at line 1, column 5", "comment"},
                        [] { Json::parse("{}  // end", "x.json"); });
  testing::expect_error(ErrorKind::Data, {"JSON has no comments"},
                        [] { Json::parse("[/* none */]", "x.json"); });
  try {
    Json::parse("[1 2]", "x.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find("comment"), std::string::npos) << e.what();
  }
}

TEST(Json, RefusesDeepNesting) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(parse(nested(200)).dump(), nested(200));
  for (size_t depth : {size_t{201}, size_t{1000000}})
    EXPECT_EQ(message_of(ErrorKind::Data, [&] { parse(nested(depth)); }),
              "x.json: nested deeper than 200 levels");
}

TEST(Json, NamesExpectedAndFoundType) {
  const Json json = parse(R"({"a": "x", "n": 1.5})");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { json.at("a").as_int(); }),
            "JSON: expected integer, got string");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { json.at("n").as_int(); }),
            "JSON: expected integer, got number");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { json.as_array(); }),
            "JSON: expected array, got object");
  EXPECT_EQ(message_of(ErrorKind::Data, [&] { json.at("b"); }),
            "JSON: expected the key \"b\" in an object, it is not there");
  expect_error(ErrorKind::Data, {"expected boolean, got null"}, [] { Json().as_bool(); });
  expect_error(ErrorKind::Data, {"expected string, got array"}, [] { parse("[]").as_string(); });
  expect_error(ErrorKind::Data, {"expected number, got boolean"},
               [] { parse("true").as_number(); });
  expect_error(ErrorKind::Data, {"expected object, got integer"}, [] { parse("1").as_object(); });
}

TEST(Json, SetsReplacesAndErases) {
  Json fresh;
  fresh.set("a", Json()).set("inner", "x");  // a null becomes an object; set returns the member
  EXPECT_EQ(fresh.dump(), R"({"a":{"inner":"x"}})");
  Json json = Json::object({{"a", 1}, {"b", 2}});
  json.set("a", "new");
  json.set("c", Json::array(std::vector<int64_t>{3, 4}));
  json.erase("b");
  json.find("c")->push_back(5.5);
  EXPECT_EQ(json.dump(), R"({"a":"new","c":[3,4,5.5]})");
  EXPECT_EQ(json.find("b"), nullptr);
  EXPECT_EQ(json.get_int("b", 7), 7);
  EXPECT_EQ(json.get_number("b", 0.5), 0.5);
  EXPECT_EQ(json.get_string("a", "fallback"), "new");
}

TEST(Json, PrintsToAWidthWhatFitsOnOneLine) {
  const Json json = Json::parse(
      R"({"a":{"b":1,"c":[1,2,3]},"long":["aaaaaaaa","bbbbbbbb"],"none":{},"text":"x: y"})",
      "test");
  EXPECT_EQ(json.dump_to_width(26),
            "{\n"
            "  \"a\": {\n"
            "    \"b\": 1,\n"
            "    \"c\": [1, 2, 3]\n"
            "  },\n"
            "  \"long\": [\n"
            "    \"aaaaaaaa\",\n"
            "    \"bbbbbbbb\"\n"
            "  ],\n"
            "  \"none\": {},\n"
            "  \"text\": \"x: y\"\n"
            "}");
  EXPECT_EQ(json.dump_to_width(200).find('\n'), std::string::npos);
  for (size_t width : {10u, 28u, 40u, 200u})
    EXPECT_EQ(Json::parse(json.dump_to_width(width), "test"), json) << width;
}

}  // namespace
}  // namespace tailor::test
