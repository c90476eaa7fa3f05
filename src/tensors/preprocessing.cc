#include "tailor/tensors/preprocessing.h"

namespace tailor::tensors {

Json write_preprocessing(const Preprocessing& p) {
  Json json =
      Json::object({{"mean", Json::array(p.mean)}, {"deviation", Json::array(p.deviation)}});
  if (p.low != 0 || p.high != 1) json.set("range", Json::array(std::vector<double>{p.low, p.high}));
  return json;
}

Preprocessing read_preprocessing(const Json& json) {
  Preprocessing p;
  for (const Json& v : json.at("mean").as_array()) p.mean.push_back(v.as_number());
  for (const Json& v : json.at("deviation").as_array()) p.deviation.push_back(v.as_number());
  const bool positive =
      std::all_of(p.deviation.begin(), p.deviation.end(), [](double d) { return d > 0; });
  if (p.mean.size() != p.deviation.size() || !positive) {
    fail(ErrorKind::Data, "preprocessing: expected one positive deviation a mean, got {} and {}",
         p.mean.size(), p.deviation.size());
  }
  if (const Json* range = json.find("range")) {
    const auto& ends = range->as_array();
    if (ends.size() != 2 || ends[0].as_number() > ends[1].as_number())
      fail(ErrorKind::Data, "preprocessing: expected a range [low, high], got {}", range->dump());
    p.low = ends[0].as_number(), p.high = ends[1].as_number();
  }
  return p;
}

}  // namespace tailor::tensors
