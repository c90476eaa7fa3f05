// What a plan keeps of its stages of products, so that sizing touches no graph.
#pragma once

#include "tailor/design/design.h"

namespace tailor::design {

/// Of a graph whose types are known, in its order.
std::vector<ProductStage> product_stages(const Graph& graph);

}  // namespace tailor::design
