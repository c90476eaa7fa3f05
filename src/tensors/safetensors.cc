#include "tailor/tensors/safetensors.h"

#include <algorithm>
#include <cstring>

#include "tailor/core/files.h"
#include "tailor/core/json.h"
#include "tensors/elements.h"

namespace tailor::tensors {
namespace {

constexpr size_t kMaxHeader = 100'000'000;  // the format's own limit

struct Entry {
  std::string name;
  Element element;
  Shape shape;
  size_t begin, end;
};

}  // namespace

TensorFile parse_safetensors(std::string_view bytes, const std::string& path,
                             const std::string& what, ForeignTypes foreign) {
  auto bad = [&](const std::string& why) {
    fail(ErrorKind::Data, "{} {}: {}; the file is damaged or not a safetensors file", what, path,
         why);
  };
  if (bytes.size() < 8) bad(fmt::format("expected at least 8 bytes, got {}", bytes.size()));
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kMaxHeader || header_size > bytes.size() - 8)
    bad(fmt::format("its header claims {} bytes, the file has {}", header_size, bytes.size()));
  auto data = bytes.substr(8 + header_size);
  Json header;
  try {
    header = Json::parse(bytes.substr(8, header_size), path);
  } catch (const Error& e) {
    bad(e.what());
  }
  if (!header.is_object()) bad("its header is not a JSON object");

  TensorFile file;
  std::vector<Entry> entries;
  try {
    for (const auto& [name, value] : header.as_object()) {
      if (name == "__metadata__") {
        for (const auto& [key, text] : value.as_object()) file.metadata[key] = text.as_string();
        continue;
      }
      const auto element = find_element(value.at("dtype").as_string());
      if (!element || (foreign == ForeignTypes::Refuse && !is_ours(*element))) {
        bad(fmt::format("tensor '{}' has the type {}, expected one of F64 F32 I64 I32 I16 I8 U8{}",
                        name, value.at("dtype").as_string(),
                        foreign == ForeignTypes::Refuse ? "" : " F16 BF16 U32 U16 BOOL"));
      }
      Shape shape;
      for (const Json& n : value.at("shape").as_array()) shape.push_back(n.as_int());
      const auto count = checked_element_count(shape);
      if (!count || static_cast<size_t>(*count) > data.size())
        bad(fmt::format("tensor '{}' has a shape larger than the file", name));
      const size_t needed = static_cast<size_t>(*count) * element_size(*element);
      const auto& offsets = value.at("data_offsets").as_array();
      if (offsets.size() != 2)
        bad(fmt::format("tensor '{}' has {} offsets, expected 2", name, offsets.size()));
      int64_t begin = offsets[0].as_int(), end = offsets[1].as_int();
      if (begin < 0 || end < begin || static_cast<size_t>(end) > data.size())
        bad(fmt::format("tensor '{}' lies at bytes {} to {} of {}", name, begin, end, data.size()));
      if (static_cast<size_t>(end - begin) != needed) {
        bad(fmt::format("tensor '{}' has {} bytes, its shape {} needs {}", name, end - begin,
                        to_string(shape), needed));
      }
      entries.push_back(
          {name, *element, std::move(shape), static_cast<size_t>(begin), static_cast<size_t>(end)});
    }
  } catch (const Error& e) {
    if (std::string_view(e.what()).find(path) != std::string_view::npos) throw;
    bad(e.what());
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  size_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      bad(fmt::format("tensor '{}' starts at byte {}, expected {} (tensors overlap or leave a gap)",
                      entry.name, entry.begin, position));
    }
    position = entry.end;
  }
  if (position != data.size())
    bad(fmt::format("{} bytes of tensors, expected {}", data.size(), position));

  Conversions conversions;
  for (const Entry& entry : entries) {
    const auto storage = data.substr(entry.begin, entry.end - entry.begin);
    file.tensors.emplace(
        entry.name, read_elements({entry.element, storage, entry.shape, dense_strides(entry.shape)},
                                  what + " " + path));
    conversions.add(entry.element);
  }
  file.remarks = conversions.remarks();
  return file;
}

TensorFile load_safetensors(const std::string& path, const std::string& what,
                            ForeignTypes foreign) {
  return parse_safetensors(read_file(path, what), path, what, foreign);
}

std::string print_safetensors(const TensorFile& file) {
  std::map<std::string, const Tensor*> tensors;
  for (const auto& [name, tensor] : file.tensors) tensors.emplace(name, &tensor);
  return print_safetensors(file.metadata, tensors);
}

std::string print_safetensors(const std::map<std::string, std::string>& metadata,
                              const std::map<std::string, const Tensor*>& tensors) {
  Json header = Json::object();
  if (!metadata.empty()) {
    Json json = Json::object();
    for (const auto& [key, text] : metadata) json.set(key, text);
    header.set("__metadata__", std::move(json));
  }
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    Json entry = Json::object(
        {{"dtype", dtype_name(tensor->dtype())}, {"shape", Json::array(tensor->shape())}});
    size_t end = offset + tensor->bytes().size();
    entry.set("data_offsets", Json(Json::Array{offset, end}));
    header.members().emplace_back(name, std::move(entry));  // names are unique: a map's keys
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t header_size = text.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &header_size, 8);
  bytes.reserve(8 + text.size() + offset);
  bytes += text;
  for (const auto& [name, tensor] : tensors)
    bytes.append(reinterpret_cast<const char*>(tensor->bytes().data()), tensor->bytes().size());
  return bytes;
}

void save_safetensors(const std::string& path, const TensorFile& file) {
  write_file(path, print_safetensors(file));
}

}  // namespace tailor::tensors
