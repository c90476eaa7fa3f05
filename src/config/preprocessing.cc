#include "tailor/config/preprocessing.h"

namespace tailor {

Json write_preprocessing(const Preprocessing& p) {
  return Json::object({{"mean", Json::array(p.mean)}, {"deviation", Json::array(p.deviation)}});
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
  return p;
}

}  // namespace tailor
