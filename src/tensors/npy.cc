#include "tailor/tensors/npy.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "tailor/core/files.h"
#include "tailor/core/strings.h"
#include "tensors/elements.h"
#include "tensors/npy_preface.h"

namespace tailor::tensors {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

struct NumpyType {
  std::string_view name;
  Element element;
};
constexpr NumpyType kTypes[] = {{"f8", Element::F64}, {"f4", Element::F32}, {"f2", Element::F16},
                                {"i8", Element::I64}, {"i4", Element::I32}, {"i2", Element::I16},
                                {"i1", Element::I8},  {"u4", Element::U32}, {"u2", Element::U16},
                                {"u1", Element::U8},  {"b1", Element::Bool}};

/// The header's Python literal: a dict of exactly 'descr' (a string), 'fortran_order' (True or
/// False) and 'shape' (a tuple of integers). Nothing else is understood.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  /// Nothing if the text is anything else; `unsupported` then says so if it is a structured type.
  std::optional<Header> parse(bool& unsupported) {
    Header header;
    bool descr = false, order = false, shape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = string();
      if (!key || !take(':')) return std::nullopt;
      if (*key == "descr" && !descr) {
        unsupported = peek() == '[';
        auto value = string();
        if (!value) return std::nullopt;
        header.descr = *value;
        descr = true;
      } else if (*key == "fortran_order" && !order) {
        header.fortran_order = word("True");
        if (!header.fortran_order && !word("False")) return std::nullopt;
        order = true;
      } else if (*key == "shape" && !shape) {
        if (!sizes(header.shape)) return std::nullopt;
        shape = true;
      } else {
        return std::nullopt;
      }
      if (!take(',') && peek() != '}') return std::nullopt;
    }
    skip_blanks();
    if (!descr || !order || !shape || !text_.empty()) return std::nullopt;
    return header;
  }

 private:
  void skip_blanks() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  char peek() {
    skip_blanks();
    return text_.empty() ? '\0' : text_[0];
  }
  bool take(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view expected) {
    skip_blanks();
    if (text_.substr(0, expected.size()) != expected) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  std::optional<std::string_view> string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return std::nullopt;
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    const auto value = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return value;
  }
  bool sizes(Shape& shape) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_blanks();
      const size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
      const auto size = parse_int(text_.substr(0, digits));
      if (!size) return false;
      shape.push_back(*size);
      text_.remove_prefix(digits);
      word("L");  // Python 2's long integers
      if (!take(',') && peek() != ')') return false;
    }
    return true;
  }

  std::string_view text_;
};

[[noreturn]] void bad(const std::string& what, const std::string& path, const std::string& why) {
  fail(ErrorKind::Data, "{} {}: {}; the file is damaged or not a .npy file", what, path, why);
}

/// Where the header's text begins and how long it says that it is.
constexpr size_t kPreamble = 12;
std::pair<size_t, size_t> header_place(std::string_view bytes, const std::string& path,
                                       const std::string& what) {
  if (bytes.size() < 10 || bytes.substr(0, kMagic.size()) != kMagic)
    bad(what, path, "it does not begin as a .npy file does");
  const auto major = static_cast<uint8_t>(bytes[6]), minor = static_cast<uint8_t>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    bad(what, path, fmt::format("its version is {}.{}, expected 1.0, 2.0 or 3.0", major, minor));
  }
  const size_t begin = major == 1 ? 10 : 12;
  size_t size = 0;
  for (size_t i = begin; i-- > 8 && begin <= bytes.size();)
    size = size << 8 | static_cast<uint8_t>(bytes[i]);
  return {begin, size};
}

/// The header, where `data` begins behind it, and its element type.
struct Preface {
  Header header;
  size_t data = 0;
  const NumpyType* type = nullptr;
};
Preface read_preface(std::string_view bytes, const std::string& path, const std::string& what) {
  const auto [begin, size] = header_place(bytes, path, what);
  if (begin > bytes.size() || size > bytes.size() - begin) {
    bad(what, path, fmt::format("its header claims {} bytes, the file has {}", size, bytes.size()));
  }
  const std::string_view text = bytes.substr(begin, size);
  bool structured = false;
  const auto header = HeaderParser(text).parse(structured);
  const NumpyType* type = nullptr;
  if (header) {
    for (const NumpyType& t : kTypes)
      if (header->descr.size() == 3 && header->descr.substr(1) == t.name) type = &t;
  }
  if (structured || (header && type == nullptr)) {
    fail(ErrorKind::Unsupported,
         "{} {}: its elements are {}, expected one of f8 f4 f2 i8 i4 i2 i1 u4 u2 u1 b1; convert "
         "the array with astype() and save it again",
         what, path, structured ? "records" : "'" + printable(header->descr) + "'");
  }
  if (!header) {
    bad(what, path,
        fmt::format("its header is '{}', expected a dict of 'descr', 'fortran_order' and 'shape'",
                    printable(trim(text))));
  }
  return {*header, begin + size, type};
}

/// Throws Data unless the byte order is known and the file's `bytes` of data are the shape's.
void verify_size(const Header& header, const NumpyType& type, size_t bytes, const std::string& path,
                 const std::string& what) {
  const char order = header.descr[0];
  const size_t size = element_size(type.element);
  if (order != '<' && order != '>' && !(order == '|' && size == 1)) {
    bad(what, path,
        fmt::format("its elements are '{}', whose byte order is unknown", header.descr));
  }
  const auto count = checked_element_count(header.shape);
  if (!count || static_cast<uint64_t>(*count) * size != bytes) {
    bad(what, path,
        fmt::format("it has {} bytes of data, its shape {} of '{}' needs {}", bytes,
                    to_string(header.shape), header.descr,
                    count ? std::to_string(static_cast<uint64_t>(*count) * size)
                          : std::string("more than any file has")));
  }
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& path, const std::string& what,
                 std::string* own_type) {
  const auto [header, begin, type] = read_preface(bytes, path, what);
  if (own_type) *own_type = type->name;
  const std::string_view data = bytes.substr(begin);
  verify_size(header, *type, data.size(), path, what);
  return read_elements(
      {type->element, data, header.shape, dense_strides(header.shape, header.fortran_order), 0,
       header.descr[0] == '>'},
      what + " " + path);
}

Tensor load_npy(const std::string& path, const std::string& what, std::string* type) {
  return parse_npy(read_file(path, what), path, what, type);
}

std::string load_npy_type(const std::string& path, const std::string& what) {
  const auto [begin, size] = header_place(read_beginning(path, kPreamble, what), path, what);
  return std::string(read_preface(read_beginning(path, begin + size, what), path, what).type->name);
}

NpyPreface load_npy_preface(const std::string& path, const std::string& what) {
  const auto [begin, size] = header_place(read_beginning(path, kPreamble, what), path, what);
  const Preface preface = read_preface(read_beginning(path, begin + size, what), path, what);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    fail(ErrorKind::Data, "cannot read {} {}: expected a regular file", what, path);
  const auto bytes = static_cast<size_t>(info.st_size);
  const Header& header = preface.header;
  verify_size(header, *preface.type, bytes - std::min(bytes, preface.data), path, what);
  return {preface.type->element, std::string(preface.type->name), header.shape,
          header.fortran_order,  header.descr[0] == '>',          preface.data};
}

std::string print_npy(const Tensor& tensor) {
  std::string descr;
  for (const NumpyType& t : kTypes) {
    if (is_ours(t.element) && element_dtype(t.element) == tensor.dtype())
      descr = (element_size(t.element) == 1 ? "|" : "<") + std::string(t.name);
  }
  TAILOR_CHECK(!descr.empty(), "no .npy type for {}", dtype_name(tensor.dtype()));
  std::string shape = "(";
  for (size_t d = 0; d < tensor.shape().size(); ++d)
    shape += (d > 0 ? ", " : "") + std::to_string(tensor.shape()[d]);
  shape += tensor.shape().size() == 1 ? ",)" : ")";
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  TAILOR_CHECK(header.size() < 65536, "{} dimensions", tensor.shape().size());
  std::string bytes(kMagic);
  bytes += {'\x01', '\0', static_cast<char>(header.size() & 0xFF),
            static_cast<char>(header.size() >> 8)};
  bytes += header;
  return bytes.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
}

void save_npy(const std::string& path, const Tensor& tensor) {
  write_file(path, print_npy(tensor));
}

}  // namespace tailor::tensors
