// A matrix: one file that stands for many near-equal configurations. Its members are the product of
// its axes; what each value of an axis sets is laid over what all members share.
#pragma once

#include <string>
#include <vector>

#include "tailor/core/json.h"

namespace tailor::run {

/// Objects are merged, anything else is replaced. Comments stay where they are.
void lay_over(Json& under, const Json& over);

struct MatrixMember {
  std::string name;
  Json config;  // as a file of its own would say it, without comments
};

/// Whether a document is a matrix and not a configuration: it has "axes".
bool is_matrix(const Json& document);

/// The members, by name. `names` is the pattern of their names ("resnet{depth}_{surgery}"); a
/// member is `base`, then what its value of each axis sets, then the `set` of every exception
/// `where` it is, in the order of the file; an exception with `leave_out` takes it away. An axis
/// whose values are a list ("train.seed": [1, 2]) is named as the key that they are values of.
/// Throws Config with a pointer into the matrix: keys, types and ranges are those of a
/// configuration at every place. What keys say together is read_run_config's to check.
std::vector<MatrixMember> matrix_members(const Json& document, const std::string& source);

}  // namespace tailor::run
