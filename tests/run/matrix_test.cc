// A matrix stands for the product of its axes; what is wrong in it is named where it stands.
#include "tailor/run/matrix.h"
#include "support/rooms.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace tailor::test {
namespace {

using testing::message_of;

/// Each member as "name: config".
std::vector<std::string> members(const std::string& text) {
  std::vector<std::string> out;
  for (const MatrixMember& member : matrix_members(Json::parse(text, "m"), "m"))
    out.push_back(member.name + ": " + member.config.dump());
  return out;
}

std::string refusal(const std::string& text) {
  return message_of(ErrorKind::Config, [&] { members(text); });
}

using Lines = std::vector<std::string>;

TEST(Matrix, IsADocumentWithAxes) {
  EXPECT_TRUE(is_matrix(Json::parse(R"({"axes": {}})", "")));
  EXPECT_FALSE(is_matrix(Json::parse(R"({"train": {"epochs": 3}})", "")));
  EXPECT_FALSE(is_matrix(Json::parse("[]", "")));
}

TEST(Matrix, HasAMemberForEveryCombinationSortedByName) {
  EXPECT_EQ(members(R"({"comment": "x", "names": "r{depth}-{set}",
      "base": {"comment": "x", "train": {"comment": "x", "epochs": 1, "seed": 5}},
      "axes": {
        "depth": {"comment": "x", "8": {"network": {"depth": 8}},
                  "20": {"network": {"depth": 20}, "train": {"epochs": 2}}},
        "set": {"b": {}, "a": {"comment": "x", "data": {"augment": ["flip"]}}}}})"),
            (Lines{
                R"(r20-a: {"train":{"epochs":2,"seed":5},"network":{"depth":20},)"
                R"("data":{"augment":["flip"]}})",
                R"(r20-b: {"train":{"epochs":2,"seed":5},"network":{"depth":20}})",
                R"(r8-a: {"train":{"epochs":1,"seed":5},"network":{"depth":8},)"
                R"("data":{"augment":["flip"]}})",
                R"(r8-b: {"train":{"epochs":1,"seed":5},"network":{"depth":8}})",
            }));
}

TEST(Matrix, LaysALaterAxisOverAnEarlierAndAnExceptionOverBoth) {
  EXPECT_EQ(members(R"({"names": "{a}{b}", "axes": {
        "a": {"x": {"train": {"epochs": 1}}, "y": {"train": {"epochs": 2}}},
        "b": {"1": {}, "2": {"train": {"epochs": 3}}, "3": {"teacher": null}}},
      "exceptions": [
        {"where": {"a": ["y"], "b": ["1", "2"]}, "set": {"train": {"epochs": 4}}},
        {"where": {"b": ["3"]}, "leave_out": true},
        {"set": {"teacher": {"epochs": 9}}}]})"),
            (Lines{R"(x1: {"train":{"epochs":1},"teacher":{"epochs":9}})",
                   R"(x2: {"train":{"epochs":3},"teacher":{"epochs":9}})",
                   R"(y1: {"train":{"epochs":4},"teacher":{"epochs":9}})",
                   R"(y2: {"train":{"epochs":4},"teacher":{"epochs":9}})"}));
}

TEST(Matrix, TakesAnAxisByTheKeyWhoseValuesItLists) {
  EXPECT_EQ(members(R"({"names": "{surgery.kind}_{train.optimizer.lr}_{distill}",
      "base": {"train": {"epochs": 2}},
      "axes": {"surgery.kind": ["remove"], "train.optimizer.lr": [0.1, 1],
               "distill": {"on": {}, "off": {"distill": {"beta": 0}}}},
      "exceptions": [{"where": {"train.optimizer.lr": ["1"], "distill": ["off"]},
                      "leave_out": true}]})"),
            (Lines{R"(remove_0.1_off: {"train":{"epochs":2,"optimizer":{"lr":0.1}},)"
                   R"("surgery":{"kind":"remove"},"distill":{"beta":0}})",
                   R"(remove_0.1_on: {"train":{"epochs":2,"optimizer":{"lr":0.1}},)"
                   R"("surgery":{"kind":"remove"}})",
                   R"(remove_1_on: {"train":{"epochs":2,"optimizer":{"lr":1}},)"
                   R"("surgery":{"kind":"remove"}})"}));
}

TEST(Matrix, ReplacesAListWholeAndNullByAnObject) {
  EXPECT_EQ(members(R"({"names": "{a}", "base": {"teacher": null, "data": {"augment": ["flip"]}},
      "axes": {"a": {"x": {"teacher": {"epochs": 1}, "data": {"augment": ["cutout"]}}}}})"),
            Lines{R"(x: {"teacher":{"epochs":1},"data":{"augment":["cutout"]}})"});
}

TEST(Matrix, NamesAWrongKeyTypeOrValueWhereItStands) {
  EXPECT_EQ(refusal(R"({"names": "{a}", "bas": {}, "axes": {"a": {"x": {}}}})"),
            "config: /bas: unknown key (did you mean 'base'?) in m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": {"x": {"train": {"epoch": 3}}}}})"),
            "config: /axes/a/x/train/epoch: unknown key (did you mean 'epochs'?) in m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": {"": {"train": {"epochs": 0}}}}})"),
            "config: /axes/a//train/epochs: expected an integer 1..1000000, got 0 (integer) in m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": "x"}})"),
            "config: /axes/a: expected an object, got \"x\" (string) in m");
  EXPECT_EQ(refusal(R"({"names": "{train.epochs}", "axes": {"train.epochs": [3, 0]}})"),
            "config: /axes/train.epochs/0/train/epochs: expected an integer 1..1000000, got 0 "
            "(integer) in m");
  EXPECT_EQ(refusal(R"({"names": "{train.epoch}", "axes": {"train.epoch": [3]}})"),
            "config: /axes/train.epoch/3/train/epoch: unknown key (did you mean 'epochs'?) in m");
  EXPECT_EQ(refusal(R"({"names": "{train}", "axes": {"train": [{"epochs": 3}]}})"),
            "config: /axes/train/0: expected a number, a text, true or false, got {\"epochs\":3} "
            "in m");
  EXPECT_EQ(refusal(R"({"names": "{train.seed}", "axes": {"train.seed": [1, 2, 1]}})"),
            "config: /axes/train.seed/2: expected each value once, got 1 again in m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": {"x": {}, "y": {}}},
                        "exceptions": [{"where": {"a": ["z"]}}]})"),
            "config: /exceptions/0/where/a/0: expected one of \"x\", \"y\", got \"z\" (string) in "
            "m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": {"x": {}}},
                        "exceptions": [{"where": {"b": ["x"]}}]})"),
            "config: /exceptions/0/where/b: unknown key (did you mean 'a'?) in m");
}

TEST(Matrix, RefusesNamesThatDoNotTellItsMembersApart) {
  EXPECT_EQ(refusal(R"({"names": "r{a}", "axes": {"a": {"x": {}}, "b": {"1": {}, "2": {}}}})"),
            "config: /names: expected the name of every axis in braces, got \"r{a}\", which makes "
            "\"rx\" twice in m");
  const std::string plain =
      "config: /names: expected letters, digits, '_', '-' and '.', and the names of the axes in "
      "braces, got ";
  EXPECT_EQ(refusal(R"({"names": "r{b}", "axes": {"a": {"x": {}}}})"),
            plain + "\"r{b}\", which makes \"r{b}\" in m");
  EXPECT_EQ(refusal(R"({"axes": {"a": {"x": {}}}})"), plain + "\"\", which makes \"\" in m");
  EXPECT_EQ(refusal(R"({"names": "{a}", "axes": {"a": {}}})"),
            "config: /axes: expected at least one member, got none in m");
}

}  // namespace
}  // namespace tailor::test
