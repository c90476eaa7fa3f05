// Plain-text tables: columns as wide as their widest cell, numbers right-aligned.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tailor/core/strings.h"

namespace tailor::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tailor::cli
