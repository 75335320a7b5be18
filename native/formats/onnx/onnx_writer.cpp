#include "formats/onnx/onnx_writer.h"

#include <numeric>

#include "core/base/error.h"
#include "formats/onnx/protobuf.h"

namespace reviewkd::onnx {
namespace {

using protobuf::Message;

/// Readers parse into 32-bit lengths.
constexpr uint64_t kLargestMessage = (uint64_t{1} << 31) - 1;

/// The numbers of the messages' fields in onnx.proto.
namespace field {
enum Model : uint32_t {
  kIrVersion = 1,
  kProducerName = 2,
  kProducerVersion = 3,
  kModelDescription = 6,
  kGraph = 7,
  kOpsetImport = 8,
  kMetadata = 14
};
enum OperatorSet : uint32_t { kDomain = 1, kVersion = 2 };
enum Entry : uint32_t { kKey = 1, kValue = 2 };
enum Graph : uint32_t { kNode = 1, kGraphName = 2, kInitializer = 5, kGraphInput = 11, kGraphOutput = 12 };
enum Node : uint32_t { kInput = 1, kOutput = 2, kNodeName = 3, kOpType = 4, kAttribute = 5 };
enum Attribute : uint32_t {
  kAttributeName = 1,
  kFloat = 2,
  kInteger = 3,
  kText = 4,
  kTensor = 5,
  kFloats = 7,
  kIntegers = 8,
  kAttributeType = 20
};
enum Tensor : uint32_t { kDims = 1, kDataType = 2, kTensorName = 8, kRawData = 9 };
enum Value : uint32_t { kValueName = 1, kValueType = 2 };
enum Type : uint32_t {
  kTensorType = 1,
  kElementType = 1,
  kShape = 2,
  kDimension = 1,
  kDimensionValue = 1,
  kDimensionName = 2
};
}  // namespace field

/// AttributeProto.AttributeType
enum AttributeType : int64_t {
  kFloatType = 1,
  kIntegerType = 2,
  kTextType = 3,
  kTensorValueType = 4,
  kFloatsType = 6,
  kIntegersType = 7
};

/// TensorProto.DataType
int64_t data_type(ElementType type) {
  switch (type) {
    case ElementType::kFloat32: return 1;
    case ElementType::kUInt8: return 2;
    case ElementType::kInt8: return 3;
    case ElementType::kInt16: return 5;
    case ElementType::kInt32: return 6;
    case ElementType::kInt64: return 7;
    case ElementType::kBool: return 9;
    case ElementType::kFloat16: return 10;
    case ElementType::kFloat64: return 11;
    case ElementType::kBFloat16: return 16;
  }
  fail(ErrorCode::kInternal, "invalid element type: ONNX has no name for it.");
}

/// The version of the file's structure that came with a set of operators.
int64_t ir_version(int64_t opset) {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  return opset <= 22 ? 10 : 11;
}

Message encoded(const Initializer& tensor) {
  Message message;
  for (const int64_t size : tensor.shape) message.integer(field::kDims, size);
  message.integer(field::kDataType, data_type(tensor.type));
  message.text(field::kTensorName, tensor.name);
  const int64_t count = std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
  message.bytes(field::kRawData, tensor.data, static_cast<uint64_t>(count) * bytes_of(tensor.type));
  return message;
}

/// Encodes an attribute's value, one overload a type.
struct ValueWriter {
  Message& message;

  void operator()(int64_t value) const {
    message.integer(field::kInteger, value);
    message.integer(field::kAttributeType, kIntegerType);
  }
  void operator()(float value) const {
    message.number(field::kFloat, value);
    message.integer(field::kAttributeType, kFloatType);
  }
  void operator()(const std::string& value) const {
    message.text(field::kText, value);
    message.integer(field::kAttributeType, kTextType);
  }
  void operator()(const std::vector<int64_t>& values) const {
    for (const int64_t value : values) message.integer(field::kIntegers, value);
    message.integer(field::kAttributeType, kIntegersType);
  }
  void operator()(const std::vector<float>& values) const {
    for (const float value : values) message.number(field::kFloats, value);
    message.integer(field::kAttributeType, kFloatsType);
  }
  void operator()(const Initializer& tensor) const {
    message.message(field::kTensor, encoded(tensor));
    message.integer(field::kAttributeType, kTensorValueType);
  }
};

Message encoded(const Node& node) {
  Message message;
  for (const std::string& input : node.inputs) message.text(field::kInput, input);
  for (const std::string& output : node.outputs) message.text(field::kOutput, output);
  message.text(field::kNodeName, node.name);
  message.text(field::kOpType, node.op);
  for (const auto& [name, value] : node.attributes) {
    Message attribute;
    attribute.text(field::kAttributeName, name);
    std::visit(ValueWriter{attribute}, value);
    message.message(field::kAttribute, std::move(attribute));
  }
  return message;
}

Message encoded(const ValueInfo& value) {
  Message shape;
  for (const Dimension& dimension : value.shape) {
    Message size;
    if (const auto* known = std::get_if<int64_t>(&dimension)) size.integer(field::kDimensionValue, *known);
    else size.text(field::kDimensionName, std::get<std::string>(dimension));
    shape.message(field::kDimension, std::move(size));
  }
  Message tensor, type, message;
  tensor.integer(field::kElementType, data_type(value.type));
  tensor.message(field::kShape, std::move(shape));
  type.message(field::kTensorType, std::move(tensor));
  message.text(field::kValueName, value.name);
  message.message(field::kValueType, std::move(type));
  return message;
}

Message encoded(const Graph& graph) {
  Message message;
  for (const Node& node : graph.nodes) message.message(field::kNode, encoded(node));
  message.text(field::kGraphName, graph.name);
  for (const Initializer& tensor : graph.initializers) message.message(field::kInitializer, encoded(tensor));
  for (const ValueInfo& input : graph.inputs) message.message(field::kGraphInput, encoded(input));
  for (const ValueInfo& output : graph.outputs) message.message(field::kGraphOutput, encoded(output));
  return message;
}

}  // namespace

void write_model(const Model& model, const std::function<void(const void* data, uint64_t size)>& sink) {
  Message message;
  message.integer(field::kIrVersion, ir_version(model.opset));
  message.text(field::kProducerName, model.producer);
  message.text(field::kProducerVersion, model.producer_version);
  if (!model.description.empty()) message.text(field::kModelDescription, model.description);
  message.message(field::kGraph, encoded(model.graph));
  Message operators;
  operators.text(field::kDomain, "");
  operators.integer(field::kVersion, model.opset);
  message.message(field::kOpsetImport, std::move(operators));
  for (const auto& [key, value] : model.metadata) {
    Message entry;
    entry.text(field::kKey, key);
    entry.text(field::kValue, value);
    message.message(field::kMetadata, std::move(entry));
  }
  if (message.size() > kLargestMessage) {
    fail(ErrorCode::kFileUnsupported, "cannot write an ONNX file of ", message.size() >> 20,
         " MiB: the format ends at 2 GiB. Export in float16, or a smaller network.");
  }
  message.write(sink);
}

}  // namespace reviewkd::onnx
