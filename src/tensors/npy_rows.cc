// Rows of a .npy file that is not read as a whole. Bytes are read with pread and not mapped: a file
// that becomes shorter is an error and no signal.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "tailor/core/error.h"
#include "tailor/tensors/npy.h"
#include "tensors/elements.h"
#include "tensors/npy_preface.h"

namespace tailor::tensors {
namespace {

template <class Out, class In>
void widen_to(Span<const In> in, std::vector<Out>& out) {
  out.resize(in.size());
  for (size_t i = 0; i < in.size(); ++i) out[i] = static_cast<Out>(in[i]);
}

template <class Out>
void widen_to(const Tensor& row, std::vector<Out>& out) {
  switch (row.dtype()) {
    case DType::F64:
      return widen_to(row.as<double>(), out);
    case DType::F32:
      return widen_to(row.as<float>(), out);
    case DType::I64:
      return widen_to(row.as<int64_t>(), out);
    case DType::I32:
      return widen_to(row.as<int32_t>(), out);
    case DType::I16:
      return widen_to(row.as<int16_t>(), out);
    case DType::I8:
      return widen_to(row.as<int8_t>(), out);
    case DType::U8:
      return widen_to(row.as<uint8_t>(), out);
  }
}

}  // namespace

struct NpyRows::Impl {
  std::string path, what, type;
  NpyPreface preface;
  int64_t row_size = 0;
  int file = -1;
  std::string whole;  // of Fortran order

  Impl(const std::string& p, const std::string& w) : path(p), what(w) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (file >= 0) ::close(file);
  }
  size_t bytes_a_row() const {
    return static_cast<size_t>(row_size) * element_size(preface.element);
  }
  std::string read_bytes(size_t offset, size_t size) const {
    std::string bytes(size, '\0');
    for (size_t done = 0; done < size;) {
      const ssize_t n = ::pread(file, bytes.data() + done, size - done,
                                static_cast<off_t>(preface.data + offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        fail(ErrorKind::Data, "{} {}: bytes {} to {}: {}", what, path, preface.data + offset,
             preface.data + offset + size,
             n < 0 ? std::generic_category().message(errno)
                   : std::string("the file ends before them; it was whole when it was opened"));
      }
      done += static_cast<size_t>(n);
    }
    return bytes;
  }
  Tensor row(int64_t index) const {
    TAILOR_CHECK(index >= 0 && index < preface.shape[0], "row {} of {}", index, preface.shape[0]);
    const std::string where = what + " " + path;
    if (preface.fortran_order) {
      const std::vector<int64_t> strides = dense_strides(preface.shape, true);
      return read_elements({preface.element,
                            whole,
                            {preface.shape.begin() + 1, preface.shape.end()},
                            {strides.begin() + 1, strides.end()},
                            index * strides[0],
                            preface.big_endian},
                           where);
    }
    const std::string bytes = read_bytes(static_cast<size_t>(index) * bytes_a_row(), bytes_a_row());
    return read_elements({preface.element, bytes, {row_size}, {1}, 0, preface.big_endian}, where);
  }
};

NpyRows::NpyRows(const std::string& path, const std::string& what)
    : impl_(std::make_unique<Impl>(path, what)) {
  impl_->preface = load_npy_preface(path, what);
  const Shape& shape = impl_->preface.shape;
  if (shape.empty()) {
    fail(ErrorKind::Data, "{} {}: expected an array with rows, got a single number", what, path);
  }
  impl_->type = impl_->preface.type;
  const auto row_size = checked_element_count({shape.begin() + 1, shape.end()});
  if (!row_size) fail(ErrorKind::Data, "{} {}: its rows are of {}", what, path, to_string(shape));
  impl_->row_size = *row_size;
  impl_->file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (impl_->file < 0) {
    fail(ErrorKind::Data, "cannot read {} {}: {}", what, path,
         std::generic_category().message(errno));
  }
  if (impl_->preface.fortran_order && shape.size() > 1) {
    impl_->whole = impl_->read_bytes(0, static_cast<size_t>(shape[0]) * impl_->bytes_a_row());
  } else {
    impl_->preface.fortran_order = false;
  }
}
NpyRows::~NpyRows() = default;
NpyRows::NpyRows(NpyRows&&) noexcept = default;
NpyRows& NpyRows::operator=(NpyRows&&) noexcept = default;

const std::string& NpyRows::path() const { return impl_->path; }
const Shape& NpyRows::shape() const { return impl_->preface.shape; }
const std::string& NpyRows::type() const { return impl_->type; }
int64_t NpyRows::row_size() const { return impl_->row_size; }
bool NpyRows::is_float() const { return impl_->type[0] == 'f'; }

void NpyRows::read(int64_t row, std::vector<float>& numbers) const {
  widen_to(impl_->row(row), numbers);
}

void NpyRows::read(int64_t row, std::vector<int64_t>& numbers) const {
  TAILOR_CHECK(!is_float(), "{} has floats", impl_->path);
  widen_to(impl_->row(row), numbers);
}

}  // namespace tailor::tensors
