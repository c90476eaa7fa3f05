// What a plan keeps of its stages of products, so that sizing touches no graph.
#pragma once

#include "tailor/design/design.h"

namespace tailor::design {

/// Of a graph whose types are known, in its order.
std::vector<ProductStage> product_stages(const Graph& graph);

/// Stages that cannot pack, with the reason: "conv1 (…), conv2 (…), fc (…), and 17 more".
std::string unpacked_text(const std::vector<std::pair<std::string, std::string>>& unpacked);

}  // namespace tailor::design
