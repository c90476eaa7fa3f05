// A test sees every room.
#pragma once

#include "tailor/core/rooms.h"

namespace tailor {

namespace every_room {
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
using namespace cli;
using namespace nn;
using namespace train;
}  // namespace every_room
namespace testing {
using namespace every_room;
}
namespace test {
using namespace every_room;
}
namespace fuzz {
using namespace every_room;
}

}  // namespace tailor
