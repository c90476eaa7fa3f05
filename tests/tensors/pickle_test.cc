// The machine's own rules, opcode by opcode; what the values mean to PyTorch is torch_file_test's.
#include "tensors/pickle.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "support/rooms.h"
#include "tensors/torch_bytes.h"

namespace tailor::test::pickle_test {
namespace {

using testing::expect_error;
using testing::little;
using testing::raw;
using Kind = PickleValue::Kind;

/// Compact form of a value, Python's own where there is one.
std::string show(const PickleValue& v) {
  auto list = [](const std::vector<PickleValue::Pointer>& items) {
    std::string out;
    for (const PickleValue* item : items) out += (out.empty() ? "" : ", ") + show(*item);
    return out;
  };
  std::string entries;
  for (const auto& [key, value] : v.entries)
    entries += (entries.empty() ? "" : ", ") + show(*key) + ": " + show(*value);
  switch (v.kind) {
    case Kind::None:
      return "None";
    case Kind::Bool:
      return v.integer != 0 ? "True" : "False";
    case Kind::Int:
      return std::to_string(v.integer);
    case Kind::Long:
      return "long" + std::to_string(v.text.size());
    case Kind::Float:
      return fmt::format("{:.2f}", v.number);
    case Kind::String:
      return "'" + std::string(v.text) + "'";
    case Kind::Bytes:
      return "b'" + std::string(v.text) + "'";
    case Kind::Tuple:
      return "(" + list(v.items) + ")";
    case Kind::List:
      return "[" + list(v.items) + "]";
    case Kind::Set:
      return "set(" + list(v.items) + ")";
    case Kind::Dict:
      return "{" + entries + "}";
    case Kind::Global:
      return std::string(v.text);
    case Kind::Object:
      return show(*v.callable) + show(*v.arguments) +
             (v.items.empty() ? "" : "+[" + list(v.items) + "]") +
             (entries.empty() ? "" : "+{" + entries + "}") +
             (v.state == nullptr ? "" : "<-" + show(*v.state));
    case Kind::Persistent:
      return "storage" + show(*v.arguments);
  }
  return "?";
}
std::string read(const std::string& opcodes) {
  const std::string bytes = raw("\x80\x02") + opcodes + ".";
  return show(Pickle(bytes, "p").root());
}
void expect_refused(const std::string& opcodes, std::initializer_list<std::string> words) {
  expect_error(ErrorKind::Data, words, [&] { read(opcodes); });
}

TEST(Pickle, ReadsNumbers) {
  EXPECT_EQ(read("K\xff"), "255");
  EXPECT_EQ(read(raw("M\x01\x02")), "513");
  EXPECT_EQ(read("J\xfe\xff\xff\xff"), "-2");
  EXPECT_EQ(read(raw("\x8a\x00")), "0");
  EXPECT_EQ(read("\x8a\x01\xff"), "-1");
  EXPECT_EQ(read(raw("\x8a\x02\xff\x00")), "255");
  EXPECT_EQ(read(raw("\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80")),
            std::to_string(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(read(raw("\x8a\x09") + std::string(9, 'x')), "long9");
  EXPECT_EQ(read(raw("G\xc0\x04\x00\x00\x00\x00\x00\x00")), "-2.50");
  EXPECT_EQ(read("(N\x88\x89t"), "(None, True, False)");
}

TEST(Pickle, ReadsTexts) {
  EXPECT_EQ(read(raw("(U\x01"
                     "aT\x02\0\0\0bbX\x03\0\0\0ccc\x8c\x01"
                     "d\x8d\x02\0\0\0\0\0\0\0eet")),
            "('a', 'bb', 'ccc', 'd', 'ee')");
  EXPECT_EQ(read(raw("(C\x01"
                     "aB\x02\0\0\0bb\x8e\x01\0\0\0\0\0\0\0c\x96\x02\0\0\0\0\0\0\0ddt")),
            "(b'a', b'bb', b'c', b'dd')");
}

TEST(Pickle, BuildsContainers) {
  EXPECT_EQ(read("(NK\x01)K\x02\x85K\x03K\x04\x86NNN\x87t"),
            "(None, 1, (), (2), (3, 4), (None, None, None))");
  EXPECT_EQ(read("]K\x01"
                 "a(K\x02K\x03"
                 "e"),
            "[1, 2, 3]");
  EXPECT_EQ(read("(K\x01K\x02l"), "[1, 2]");
  EXPECT_EQ(read("}K\x01NsK\x02K\x03s"), "{1: None, 2: 3}");
  EXPECT_EQ(read("}(K\x01NK\x02K\x03u"), "{1: None, 2: 3}");
  EXPECT_EQ(read("(K\x01Nd"), "{1: None}");
  EXPECT_EQ(read("\x8f(K\x01K\x02\x90"), "set(1, 2)");
  EXPECT_EQ(read("(K\x01\x91"), "set(1)");
}

TEST(Pickle, MovesValuesOnTheStack) {
  EXPECT_EQ(read("K\x01K\x02"
                 "0"),
            "1");
  EXPECT_EQ(read("K\x01(K\x02K\x03"
                 "1"),
            "1");
  EXPECT_EQ(read("K\x01(0"), "1");
  EXPECT_EQ(read("K\x01"
                 "2\x86"),
            "(1, 1)");
  EXPECT_EQ(read(raw("K\x07q\x03K\x08r\x04\x01\0\0\x94"
                     "00h\x03j\x04\x01\0\0h\x02\x87")),
            "(7, 8, 8)");
  EXPECT_EQ(read(raw("\x95\x01\0\0\0\0\0\0\0N")), "None");
}

TEST(Pickle, CallsNothing) {
  EXPECT_EQ(read("cmodule\nclass\n(K\x01t\x81"), "module.class(1)");
  EXPECT_EQ(read(raw("\x8c\x01m\x8c\x01"
                     "f\x93)\x81")),
            "m.f()");
  EXPECT_EQ(read("cm\nf\n)}\x92"), "m.f()");
  EXPECT_EQ(read("cm\nf\n)\x81}K\x01K\x02sb"), "m.f()<-{1: 2}");
  EXPECT_EQ(read("cm\nf\n)\x81K\x01"
                 "aK\x02K\x03s"),
            "m.f()+[1]+{2: 3}");
  EXPECT_EQ(read("(K\x01tQ"), "storage(1)");
  EXPECT_EQ(read("cbuiltins\nset\n)R"), "builtins.set()");
  EXPECT_EQ(read("ccollections\nOrderedDict\n)R"), "collections.OrderedDict()");
  EXPECT_EQ(read("ctorch\nrelu\n"), "torch.relu");  // only named
  for (const char* name :
       {"m\nf", "torch.hub\nload", "torch\nloads", "torch\nSizes", "pydoc\npipepager",
        "numpy\nload", "collectionsx\nf", "builtins\nsetattr"})
    expect_refused(std::string("c") + name + "\n)R",
                   {"the file asks to call ", "torch.save(model.state_dict(), FILE)"});
  expect_refused("ccollections\nOrderedDict\n)R)R",
                 {"the file asks to call collections.OrderedDict"});
  expect_refused("cbuiltins\neval\n)R", {"p: the file asks to call builtins.eval; tailor never"});
}

TEST(Pickle, SaysWhereItEndsAndWhatItNames) {
  const std::string bytes =
      raw("\x80\x02(cm\nf\n)\x81"
          "cM\ng\nK\x01Qt.rest");
  const Pickle pickle(bytes, "p");
  EXPECT_EQ(pickle.size_bytes(), bytes.size() - 4);
  EXPECT_EQ(pickle.globals(), (std::set<std::string>{"m.f", "M.g"}));
  ASSERT_EQ(pickle.persistents().size(), 1U);
  EXPECT_EQ(pickle.persistents()[0], pickle.root().items[2]);
}

TEST(Pickle, RefusesAStackThatDoesNotHoldWhatItNeeds) {
  for (const char* opcodes : {"", "0", "2", "q\x01", "\x85", "K\x01\x86", "K\x01K\x02\x87", "a",
                              "K\x01"
                              "a",
                              "s", "R", ")R", "b", "\x93", "Q", "\x92"})
    expect_refused(opcodes, {"p: the stack is empty at byte "});
  // Nothing below a mark may be taken.
  for (const char* opcodes : {"](a",
                              "K\x01(0"
                              "0",
                              "K\x01(2", "K\x01(\x85", "K\x01(q\x01"})
    expect_refused(opcodes, {"the stack is empty"});
  for (const char* opcodes : {"t", "l", "d", "e", "u", "1", "\x90", "\x91"})
    expect_refused(opcodes, {"no mark is set"});
  expect_refused("NN", {"values are left on the stack"});
  expect_refused("(N", {"values are left on the stack"});
  expect_refused("(", {"the stack is empty"});
}

TEST(Pickle, RefusesValuesOfTheWrongKind) {
  expect_refused("NNa", {"items are appended to a None"});
  expect_refused("}(Ne", {"items are appended to a dict"});
  expect_refused("]NNs", {"items are set in a list"});
  expect_refused("}(Nu", {"a key has no value"});
  expect_refused("(Nd", {"a key has no value"});
  expect_refused("cm\nf\nNR", {"the arguments are a None"});
  expect_refused("cm\nf\n]\x81", {"the arguments are a list"});
  expect_refused("cm\nf\n]}\x92", {"the arguments are a list"});
  expect_refused("]}b", {"attributes are set in a list"});
  expect_refused("NN\x93", {"a class is named by a None"});
  expect_refused("h\x05", {"nothing was stored under 5"});
}

TEST(Pickle, RefusesTextsBeyondTheFile) {
  expect_refused("X\xff\xff\xff\xff", {"expected 4294967295 more bytes, got 1"});
  expect_refused("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", {"expected 18446744073709551615 more"});
  expect_refused("\x8b\xff\xff\xff\xff", {"expected 4294967295 more bytes"});
  expect_refused("G123456", {"expected 8 more bytes, got 7"});  // STOP included
  expect_refused("cmodule", {"expected a line"});
}

TEST(Pickle, RefusesOpcodesItDoesNotKnow) {
  for (char opcode : std::string("ILFSVPio")) {
    expect_error(ErrorKind::Unsupported,
                 {std::string("the protocol-0 opcode '") + opcode + "', expected protocol 2 to 5"},
                 [&] { read(std::string(1, opcode)); });
  }
  for (const char* opcode : {"\x82", "\x83", "\x84", "\x97", "\x98", "\x01", "z"})
    expect_refused(opcode, {"the unknown opcode 0x"});
  expect_refused("\x80\x01N", {"protocol 1, expected 2 to 5"});
  expect_refused("\x80\x06N", {"protocol 6"});
}

TEST(Pickle, BoundsTheNumberOfValues) {
  expect_refused("(" + std::string(Pickle::kMaxValues + 1, 'N') + "t",
                 {"more than 2000000 values, far beyond any checkpoint"});
}

}  // namespace
}  // namespace tailor::test::pickle_test
