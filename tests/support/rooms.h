// A test sees every room.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor {

namespace testing {
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
using namespace cli;
using namespace nn;
using namespace train;
}  // namespace testing
namespace test {
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
using namespace cli;
using namespace nn;
using namespace train;
}  // namespace test
namespace fuzz {
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
using namespace cli;
using namespace nn;
using namespace train;
}  // namespace fuzz

}  // namespace tailor
