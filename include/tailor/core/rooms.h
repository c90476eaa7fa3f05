// The rooms as namespaces, lowest first: each one sees the names of exactly those rooms that it may
// include (src/CMakeLists.txt; a test compares the two).
#pragma once

namespace tailor {

namespace core {}
namespace fixed {
using namespace core;
}  // namespace fixed
namespace tensors {
using namespace core;
}  // namespace tensors
namespace net {
using namespace core;
using namespace tensors;
}  // namespace net
namespace surgery {
using namespace core;
using namespace tensors;
using namespace net;
}  // namespace surgery
namespace data {
using namespace core;
using namespace tensors;
}  // namespace data
namespace task {
using namespace core;
using namespace data;
using namespace tensors;
}  // namespace task
namespace ir {
using namespace core;
using namespace fixed;
using namespace tensors;
}  // namespace ir
namespace emulate {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace ir;
}  // namespace emulate
namespace design {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace net;
using namespace ir;
using namespace emulate;
}  // namespace design
namespace target {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace ir;
using namespace design;
}  // namespace target
namespace run {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace net;
using namespace surgery;
using namespace data;
using namespace task;
using namespace design;
}  // namespace run
namespace check {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace data;
using namespace ir;
using namespace emulate;
using namespace design;
using namespace target;
using namespace run;
}  // namespace check
namespace report {
using namespace core;
using namespace tensors;
using namespace task;
using namespace ir;
using namespace target;
using namespace run;
}  // namespace report
namespace cli {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace net;
using namespace surgery;
using namespace data;
using namespace task;
using namespace ir;
using namespace emulate;
using namespace design;
using namespace target;
using namespace run;
using namespace check;
using namespace report;
}  // namespace cli
namespace nn {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace net;
using namespace ir;
using namespace design;
}  // namespace nn
namespace train {
using namespace core;
using namespace fixed;
using namespace tensors;
using namespace net;
using namespace surgery;
using namespace data;
using namespace task;
using namespace design;
using namespace run;
using namespace nn;
}  // namespace train

}  // namespace tailor
