// Numbers of the fields of ONNX's messages that are read or written (onnx.ai, "ONNX IR"), and of
// the wire types of protocol buffers (protobuf.dev, "Encoding").
#pragma once

#include <cstdint>

namespace tailor::tensors::onnx {

enum class Wire : uint32_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

namespace model {
constexpr uint32_t kIrVersion = 1, kProducer = 2, kProducerVersion = 3, kDoc = 6, kGraph = 7,
                   kOpset = 8, kMetadata = 14, kFunctions = 25;
}  // namespace model
namespace opset {
constexpr uint32_t kDomain = 1, kVersion = 2;
}  // namespace opset
namespace entry {
constexpr uint32_t kKey = 1, kValue = 2;
}  // namespace entry
namespace graph {
constexpr uint32_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12, kValue = 13,
                   kSparse = 15;
}  // namespace graph
namespace node {
constexpr uint32_t kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5, kDomain = 7;
}  // namespace node
namespace attribute {
constexpr uint32_t kName = 1, kFloat = 2, kInt = 3, kString = 4, kTensor = 5, kFloats = 7,
                   kInts = 8, kStrings = 9, kType = 20;
enum Type : int64_t {
  Float = 1,
  Int = 2,
  String = 3,
  TensorType = 4,
  Floats = 6,
  Ints = 7,
  Strings = 8
};
}  // namespace attribute
namespace tensor {
constexpr uint32_t kDims = 1, kDataType = 2, kSegment = 3, kFloats = 4, kInt32s = 5, kInt64s = 7,
                   kName = 8, kRaw = 9, kDoubles = 10, kUint64s = 11, kExternal = 13,
                   kLocation = 14;
enum DataType : int64_t {
  Float = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  Text = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  Uint32 = 12,
  Bfloat16 = 16
};
}  // namespace tensor
namespace value {
constexpr uint32_t kName = 1, kType = 2;
constexpr uint32_t kTensorType = 1;               // of a type
constexpr uint32_t kElement = 1, kShape = 2;      // of a tensor's type
constexpr uint32_t kDim = 1;                      // of a shape
constexpr uint32_t kDimValue = 1, kDimParam = 2;  // of a dimension
}  // namespace value

}  // namespace tailor::tensors::onnx
