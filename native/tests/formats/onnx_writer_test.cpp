// The bytes of ONNX files.

#include "formats/onnx/onnx_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "core/base/error.h"
#include "formats/onnx/protobuf.h"

namespace reviewkd::tests::onnx_writer {
namespace {

std::string encoded(const protobuf::Message& message) {
  std::string bytes;
  message.write([&](const void* data, uint64_t size) { bytes.append(static_cast<const char*>(data), size); });
  EXPECT_EQ(bytes.size(), message.size());
  return bytes;
}

std::string encoded(const onnx::Model& model) {
  std::string bytes;
  onnx::write_model(model,
                    [&](const void* data, uint64_t size) { bytes.append(static_cast<const char*>(data), size); });
  return bytes;
}

TEST(Protobuf, EncodesTheExamplesOfItsGuide) {
  protobuf::Message integer;
  integer.integer(1, 150);
  EXPECT_EQ(encoded(integer), "\x08\x96\x01");
  protobuf::Message text;
  text.text(2, "testing");
  EXPECT_EQ(encoded(text), "\x12\x07testing");
  protobuf::Message outer;
  outer.message(3, integer);
  EXPECT_EQ(encoded(outer), "\x1a\x03\x08\x96\x01");
}

TEST(Protobuf, EncodesNegativeNumbersInTenBytes) {
  protobuf::Message message;
  message.integer(1, -2);
  EXPECT_EQ(encoded(message), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(Protobuf, EncodesFloatsInFourBytes) {
  protobuf::Message message;
  message.number(2, 1.0F);
  EXPECT_EQ(encoded(message), std::string("\x15\x00\x00\x80\x3f", 5));
}

TEST(Protobuf, JoinsOwnBytesAndThoseOfOthers) {
  const std::array<uint8_t, 3> data = {1, 2, 3};
  protobuf::Message inner, outer;
  inner.integer(1, 1);
  inner.bytes(9, data.data(), data.size());
  inner.integer(2, 300);
  outer.message(5, std::move(inner));
  outer.bytes(6, nullptr, 0);
  EXPECT_EQ(encoded(outer), std::string("\x2a\x0a\x08\x01\x4a\x03\x01\x02\x03\x10\xac\x02\x32\x00", 14));
}

/// y = Add(x, one)
onnx::Model model_of(const float* one) {
  onnx::Model model{.graph = {},
                    .opset = 17,
                    .producer = "p",
                    .producer_version = "1",
                    .description = "",
                    .metadata = {{"key", "value"}}};
  model.graph.name = "g";
  model.graph.nodes = {{"n", "Add", {"x", "one"}, {"y"}, {}}};
  model.graph.initializers = {{"one", ElementType::kFloat32, {1}, one, nullptr}};
  model.graph.inputs = {{"x", ElementType::kFloat32, {std::string("batch"), int64_t{1}}}};
  model.graph.outputs = {{"y", ElementType::kFloat32, {std::string("batch"), int64_t{1}}}};
  return model;
}

TEST(OnnxWriter, WritesAModelAsProtocPrintsIt) {
  const float one = 1;
  // onnx.helper.make_model of the same parts, with its fields in the order of their numbers.
  const std::string value = std::string("\x12\x13\x0a\x11\x08\x01\x12\x0d\x0a\x07\x12\x05", 12) + "batch" +
                            std::string("\x0a\x02\x08\x01", 4);
  const std::string graph = std::string("\x0a\x13", 2) + "\x0a\x01x\x0a\x03one\x12\x01y\x1a\x01n\x22\x03" + "Add" +
                            "\x12\x01g" + "\x2a\x0f\x08\x01\x10\x01\x42\x03one\x4a\x04" +
                            std::string("\x00\x00\x80\x3f", 4) + "\x5a\x18\x0a\x01x" + value + "\x62\x18\x0a\x01y" +
                            value;
  const std::string expected = std::string(
                                   "\x08\x08\x12\x01p\x1a\x01"
                                   "1\x3a",
                                   9) +
                               static_cast<char>(graph.size()) + graph + std::string("\x42\x04\x0a\x00\x10\x11", 6) +
                               "\x72\x0c\x0a\x03key\x12\x05value";
  EXPECT_EQ(encoded(model_of(&one)), expected);
}

TEST(OnnxWriter, NamesTheVersionOfTheFileThatCameWithTheOperators) {
  const float one = 1;
  onnx::Model model = model_of(&one);
  const auto version = [&](int64_t opset) {
    model.opset = opset;
    return static_cast<int>(encoded(model)[1]);
  };
  EXPECT_EQ(version(17), 8);
  EXPECT_EQ(version(19), 9);
  EXPECT_EQ(version(21), 10);
}

TEST(OnnxWriter, RefusesAFileOfTwoGibibytes) {
  const float one = 1;
  onnx::Model model = model_of(&one);
  model.graph.initializers[0].shape = {int64_t{1} << 29};  // its bytes are counted, and not read
  try {
    encoded(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFileUnsupported);
  }
}

}  // namespace
}  // namespace reviewkd::tests::onnx_writer
