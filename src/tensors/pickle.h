// Python pickles as plain data. A pickle is a program for a stack machine that may call anything;
// this machine calls nothing: "call F with A" becomes an Object that names F and holds A, and an F
// that weights do not need is refused. Values are bounded in number by kMaxValues and own one
// another through no pointer, so cycles are safe.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tailor::tensors {

struct PickleValue {
  /// Long: an integer beyond 64 bits. Global: a class or function, by name. Object: what a call of
  /// `callable` with `arguments` would give. Persistent: storage that lies outside the pickle.
  enum class Kind {
    None,
    Bool,
    Int,
    Long,
    Float,
    String,
    Bytes,
    Tuple,
    List,
    Dict,
    Set,
    Global,
    Object,
    Persistent
  };
  using Pointer = const PickleValue*;

  Kind kind = Kind::None;
  int64_t integer = 0;         // Bool, Int
  double number = 0;           // Float
  std::string_view text;       // String, Bytes, Long: into the file; Global: "module.name"
  std::vector<Pointer> items;  // Tuple, List, Set, Object's appended items
  std::vector<std::pair<Pointer, Pointer>> entries;  // Dict, Object's set items
  Pointer callable = nullptr, arguments = nullptr;   // Object; Persistent's id in `arguments`
  Pointer state = nullptr;                           // Object's attributes, or null
};

/// "list", "argparse.Namespace", … for messages.
std::string type_name(const PickleValue& value);

class Pickle {
 public:
  static constexpr size_t kMaxValues = 2'000'000;

  /// Reads the one pickle at the start of `bytes`, which must outlive this; `where` begins every
  /// message. Throws Data on anything else, and on a class or function that could do harm, by name.
  Pickle(std::string_view bytes, std::string where);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  const PickleValue& root() const { return *root_; }
  size_t size_bytes() const { return position_; }
  /// Every class and function that the pickle names; every Persistent value, in order.
  const std::set<std::string>& globals() const { return globals_; }
  const std::vector<const PickleValue*>& persistents() const { return persistents_; }

 private:
  using Kind = PickleValue::Kind;
  using Items = std::vector<PickleValue::Pointer>;

  void run();
  void step(uint8_t opcode);
  [[noreturn]] void bad(const std::string& why) const;
  std::string_view take(uint64_t size);
  uint64_t take_number(size_t bytes);
  std::string_view take_line();
  PickleValue* make(Kind kind);
  PickleValue* push(Kind kind) {
    stack_.push_back(make(kind));
    return stack_.back();
  }
  PickleValue* pop();
  PickleValue* top();
  size_t pop_mark();
  Items pop_items(size_t mark);
  void push_int(int64_t value) { push(Kind::Int)->integer = value; }
  void push_long(std::string_view bytes);
  void push_text(Kind kind, std::string_view text) { push(kind)->text = text; }
  void push_tuple(size_t mark) { push_tuple(pop_items(mark)); }
  void push_tuple(Items items) { push(Kind::Tuple)->items = std::move(items); }
  void push_global(std::string_view module, std::string_view name);
  void push_call(PickleValue* callable, PickleValue* arguments);
  void push_object(PickleValue* callable, PickleValue* arguments);
  void append(PickleValue* list, const Items& items);
  void set_items(PickleValue* dict, const Items& items);
  void store(uint64_t index) { memo_[index] = top(); }
  void recall(uint64_t index);

  std::string_view bytes_;
  std::string where_;
  size_t position_ = 0;
  std::deque<PickleValue> values_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleValue*> memo_;
  std::set<std::string> globals_;
  std::vector<const PickleValue*> persistents_;
  const PickleValue* root_ = nullptr;
};

}  // namespace tailor::tensors
