#include "tailor/tensors/torch_file.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tensors/elements.h"
#include "tensors/pickle.h"
#include "tensors/zip.h"

namespace tailor::tensors {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kZipMagic = "PK\x03\x04";
/// 0x1950a86a20f9469cfc6c as a pickled integer.
constexpr std::string_view kOldMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr uint64_t kMostExpansion = 16;  // bytes of tensors a byte of file
constexpr size_t kDeepest = 200;         // levels of dicts, lists and modules
constexpr size_t kLongestName = 4096;
constexpr size_t kMostRemarks = 100;

std::optional<Element> element_of_storage(std::string_view type) {
  constexpr std::pair<std::string_view, Element> kStorages[] = {
      {"DoubleStorage", Element::F64}, {"FloatStorage", Element::F32},
      {"HalfStorage", Element::F16},   {"BFloat16Storage", Element::BF16},
      {"LongStorage", Element::I64},   {"IntStorage", Element::I32},
      {"ShortStorage", Element::I16},  {"CharStorage", Element::I8},
      {"ByteStorage", Element::U8},    {"BoolStorage", Element::Bool},
      {"UntypedStorage", Element::U8}};
  const size_t dot = type.rfind('.');
  const auto module = type.substr(0, std::min(dot, type.size()));
  if (module != "torch" && module != "torch.cuda" && module != "torch.storage") return std::nullopt;
  for (const auto& [name, element] : kStorages)
    if (type.substr(dot + 1) == name) return element;
  return std::nullopt;
}

std::optional<Element> element_of_dtype(std::string_view dtype) {
  constexpr std::pair<std::string_view, Element> kDtypes[] = {
      {"torch.float64", Element::F64}, {"torch.float32", Element::F32},
      {"torch.float16", Element::F16}, {"torch.bfloat16", Element::BF16},
      {"torch.int64", Element::I64},   {"torch.int32", Element::I32},
      {"torch.int16", Element::I16},   {"torch.int8", Element::I8},
      {"torch.uint8", Element::U8},    {"torch.bool", Element::Bool},
      {"torch.uint16", Element::U16},  {"torch.uint32", Element::U32}};
  for (const auto& [name, element] : kDtypes)
    if (dtype == name) return element;
  return std::nullopt;
}

bool is_global(const PickleValue& value, std::string_view name) {
  return value.kind == Kind::Global && value.text == name;
}
std::string_view class_of(const PickleValue& value) {
  return value.kind == Kind::Object && value.callable->kind == Kind::Global ? value.callable->text
                                                                            : std::string_view{};
}
bool is_ordered_dict(const PickleValue& value) {
  const auto name = class_of(value);
  return name == "collections.OrderedDict" || name == "collections.defaultdict";
}
/// Layers and packed weights of torch's quantised modules, scripted or pickled whole.
bool is_quantised(std::string_view class_name) {
  return starts_with(class_name, "__torch__.torch.classes.quantized.") ||
         (starts_with(class_name, "torch.") && class_name.find("nn.") != class_name.npos &&
          class_name.find(".quantized.") != class_name.npos);
}
const PickleValue* find_entry(const PickleValue& dict, std::string_view key) {
  for (const auto& [k, value] : dict.entries)
    if (k->kind == Kind::String && k->text == key) return value;
  return nullptr;
}

/// What a persistent id says: ('storage', torch.FloatStorage, key, location, elements[, view]).
struct Storage {
  Element element = Element::F32;
  std::string key;
  uint64_t elements = 0;              // of the view, if there is one
  std::optional<uint64_t> view_from;  // the older format: first element of a view of the storage
};

/// Reads the one that `value` describes. Everything that both formats share is here; where the
/// bytes of a storage lie is theirs.
class TorchReader {
 public:
  TorchReader(std::string_view file, std::string where) : file_(file), where_(std::move(where)) {}
  virtual ~TorchReader() = default;
  TorchReader(const TorchReader&) = delete;
  TorchReader& operator=(const TorchReader&) = delete;

 protected:
  /// All bytes of the storage.
  virtual std::string_view storage_bytes(const Storage& storage) = 0;

  Storage storage_of(const PickleValue& value) const {
    const PickleValue* id = value.kind == Kind::Persistent ? value.arguments : nullptr;
    if (id == nullptr || id->kind != Kind::Tuple || id->items.size() < 5 ||
        id->items[0]->kind != Kind::String || id->items[0]->text != "storage" ||
        id->items[1]->kind != Kind::Global || id->items[2]->kind != Kind::String ||
        id->items[4]->kind != Kind::Int || id->items[4]->integer < 0)
      bad("a storage is not described as PyTorch does it");
    const auto element = element_of_storage(id->items[1]->text);
    if (!element) {
      fail(ErrorKind::Unsupported,
           "{}: it has a storage of type {}, expected a torch storage of floats, integers or bool; "
           "convert such tensors before torch.save",
           where_, printable(id->items[1]->text));
    }
    Storage storage{*element, std::string(id->items[2]->text),
                    static_cast<uint64_t>(id->items[4]->integer), std::nullopt};
    if (id->items.size() > 5 && id->items[5]->kind != Kind::None) {
      const PickleValue& view = *id->items[5];  // (key, first element, elements)
      if (view.kind != Kind::Tuple || view.items.size() != 3 || view.items[1]->kind != Kind::Int ||
          view.items[2]->kind != Kind::Int || view.items[1]->integer < 0 ||
          view.items[2]->integer < 0)
        bad("a view of a storage is not described as PyTorch does it");
      storage.view_from = static_cast<uint64_t>(view.items[1]->integer);
      storage.elements = static_cast<uint64_t>(view.items[2]->integer);
    }
    return storage;
  }

  WeightFile read(const Pickle& pickle, std::string format) {
    file_out_.format = std::move(format);
    // A value may stand in several places; a file that repeats more than this is an attack.
    visits_left_ = 1000 + 8 * pickle.size_bytes();
    walk(pickle.root(), "", 0);
    if (more_remarks_ > 0)
      file_out_.remarks.push_back(fmt::format("and {} more such entries", more_remarks_));
    for (std::string& line : conversions_.remarks()) file_out_.remarks.push_back(std::move(line));
    if (file_out_.tensors.empty()) {
      fail(ErrorKind::Data,
           "{}: no tensor in it has a name (found: {}); expected a state_dict, a checkpoint that "
           "holds one, or a module that was not frozen",
           where_, file_out_.remarks.empty() ? "nothing" : file_out_.remarks.front());
    }
    return std::move(file_out_);
  }

  [[noreturn]] void bad(const std::string& why) const {
    fail(ErrorKind::Data, "{}: {}; the file is damaged or not written by torch.save", where_, why);
  }

  std::string_view file_;
  std::string where_;

 private:
  /// Where the walk is.
  struct Place {
    const std::string& name;
    size_t depth;
    bool silent;  // a module's own attributes, which nobody misses
  };

  void visit(const PickleValue& value, const Place& at) {
    const size_t visits = 1 + value.items.size() + value.entries.size();
    if (at.depth > kDeepest || visits_left_ < visits) {
      bad(fmt::format("'{}' contains itself, or its values nest deeper than {} levels",
                      printable(at.name), kDeepest));
    }
    visits_left_ -= visits;
  }

  size_t walk_child(std::string_view key, const PickleValue& item, const Place& at) {
    return walk(item, at.name.empty() ? std::string(key) : fmt::format("{}.{}", at.name, key),
                at.depth + 1, at.silent);
  }

  size_t walk_entries(const PickleValue& dict, const Place& at,
                      const std::set<std::string_view>& left_out = {}) {
    visit(dict, at);
    size_t tensors = 0;
    for (const auto& [key, item] : dict.entries) {
      if (key->kind == Kind::String) {
        if (left_out.count(key->text) == 0) tensors += walk_child(key->text, *item, at);
      } else if (key->kind == Kind::Int) {
        tensors += walk_child(std::to_string(key->integer), *item, at);
      } else if (!at.silent) {
        remark(at.name, fmt::format("an entry under a {}, skipped", type_name(*key)));
      }
    }
    return tensors;
  }

  /// Python 2's OrderedDict([[key, value], …]) too.
  size_t walk_dict(const PickleValue& dict, const Place& at) {
    size_t tensors = walk_entries(dict, at);
    if (dict.kind != Kind::Object) return tensors;
    for (const PickleValue* list : dict.arguments->items) {
      visit(*list, at);
      for (const PickleValue* pair : list->items) {
        if (pair->items.size() == 2 && pair->items[0]->kind == Kind::String)
          tensors += walk_child(pair->items[0]->text, *pair->items[1], at);
      }
    }
    return tensors;
  }

  /// A module's parameters, its modules' and the buffers that belong to its state.
  size_t walk_module(const PickleValue& state, const Place& at) {
    std::set<std::string_view> left_out;
    if (const PickleValue* names = find_entry(state, "_non_persistent_buffers_set")) {
      if (names->kind == Kind::Object && names->arguments->items.size() == 1)
        names = names->arguments->items[0];  // before protocol 4 a set is a call set([…])
      visit(*names, at);
      for (const PickleValue* item : names->items) left_out.insert(item->text);
    }
    size_t tensors = 0;
    for (const char* part : {"_parameters", "_modules"}) {
      if (const PickleValue* members = find_entry(state, part))
        tensors += walk_entries(*members, at);
    }
    if (const PickleValue* buffers = find_entry(state, "_buffers"))
      tensors += walk_entries(*buffers, at, left_out);
    return tensors;
  }

  size_t walk_object(const PickleValue& object, const Place& at) {
    const std::string& name = at.name;
    if (is_quantised(class_of(object))) {
      fail(ErrorKind::Unsupported,
           "{}: '{}' is quantised ({}), expected weights in floating point; give the network's "
           "weights from before its quantisation",
           where_, printable(name), printable(class_of(object)));
    }
    if (const auto view = tensor_of(object, name)) {
      take_tensor(*view, name.empty() ? "tensor" : name);
      return 1;
    }
    const Place inside{name, at.depth, true};
    if (const PickleValue* state = object.state) {
      visit(*state, at);
      if (state->kind == Kind::Dict && starts_with(class_of(object), "__torch__"))
        return walk_entries(*state, inside);
      if (find_entry(*state, "_modules") != nullptr) return walk_module(*state, inside);
    }
    if (!at.silent) remark(name, type_name(object) + " object, skipped");
    return 0;
  }

  /// Tensors at and below `value`, which are taken over.
  size_t walk(const PickleValue& value, const std::string& name, size_t depth,
              bool silent = false) {
    const Place at{name, depth, silent};
    visit(value, at);
    if (name.size() > kLongestName)
      bad(fmt::format("the name '{}' is longer than {} bytes", printable(name), kLongestName));
    const size_t remarks = file_out_.remarks.size(), more_remarks = more_remarks_;
    size_t tensors = 0;
    if (value.kind == Kind::Dict || is_ordered_dict(value)) {
      if (find_entry(value, "state") != nullptr && find_entry(value, "param_groups") != nullptr) {
        remark(name, "skipped, an optimiser's state");
        return 0;
      }
      tensors = walk_dict(value, at);
    } else if (value.kind == Kind::List || value.kind == Kind::Tuple) {
      for (size_t i = 0; i < value.items.size(); ++i)
        tensors += walk_child(std::to_string(i), *value.items[i], at);
    } else if (value.kind == Kind::Object) {
      return walk_object(value, at);
    } else {
      if (!silent) remark(name, describe(value));
      return 0;
    }
    if (tensors == 0) {  // one line for all of it
      file_out_.remarks.resize(remarks);
      more_remarks_ = more_remarks;
      const size_t count = value.items.size() + value.entries.size();
      if (!silent) remark(name, fmt::format("{} of {} without weights", type_name(value), count));
    }
    return tensors;
  }

  void remark(const std::string& name, const std::string& text) {
    if (file_out_.remarks.size() >= kMostRemarks) {
      ++more_remarks_;
      return;
    }
    file_out_.remarks.push_back(
        fmt::format("{}: {}", name.empty() ? "the file" : printable(name), text));
  }

  static std::string describe(const PickleValue& value) {
    switch (value.kind) {
      case Kind::Bool:
        return value.integer != 0 ? "bool True" : "bool False";
      case Kind::Int:
        return fmt::format("int {}", value.integer);
      case Kind::Long:
        return "int beyond 64 bits";
      case Kind::Float:
        return fmt::format("float {}", value.number);
      case Kind::String:
        return fmt::format("str '{}'", printable(value.text));
      case Kind::Global:
        return printable(value.text);
      default:
        return type_name(value);
    }
  }

  static bool is_sizes(const PickleValue& value) {
    return value.kind == Kind::Tuple && value.items.size() <= kMostDimensions &&
           std::all_of(value.items.begin(), value.items.end(),
                       [](const PickleValue* v) { return v->kind == Kind::Int; });
  }
  static Shape sizes_of(const PickleValue& value) {
    Shape sizes;
    for (const PickleValue* v : value.items) sizes.push_back(v->integer);
    return sizes;
  }

  /// A call without the wrappers around it: of a parameter, and of a class derived from Tensor.
  struct Call {
    const PickleValue* callable;
    const PickleValue* arguments;
  };
  static Call unwrap(const PickleValue& object) {
    Call call{object.callable, object.arguments};
    for (int wrapped = 0; wrapped < 8; ++wrapped) {
      const auto& args = call.arguments->items;
      const bool parameter =
          is_global(*call.callable, "torch._utils._rebuild_parameter") ||
          is_global(*call.callable, "torch._utils._rebuild_parameter_with_state") ||
          is_global(*call.callable, "torch.nn.parameter.Parameter");
      if (parameter && !args.empty() && args[0]->kind == Kind::Object) {
        call = {args[0]->callable, args[0]->arguments};
      } else if (is_global(*call.callable, "torch._tensor._rebuild_from_type_v2") &&
                 args.size() > 2 && args[2]->kind == Kind::Tuple) {
        call = {args[0], args[2]};  // (function, class, its arguments, attributes)
      } else {
        break;
      }
    }
    return call;
  }

  /// Views that torch computes when it reads them: -x, and the conjugate.
  void refuse_computed_view(const PickleValue& flags, const std::string& name) const {
    for (const auto& [key, value] : flags.entries) {
      if (key->kind != Kind::String || value->kind != Kind::Bool || value->integer == 0) continue;
      fail(ErrorKind::Unsupported,
           "{}: tensor '{}' is a view that torch negates or conjugates on reading ('{}'); "
           "resolve_neg() or clone() it before torch.save",
           where_, printable(name), printable(key->text));
    }
  }

  /// The part of the storage's bytes that the pickle speaks of.
  std::string_view part_of_storage(const Storage& storage, const std::string& name) {
    const std::string_view bytes = storage_bytes(storage);
    const uint64_t size = element_size(storage.element);
    const uint64_t whole = bytes.size() / size, from = storage.view_from.value_or(0);
    if (from > whole || storage.elements > whole - from ||
        (!storage.view_from && storage.elements != whole)) {
      bad(fmt::format("tensor '{}' needs {} elements from {} of storage '{}', which has {}",
                      printable(name), storage.elements, from, printable(storage.key), whole));
    }
    return bytes.substr(from * size, storage.elements * size);
  }

  /// The tensor that a call would rebuild, or nothing if it rebuilds none.
  std::optional<ElementView> tensor_of(const PickleValue& object, const std::string& name) {
    const auto [callable, arguments] = unwrap(object);
    if (callable->kind != Kind::Global || !starts_with(callable->text, "torch._utils._rebuild_"))
      return std::nullopt;
    const auto& args = arguments->items;
    const bool v3 = callable->text == "torch._utils._rebuild_tensor_v3";
    if (!v3 && callable->text != "torch._utils._rebuild_tensor_v2" &&
        callable->text != "torch._utils._rebuild_tensor") {
      fail(ErrorKind::Unsupported,
           "{}: tensor '{}' is rebuilt by {}, expected a dense tensor of numbers; sparse, "
           "quantised and other special tensors are not read, convert it before torch.save",
           where_, printable(name), printable(callable->text));
    }
    if (args.size() < (v3 ? 7U : 4U) || args[1]->kind != Kind::Int || !is_sizes(*args[2]) ||
        !is_sizes(*args[3]) || args[2]->items.size() != args[3]->items.size())
      bad(fmt::format("tensor '{}' is not described as PyTorch does it", printable(name)));
    if (const size_t flags = v3 ? 7 : 6; args.size() > flags)
      refuse_computed_view(*args[flags], name);

    const Storage storage = storage_of(*args[0]);
    ElementView view;
    view.element = storage.element;
    view.big_endian = big_endian_;
    if (v3) {
      const auto element = element_of_dtype(args[6]->text);
      if (!element) {
        fail(ErrorKind::Unsupported,
             "{}: tensor '{}' has the type {}, expected floats, integers or bool; convert it "
             "before torch.save",
             where_, printable(name), printable(args[6]->text));
      }
      view.element = *element;
    }
    view.storage = part_of_storage(storage, name);
    view.shape = sizes_of(*args[2]);
    view.strides = sizes_of(*args[3]);
    view.offset = args[1]->integer;
    return view;
  }

  void take_tensor(const ElementView& view, const std::string& name) {
    const std::string where = fmt::format("{}: tensor '{}'", where_, printable(name));
    const DType dtype = element_dtype(view.element);
    const auto count = checked_element_count(view.shape);
    const uint64_t left = kMostExpansion * file_.size() + (1U << 20) - bytes_;
    if (!count || static_cast<uint64_t>(*count) > left / dtype_size(dtype)) {
      fail(ErrorKind::Data,
           "{}: shape {} would make the tensors take more than {} times the file's {} bytes; the "
           "file is damaged",
           where, to_string(view.shape), kMostExpansion, file_.size());
    }
    bytes_ += static_cast<uint64_t>(*count) * dtype_size(dtype);
    if (!file_out_.tensors.emplace(name, read_elements(view, where)).second)
      bad(fmt::format("it has two tensors '{}'", printable(name)));
    conversions_.add(view.element);
  }

 protected:
  bool big_endian_ = false;

 private:
  WeightFile file_out_;
  Conversions conversions_;
  uint64_t bytes_ = 0;  // of tensors so far
  size_t visits_left_ = 0, more_remarks_ = 0;
};

/// NAME/data.pkl and NAME/data/KEY; TorchScript has NAME/constants.pkl as well, and NAME/code/,
/// which is not looked at.
class ZipReader : public TorchReader {
 public:
  ZipReader(std::string_view file, const std::string& where)
      : TorchReader(file, where), zip_(file, where) {}

  WeightFile read() {
    const std::string pickle_name = find_pickle();
    prefix_ = pickle_name.substr(0, pickle_name.size() - std::string_view("data.pkl").size());
    if (zip_.contains(prefix_ + "byteorder")) {
      const auto order = zip_.read(prefix_ + "byteorder");
      if (order != "little" && order != "big")
        bad(fmt::format("its byte order is '{}', expected little or big", printable(order)));
      big_endian_ = order == "big";
    }
    const Pickle pickle(zip_.read(pickle_name), where_);
    return TorchReader::read(pickle,
                             zip_.contains(prefix_ + "constants.pkl") ? "torchscript" : "torch");
  }

 protected:
  std::string_view storage_bytes(const Storage& storage) override {
    const auto [found, is_new] = storages_.emplace(storage.key, std::string_view{});
    if (is_new) found->second = zip_.read(prefix_ + "data/" + storage.key);
    return found->second;
  }

 private:
  std::string find_pickle() const {
    std::string found;
    for (const auto& [name, member] : zip_.members()) {
      const size_t slash = name.find('/');
      if (name != "data.pkl" &&
          (slash == std::string::npos || name.substr(slash + 1) != "data.pkl"))
        continue;
      if (!found.empty()) bad(fmt::format("it has both '{}' and '{}'", found, name));
      found = name;
    }
    if (found.empty()) {
      fail(ErrorKind::Unsupported,
           "{}: a zip archive of {} members (the first is '{}') without data.pkl, expected what "
           "torch.save or torch.jit.save write; unpack it and give the weight file in it (.keras "
           "is not read: save the weights as safetensors)",
           where_, zip_.members().size(),
           zip_.members().empty() ? "" : printable(zip_.members().begin()->first));
    }
    return found;
  }

  ZipArchive zip_;
  std::string prefix_;
  std::map<std::string, std::string_view> storages_;  // checksums are compared once
};

/// Pickles of the magic number, the protocol, the writing system, the object and the storages'
/// keys; then each storage as a count of elements (8 bytes) and its elements, little-endian.
class OldReader : public TorchReader {
 public:
  using TorchReader::TorchReader;

  WeightFile read() {
    std::string_view rest = file_;
    auto next = [&] {
      auto pickle = std::make_unique<Pickle>(rest, where_);
      rest.remove_prefix(pickle->size_bytes());
      return pickle;
    };
    next();  // the magic number
    if (const auto version = next(); version->root().integer != 1001)
      bad(fmt::format("its protocol version is {}, expected 1001", version->root().integer));
    next();  // the system: storages are little-endian whatever it says
    const auto object = next(), keys = next();
    if (keys->root().kind != Kind::List) bad("it has no list of storages");

    std::map<std::string_view, Element> elements;
    for (const PickleValue* value : object->persistents()) {
      const auto& id = value->arguments->items;
      if (!id.empty() && id[0]->kind == Kind::String && id[0]->text == "module")
        continue;  // a class and its source, which is not read
      const Storage storage = storage_of(*value);
      const auto [found, is_new] = elements.emplace(id[2]->text, storage.element);
      if (found->second != storage.element)
        bad(fmt::format("storage '{}' has two types", printable(storage.key)));
    }
    for (const PickleValue* key : keys->root().items) {
      const auto found = elements.find(key->text);
      if (key->kind != Kind::String || found == elements.end())
        bad(fmt::format("no tensor uses storage '{}'", printable(key->text)));
      uint64_t count = 0;
      if (rest.size() >= 8)
        for (size_t i = 8; i-- > 0;) count = count << 8 | static_cast<uint8_t>(rest[i]);
      const size_t size = element_size(found->second);
      if (rest.size() < 8 || count > (rest.size() - 8) / size) {
        bad(fmt::format("storage '{}' has {} elements of {} bytes, {} bytes are left",
                        printable(key->text), count, size, rest.size()));
      }
      if (!storages_.emplace(key->text, rest.substr(8, count * size)).second)
        bad(fmt::format("storage '{}' stands twice", printable(key->text)));
      rest.remove_prefix(8 + count * size);
    }
    if (!rest.empty()) bad(fmt::format("{} bytes follow the last storage", rest.size()));
    return TorchReader::read(*object, "torch");
  }

 protected:
  std::string_view storage_bytes(const Storage& storage) override {
    const auto found = storages_.find(storage.key);
    if (found == storages_.end())
      bad(fmt::format("storage '{}' is missing", printable(storage.key)));
    return found->second;
  }

 private:
  std::map<std::string, std::string_view> storages_;
};

}  // namespace

bool is_torch_file(std::string_view bytes) {
  return starts_with(bytes, kZipMagic) ||
         (starts_with(bytes, "\x80") && bytes.substr(0, 64).find(kOldMagic) != bytes.npos);
}

WeightFile parse_torch_file(std::string_view bytes, const std::string& path) {
  const std::string where = "weight file " + path;
  if (!is_torch_file(bytes)) {
    fail(ErrorKind::Data,
         "{}: it does not begin as torch.save's files do; expected a zip archive or the magic "
         "number of the older format",
         where);
  }
  return starts_with(bytes, kZipMagic) ? ZipReader(bytes, where).read()
                                       : OldReader(bytes, where).read();
}

WeightFile load_torch_file(const std::string& path) {
  return parse_torch_file(read_file(path, "weight file"), path);
}

}  // namespace tailor::tensors
