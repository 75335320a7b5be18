#include "formats/onnx/protobuf.h"

#include <bit>
#include <utility>

namespace reviewkd::protobuf {
namespace {

/// How a field's value is encoded.
enum WireType : uint32_t { kVariableLength = 0, kLengthDelimited = 2, kFixed32 = 5 };

constexpr uint32_t kWireTypeBits = 3;
constexpr uint64_t kPayloadBits = 7, kPayload = 0x7f, kContinues = 0x80;

}  // namespace

void Message::append(std::string_view encoded) {
  if (pieces_.empty() || pieces_.back().data != nullptr) pieces_.emplace_back();
  pieces_.back().own += encoded;
  size_ += encoded.size();
}

void Message::variable_length(uint64_t value) {
  std::string encoded;
  for (; value > kPayload; value >>= kPayloadBits) encoded += static_cast<char>((value & kPayload) | kContinues);
  encoded += static_cast<char>(value);
  append(encoded);
}

void Message::tag(uint32_t field, uint32_t wire_type) { variable_length((field << kWireTypeBits) | wire_type); }

void Message::integer(uint32_t field, int64_t value) {
  tag(field, kVariableLength);
  variable_length(static_cast<uint64_t>(value));
}

void Message::number(uint32_t field, float value) {
  tag(field, kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  std::string encoded;
  for (uint32_t byte = 0; byte < sizeof bits; ++byte) encoded += static_cast<char>((bits >> (8 * byte)) & 0xff);
  append(encoded);
}

void Message::text(uint32_t field, std::string_view value) {
  tag(field, kLengthDelimited);
  variable_length(value.size());
  append(value);
}

void Message::bytes(uint32_t field, const void* data, uint64_t size) {
  tag(field, kLengthDelimited);
  variable_length(size);
  if (size == 0) return;
  pieces_.push_back({{}, data, size});
  size_ += size;
}

void Message::message(uint32_t field, Message value) {
  tag(field, kLengthDelimited);
  variable_length(value.size_);
  size_ += value.size_;
  for (Piece& piece : value.pieces_) {
    if (piece.data == nullptr && !pieces_.empty() && pieces_.back().data == nullptr) pieces_.back().own += piece.own;
    else pieces_.push_back(std::move(piece));
  }
}

void Message::write(const std::function<void(const void* data, uint64_t size)>& sink) const {
  for (const Piece& piece : pieces_) {
    if (piece.data == nullptr) sink(piece.own.data(), piece.own.size());
    else sink(piece.data, piece.size);
  }
}

}  // namespace reviewkd::protobuf
