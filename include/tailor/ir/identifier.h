// C++ names for generated code: [A-Za-z][A-Za-z0-9_]*, no "__", no keyword, no macro of the headers
// that a project includes.
#pragma once

#include <string>
#include <string_view>

namespace tailor::ir {

bool is_identifier(std::string_view text);
/// The nearest legal name. Not unique: two texts can give one name.
std::string make_identifier(std::string_view text);

}  // namespace tailor::ir
