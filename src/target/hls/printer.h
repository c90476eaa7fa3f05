// How a node is printed: the members of its config struct and the call of its template. Each
// operation registers its printer from a file of its own.
#pragma once

#include <string>
#include <vector>

#include "tailor/ir/graph.h"
#include "target/hls/cpp_document.h"

namespace tailor::target {

std::string type_name(const Value& v);
std::string token_name(const Value& v);
std::string stream_type(const Value& v);
std::string config_name(const Node& node);
/// Name of a weight or bias table.
std::string array_name(const Node& node, const char* part);
/// A type as C++ writes it; the default modes of the vendor's type are left out.
std::string cpp_type(const FixedType& type);
/// The smallest built-in integer that holds every raw value; `long long` in C++11 and in every
/// vendor's compiler.
std::string raw_type(const FixedType& type);

/// Writes the config struct of one node, member by member.
class StageConfig {
 public:
  StageConfig(const Graph& design, const Node& stage)
      : graph(design),
        node(stage),
        in(design.value(stage.inputs[0])),
        out(design.value(stage.outputs[0])),
        loop(stage_loop(design, stage)) {}

  const Graph& graph;
  const Node& node;
  const Value &in, &out;
  const StageLoop loop;
  cpp::Items members;

  void add(const char* name, int64_t value);
  void add_flag(const char* name, bool value);
  void add_type(const char* name, const std::string& type);
  /// in_bits, out_bits, in_t, out_t, in_token, out_token.
  void add_streams();
  /// Of every stream it sums, from input `first` on: an OperandTypes.
  void add_operand_types(const char* name, size_t first);
  /// in_token, out_token.
  void add_tokens();
  /// Of what casts nothing: bits, value_t, in_token, out_token.
  void add_value();
  void add_window(const Window& window);
  /// scan_height, scan_width.
  void add_scan();
  /// n_in, n_out, reuse_factor, multipliers, the types of weight, bias and accumulator, packed; and
  /// if it is, operand_raw and product_t.
  void add_products();
};

/// Names of a stage function's streams: in, skip0…, out (a clone has out0…).
struct StagePorts {
  std::vector<std::string> inputs, outputs;
};
StagePorts stage_ports(const Node& node);
/// FUNCTION<CONFIG>(in, out)
cpp::Call plain_call(const Node& node, const char* function);

/// A file of the C++ library beside those in src/target/hls/library, which every project has:
/// "tailor/x.h".
struct LibraryHeader {
  std::string name, text;
};

struct StagePrinter {
  void (*config)(StageConfig& config) = nullptr;
  cpp::Call (*call)(const Node& node) = nullptr;
  std::vector<LibraryHeader> headers;
  /// What the stage function declares before the call.
  cpp::Items (*locals)(const Graph& design, const Node& node) = nullptr;
};

/// Registered while the program starts; two of one operation are Internal.
void register_printer(const Operation& operation, StagePrinter printer);
template <class A>
struct RegisterPrinter {
  explicit RegisterPrinter(StagePrinter printer) {
    register_printer(A::operation(), std::move(printer));
  }
};
/// Null if the operation has none: a port, and what no design has.
const StagePrinter* find_printer(const Operation& operation);
/// Throws Internal if there is none.
const StagePrinter& printer_of(const Node& node);
/// Headers that a design's operations bring along, each once, by name.
std::vector<LibraryHeader> own_headers(const Graph& design);

}  // namespace tailor::target
