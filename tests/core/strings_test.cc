#include "tailor/core/strings.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include <climits>

#include "tailor/core/process.h"

namespace tailor::test {
namespace {

using Parts = std::vector<std::string>;

TEST(Strings, BeginAndEndWithOneAnother) {
  EXPECT_TRUE(starts_with("data.name", "data."));
  EXPECT_TRUE(starts_with("data", ""));
  EXPECT_FALSE(starts_with("dat", "data"));
  EXPECT_TRUE(ends_with("size_t", "_t"));
  EXPECT_TRUE(ends_with("_t", "_t"));
  EXPECT_FALSE(ends_with("t", "_t"));
}

TEST(Strings, AnExtensionHasANameInFrontOfIt) {
  EXPECT_TRUE(has_extension("a.json", ".json"));
  EXPECT_FALSE(has_extension(".json", ".json"));
  EXPECT_FALSE(has_extension("a.JSON", ".json"));
  EXPECT_EQ(without_extension("runs/a.json", ".json"), "runs/a");
  EXPECT_EQ(without_extension(".json", ".json"), ".json");
  EXPECT_EQ(without_extension("a.csv", ".json"), "a.csv");
}

TEST(Strings, SplitsAtEverySeparatorAndJoinsBack) {
  EXPECT_EQ(split("a,b,c", ','), (Parts{"a", "b", "c"}));
  EXPECT_EQ(split(",a,,b,", ','), (Parts{"", "a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (Parts{""}));
  EXPECT_EQ(join({"a", "", "c"}, ", "), "a, , c");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join(split(",a,,b,", ','), ","), ",a,,b,");
}

TEST(Strings, TrimsSpaceAtBothEndsOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("ab"), "ab");
  EXPECT_EQ(trim(" \t\r\n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Strings, PrintsOtherPeoplesTextsSafely) {
  EXPECT_EQ(printable("a\n\x1b[31mb\x7f"), "a??[31mb?");
  EXPECT_EQ(printable("\xC3\xBC \xE2\x86\x92 \xF0\x9F\x98\x80"),
            "\xC3\xBC \xE2\x86\x92 \xF0\x9F\x98\x80");
  EXPECT_EQ(printable("\x80 \xC3( \xE2\x86 \xFF\xC3"), "? ?( ?? ??");
  EXPECT_EQ(printable(std::string(81, 'x')), std::string(80, 'x') + "...");
}

TEST(Strings, ParsesWholeIntegersOnly) {
  EXPECT_EQ(parse_int("-17"), -17);
  EXPECT_EQ(parse_int("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_int("-9223372036854775808"), INT64_MIN);
  for (const char* bad :
       {"", "9223372036854775808", "1.0", "1e3", " 1", "1 ", "+1", "0x10", "--1", "a"})
    EXPECT_EQ(parse_int(bad), std::nullopt) << "'" << bad << "'";
}

TEST(Strings, ParsesWholeFiniteNumbersOnly) {
  EXPECT_EQ(parse_number("-1.5e-3"), -0.0015);
  EXPECT_EQ(parse_number("3"), 3.0);
  for (const char* bad : {"", "inf", "nan", "1e999", "1,5", " 1", "1 ", "+1", "1.5x"})
    EXPECT_EQ(parse_number(bad), std::nullopt) << "'" << bad << "'";
}

TEST(Strings, SuggestsTheNearestNameWithinAQuarterOfItsLength) {
  const Parts names = {"batch_size", "epochs", "seed"};
  EXPECT_EQ(did_you_mean("batchsize", names), " (did you mean 'batch_size'?)");
  EXPECT_EQ(did_you_mean("epoch", names), " (did you mean 'epochs'?)");
  EXPECT_EQ(did_you_mean("sed", names), " (did you mean 'seed'?)");
  EXPECT_EQ(did_you_mean("momentum", names), "");
  // One edit, and one more for every four letters: two for "sead", three of "abcd" are too many.
  EXPECT_EQ(nearest_name("sead", {"seed"}), "seed");
  EXPECT_EQ(nearest_name("abcd", {"abxx"}), "abxx");
  EXPECT_EQ(nearest_name("abcd", {"axxx"}), std::nullopt);
  EXPECT_EQ(nearest_name("abc", {"axx"}), std::nullopt);
  EXPECT_EQ(nearest_name("ab", {"abx", "ab"}), "ab");  // the nearest, not the first
  EXPECT_EQ(nearest_name("ab", {}), std::nullopt);
}

TEST(Strings, CountsOneAndMany) {
  EXPECT_EQ(counted(1, "stage"), "1 stage");
  EXPECT_EQ(counted(0, "stage"), "0 stages");
  EXPECT_EQ(counted(131489, "output"), "131,489 outputs");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
  EXPECT_EQ(with_commas(-123), "-123");
}

TEST(Strings, WrapsAtBlanksAndLosesNoWord) {
  EXPECT_EQ(wrap("one two three four", 9), "one two\n  three\n  four");
  EXPECT_EQ(wrap("one two", 7), "one two");
  EXPECT_EQ(wrap("immeasurable word", 5), "immeasurable\n  word");
  EXPECT_EQ(wrap("", 5), "");
}

TEST(ShellQuote, AShellReadsBackWhatWasPrinted) {
  EXPECT_EQ(shell_quote("runs/a-1.5_b"), "runs/a-1.5_b");
  EXPECT_EQ(shell_quote("data.root=/data/x"), "data.root=/data/x");
  EXPECT_EQ(shell_quote("my run"), "'my run'");
  EXPECT_EQ(shell_quote("Läufe"), "'Läufe'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote(""), "''");
  for (const std::string word :
       {"a b", "\"x\" & `y` $HOME", "it's 'so'", "Größe*?", "~", "a\nb", ""}) {
    const ProcessResult r = run_process({"sh", "-c", "printf '<%s>' " + shell_quote(word)}, "/");
    EXPECT_EQ(r.output, "<" + word + ">");
  }
}

TEST(Strings, OffersAllOfAFewNamesAndTheNearestOfMany) {
  EXPECT_EQ(offer_names("sed", {"seed", "epochs"}, "tailor x"),
            " (did you mean 'seed'?); there are seed, epochs");
  EXPECT_EQ(offer_names("momentum", {"seed", "epochs"}, "tailor x"), "; there are seed, epochs");
  const Parts many = {"net8",   "net20",   "net32",   "net44",  "net56",
                      "net110", "block16", "block24", "block32"};
  // The part of a name stands before what is merely as long.
  EXPECT_EQ(
      offer_names("block", many, "tailor x"),
      " (did you mean 'block16'?); the nearest of 9 are block16, block24, block32, net8, net20"
      " (tailor x prints all)");
  EXPECT_EQ(offer_names("net2", many, "tailor x").substr(0, 45),
            " (did you mean 'net20'?); the nearest of 9 ar");
  EXPECT_EQ(list_names("x", {}, "tailor x"), "there are none");
}

TEST(ToPercent, PrintsAsFewDigitsAsThereAre) {
  EXPECT_EQ(to_percent(0.8624), 86.24);
  EXPECT_EQ(to_percent(291.0 / 1000), 29.1);
  EXPECT_EQ(to_percent(1.0 / 3), 33.333333);
}

}  // namespace
}  // namespace tailor::test
