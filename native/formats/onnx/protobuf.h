#pragma once
// Protocol Buffers' wire format, as far as writing a message needs it: https://protobuf.dev/programming-guides/encoding.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace reviewkd::protobuf {

/// A message as its encoded fields. Long byte fields are referred to and not copied.
class Message {
 public:
  void integer(uint32_t field, int64_t value);
  /// A float, in 32 bits.
  void number(uint32_t field, float value);
  void text(uint32_t field, std::string_view value);
  /// `data` must outlive the message and those that contain it.
  void bytes(uint32_t field, const void* data, uint64_t size);
  void message(uint32_t field, Message value);

  uint64_t size() const { return size_; }
  /// Passes the encoded message on, piece by piece.
  void write(const std::function<void(const void* data, uint64_t size)>& sink) const;

 private:
  /// Own bytes, or those of others if `data` is not null.
  struct Piece {
    std::string own;
    const void* data = nullptr;
    uint64_t size = 0;
  };

  void append(std::string_view encoded);
  void tag(uint32_t field, uint32_t wire_type);
  void variable_length(uint64_t value);

  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
};

}  // namespace reviewkd::protobuf
