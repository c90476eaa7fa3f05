#include "tensors/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "tailor/core/error.h"
#include "tailor/core/strings.h"

namespace tailor::tensors {
namespace {

/// The classes and functions that a pickle may call: what weights, and the settings and counters
/// that training scripts keep beside them, are made of. A dot or an underscore at the end stands
/// for all that begins so. None is run; a call of any other is refused. An object of a strange
/// class (a whole module) is only its attributes, and a name that is not called is only a name.
constexpr std::string_view kKnownCalls[] = {"torch._utils._rebuild_",
                                            "torch._tensor._rebuild_",
                                            "torch.nn.parameter.",
                                            "torch.jit._pickle.",
                                            "torch.storage._load_from_bytes",
                                            "torch.serialization._get_layout",
                                            "torch.Size",
                                            "torch.device",
                                            "torch.Tensor",
                                            "__torch__.",
                                            "collections.",
                                            "_codecs.encode",
                                            "copyreg.",
                                            "copy_reg.",
                                            "types.SimpleNamespace",
                                            "argparse.Namespace",
                                            "datetime.",
                                            "decimal.Decimal",
                                            "fractions.Fraction",
                                            "functools.partial",
                                            "pathlib.",
                                            "uuid.UUID",
                                            "numpy.dtype",
                                            "numpy.ndarray",
                                            "numpy.random.",
                                            "numpy.core.multiarray._reconstruct",
                                            "numpy.core.multiarray.scalar",
                                            "numpy._core.multiarray._reconstruct",
                                            "numpy._core.multiarray.scalar",
                                            "numpy.core.numeric._frombuffer",
                                            "numpy._core.numeric._frombuffer"};
constexpr std::string_view kKnownBuiltins[] = {
    "set",   "frozenset", "list", "dict", "tuple", "int",     "float",  "bool",     "complex",
    "slice", "range",     "str",  "long", "bytes", "unicode", "object", "bytearray"};

bool is_known_call(std::string_view name) {
  for (std::string_view module : {"builtins.", "__builtin__."}) {
    if (starts_with(name, module)) {
      const std::string_view builtin = name.substr(module.size());
      return std::find(std::begin(kKnownBuiltins), std::end(kKnownBuiltins), builtin) !=
             std::end(kKnownBuiltins);
    }
  }
  for (std::string_view known : kKnownCalls) {
    const bool open = known.back() == '.' || known.back() == '_';
    if (open ? starts_with(name, known) : name == known) return true;
  }
  return false;
}

/// What the machine does not know: protocols 0 and 1 (text), the extension registry, out-of-band
/// buffers.
constexpr std::string_view kOldText = "ILFSVPio";

}  // namespace

std::string type_name(const PickleValue& value) {
  switch (value.kind) {
    case PickleValue::Kind::None:
      return "None";
    case PickleValue::Kind::Bool:
      return "bool";
    case PickleValue::Kind::Int:
    case PickleValue::Kind::Long:
      return "int";
    case PickleValue::Kind::Float:
      return "float";
    case PickleValue::Kind::String:
      return "str";
    case PickleValue::Kind::Bytes:
      return "bytes";
    case PickleValue::Kind::Tuple:
      return "tuple";
    case PickleValue::Kind::List:
      return "list";
    case PickleValue::Kind::Dict:
      return "dict";
    case PickleValue::Kind::Set:
      return "set";
    case PickleValue::Kind::Global:
      return printable(value.text);
    case PickleValue::Kind::Object:
      return value.callable->kind == PickleValue::Kind::Global ? printable(value.callable->text)
                                                               : "object";
    case PickleValue::Kind::Persistent:
      return "storage";
  }
  return "?";
}

Pickle::Pickle(std::string_view bytes, std::string where)
    : bytes_(bytes), where_(std::move(where)) {
  run();
}

void Pickle::bad(const std::string& why) const {
  fail(ErrorKind::Data, "{}: {} at byte {} of {} in its pickle; the file is damaged", where_, why,
       position_, bytes_.size());
}

std::string_view Pickle::take(uint64_t size) {
  if (size > bytes_.size() - position_)
    bad(fmt::format("expected {} more bytes, got {}", size, bytes_.size() - position_));
  const auto out = bytes_.substr(position_, size);
  position_ += size;
  return out;
}

uint64_t Pickle::take_number(size_t bytes) {
  uint64_t value = 0;
  const auto text = take(bytes);
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(text[i]);
  return value;
}

std::string_view Pickle::take_line() {
  const size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos) bad("expected a line");
  const auto line = take(end - position_);
  take(1);
  return line;
}

PickleValue* Pickle::make(Kind kind) {
  if (values_.size() >= kMaxValues)
    bad(fmt::format("more than {} values, far beyond any checkpoint,", kMaxValues));
  values_.emplace_back().kind = kind;
  return &values_.back();
}

PickleValue* Pickle::top() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
    bad("the stack is empty");
  return stack_.back();
}

PickleValue* Pickle::pop() {
  PickleValue* value = top();
  stack_.pop_back();
  return value;
}

size_t Pickle::pop_mark() {
  if (marks_.empty()) bad("no mark is set");
  const size_t mark = marks_.back();
  marks_.pop_back();
  return mark;
}

Pickle::Items Pickle::pop_items(size_t mark) {
  Items items(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
  stack_.resize(mark);
  return items;
}

void Pickle::push_long(std::string_view bytes) {
  if (bytes.size() > 8) return push_text(Kind::Long, bytes);
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  push_int(static_cast<int64_t>(value));
}

void Pickle::push_global(std::string_view module, std::string_view name) {
  const auto [found, is_new] = globals_.insert(fmt::format("{}.{}", module, name));
  push_text(Kind::Global, *found);
}

void Pickle::push_call(PickleValue* callable, PickleValue* arguments) {
  if (callable->kind != Kind::Global || !is_known_call(callable->text)) {
    fail(ErrorKind::Data,
         "{}: the file asks to call {}; tailor never runs code, and no weights need this call. If "
         "the "
         "file is yours, save the weights alone: torch.save(model.state_dict(), FILE); if it is "
         "not, "
         "do not load it with Python either",
         where_, type_name(*callable));
  }
  push_object(callable, arguments);
}

void Pickle::push_object(PickleValue* callable, PickleValue* arguments) {
  PickleValue* object = push(Kind::Object);
  object->callable = callable;
  object->arguments = arguments;
}

void Pickle::append(PickleValue* list, const Items& items) {
  if (list->kind != Kind::List && list->kind != Kind::Set && list->kind != Kind::Object)
    bad("items are appended to a " + type_name(*list));
  list->items.insert(list->items.end(), items.begin(), items.end());
}

void Pickle::set_items(PickleValue* dict, const Items& items) {
  if (dict->kind != Kind::Dict && dict->kind != Kind::Object)
    bad("items are set in a " + type_name(*dict));
  if (items.size() % 2 != 0) bad("a key has no value");
  for (size_t i = 0; i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
}

void Pickle::recall(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) bad(fmt::format("nothing was stored under {}", index));
  stack_.push_back(found->second);
}

void Pickle::run() {
  while (root_ == nullptr) step(static_cast<uint8_t>(take(1)[0]));
}

PickleValue* Pickle::pop_arguments() {
  PickleValue* arguments = pop();
  if (arguments->kind != Kind::Tuple) bad("the arguments are a " + type_name(*arguments));
  return arguments;
}

bool Pickle::step_stack(uint8_t opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const uint64_t protocol = take_number(1); protocol < 2 || protocol > 5)
        bad(fmt::format("protocol {}, expected 2 to 5,", protocol));
      break;
    case 0x95:  // FRAME: a hint for readers of streams
      take_number(8);
      break;
    case '.':
      root_ = pop();
      if (!stack_.empty() || !marks_.empty()) bad("values are left on the stack");
      break;
    case '(':
      marks_.push_back(stack_.size());
      break;
    case '0':  // POP, of a mark too
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      break;
    case '1':  // POP_MARK
      stack_.resize(pop_mark());
      break;
    case '2':  // DUP
      stack_.push_back(top());
      break;
    default:
      return false;
  }
  return true;
}

bool Pickle::step_number(uint8_t opcode) {
  switch (opcode) {
    case 'N':
      push(Kind::None);
      break;
    case 0x88:
    case 0x89:
      push(Kind::Bool)->integer = opcode == 0x88 ? 1 : 0;
      break;
    case 'J':
      push_int(static_cast<int32_t>(take_number(4)));
      break;
    case 'K':
      push_int(static_cast<int64_t>(take_number(1)));
      break;
    case 'M':
      push_int(static_cast<int64_t>(take_number(2)));
      break;
    case 0x8a:  // LONG1
      push_long(take(take_number(1)));
      break;
    case 0x8b:  // LONG4
      push_long(take(take_number(4)));
      break;
    case 'G': {  // BINFLOAT, big-endian
      std::array<char, 8> raw;
      const auto text = take(raw.size());
      std::reverse_copy(text.begin(), text.end(), raw.begin());
      std::memcpy(&push(Kind::Float)->number, raw.data(), raw.size());
      break;
    }
    default:
      return false;
  }
  return true;
}

bool Pickle::step_text(uint8_t opcode) {
  switch (opcode) {
    case 'U':   // SHORT_BINSTRING, Python 2
    case 0x8c:  // SHORT_BINUNICODE
      push_text(Kind::String, take(take_number(1)));
      break;
    case 'T':  // BINSTRING, Python 2
    case 'X':  // BINUNICODE
      push_text(Kind::String, take(take_number(4)));
      break;
    case 0x8d:  // BINUNICODE8
      push_text(Kind::String, take(take_number(8)));
      break;
    case 'C':
      push_text(Kind::Bytes, take(take_number(1)));
      break;
    case 'B':
      push_text(Kind::Bytes, take(take_number(4)));
      break;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push_text(Kind::Bytes, take(take_number(8)));
      break;
    default:
      return false;
  }
  return true;
}

bool Pickle::step_container(uint8_t opcode) {
  switch (opcode) {
    case ')':
      push(Kind::Tuple);
      break;
    case 't':
      push_tuple(pop_mark());
      break;
    case 0x85:  // TUPLE1, 2, 3
    case 0x86:
    case 0x87: {
      Items items(opcode - 0x84U);
      for (size_t i = items.size(); i-- > 0;) items[i] = pop();
      push_tuple(std::move(items));
      break;
    }
    case ']':
      push(Kind::List);
      break;
    case 'l':
    case 0x91: {  // FROZENSET
      Items items = pop_items(pop_mark());
      push(opcode == 'l' ? Kind::List : Kind::Set)->items = std::move(items);
      break;
    }
    case '}':
      push(Kind::Dict);
      break;
    case 'd': {
      const Items items = pop_items(pop_mark());
      set_items(push(Kind::Dict), items);
      break;
    }
    case 0x8f:
      push(Kind::Set);
      break;
    default:
      return false;
  }
  return true;
}

bool Pickle::step_fill(uint8_t opcode) {
  switch (opcode) {
    case 'a': {
      const PickleValue* item = pop();
      append(top(), {item});
      break;
    }
    case 'e':     // APPENDS
    case 0x90: {  // ADDITEMS
      const Items items = pop_items(pop_mark());
      append(top(), items);
      break;
    }
    case 's': {
      const PickleValue* value = pop();
      const PickleValue* key = pop();
      set_items(top(), {key, value});
      break;
    }
    case 'u': {
      const Items items = pop_items(pop_mark());
      set_items(top(), items);
      break;
    }
    default:
      return false;
  }
  return true;
}

bool Pickle::step_call(uint8_t opcode) {
  switch (opcode) {
    case 'c': {
      const auto module = take_line();
      push_global(module, take_line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue* name = pop();
      const PickleValue* module = pop();
      if (name->kind != Kind::String || module->kind != Kind::String)
        bad("a class is named by a " + type_name(*name));
      push_global(module->text, name->text);
      break;
    }
    case 'R': {  // REDUCE
      PickleValue* arguments = pop_arguments();
      push_call(pop(), arguments);
      break;
    }
    case 0x81: {  // NEWOBJ
      PickleValue* arguments = pop_arguments();
      push_object(pop(), arguments);
      break;
    }
    case 0x92: {  // NEWOBJ_EX: named arguments stay unread, as all arguments of a stranger do
      pop();
      PickleValue* arguments = pop_arguments();
      push_object(pop(), arguments);
      break;
    }
    case 'b': {  // BUILD
      PickleValue* state = pop();
      if (top()->kind != Kind::Object) bad("attributes are set in a " + type_name(*top()));
      top()->state = state;
      break;
    }
    default:
      return false;
  }
  return true;
}

bool Pickle::step_memo(uint8_t opcode) {
  switch (opcode) {
    case 'q':
      store(take_number(1));
      break;
    case 'r':
      store(take_number(4));
      break;
    case 0x94:  // MEMOIZE
      store(memo_.size());
      break;
    case 'h':
      recall(take_number(1));
      break;
    case 'j':
      recall(take_number(4));
      break;
    case 'Q': {
      PickleValue* id = pop();
      PickleValue* value = push(Kind::Persistent);
      value->arguments = id;
      persistents_.push_back(value);
      break;
    }
    default:
      return false;
  }
  return true;
}

void Pickle::step(uint8_t opcode) {
  if (step_memo(opcode) || step_text(opcode) || step_number(opcode) || step_container(opcode) ||
      step_fill(opcode) || step_call(opcode) || step_stack(opcode))
    return;
  if (kOldText.find(static_cast<char>(opcode)) != std::string_view::npos) {
    fail(ErrorKind::Unsupported,
         "{}: its pickle has the protocol-0 opcode '{}', expected protocol 2 to 5; save it "
         "again with torch.save",
         where_, static_cast<char>(opcode));
  }
  bad(fmt::format("the unknown opcode 0x{:02x}", opcode));
}

}  // namespace tailor::tensors
