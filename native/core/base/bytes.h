#pragma once
// Values of plain types as bytes, to be read by the same program in another process.

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace reviewkd {

class ByteWriter {
 public:
  template <typename Value>
  void put(const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <typename Value>
  void put_list(const std::vector<Value>& values) {
    put(values.size());
    for (const Value& value : values) put(value);
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Throws INTERNAL when there are fewer bytes than are read.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename Value>
  Value get() {
    static_assert(std::is_trivially_copyable_v<Value>);
    if (bytes_.size() < sizeof(Value)) fail(ErrorCode::kInternal, "invalid bytes: expected more of them.");
    Value value;
    std::memcpy(&value, bytes_.data(), sizeof value);  // NOLINT(bugprone-suspicious-stringview-data-usage): bytes
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  template <typename Value>
  std::vector<Value> get_list() {
    const auto count = get<size_t>();
    std::vector<Value> values;
    values.reserve(std::min(count, bytes_.size() / sizeof(Value)));
    for (size_t i = 0; i < count; ++i) values.push_back(get<Value>());
    return values;
  }

 private:
  std::string_view bytes_;
};

}  // namespace reviewkd
