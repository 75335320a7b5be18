#include "core/checkpoint/safetensors.h"

#include <cstdio>

#include "core/checkpoint/weights_reader.h"
#include "core/io/atomic_file.h"
#include "formats/safetensors/safetensors_header.h"

namespace reviewkd {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[7];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string header_text(const NamedTensors& tensors, const Metadata& metadata) {
  std::string text = "{\"__metadata__\":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    text += separator + quoted(key) + ":" + quoted(value);
    separator = ",";
  }
  text += "}";
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    text += "," + quoted(name) + ":{\"dtype\":\"" + row_of(element_type(tensor.scalar_type())).safetensors +
            "\",\"shape\":[";
    for (int64_t i = 0; i < tensor.dim(); ++i) text += (i ? "," : "") + std::to_string(tensor.size(i));
    text += "],\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += tensor.nbytes();
    text += std::to_string(offset) + "]}";
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of 8 bytes
  return text;
}

}  // namespace

SafetensorsFile read_safetensors(const std::string& path) {
  WeightsFile file = read_weights(path, {.key = "", .network = false});
  return {std::move(file.metadata), std::move(file.tensors)};
}

void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  file.commit();
}

void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata) {
  const std::string header = header_text(tensors, metadata);
  uint8_t length_bytes[kSafetensorsLengthBytes];
  for (size_t i = 0; i < kSafetensorsLengthBytes; ++i) {
    length_bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(header.size()) >> (8 * i));
  }
  file.write(length_bytes, kSafetensorsLengthBytes);
  file.write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    TORCH_INTERNAL_ASSERT(tensor.is_contiguous() && tensor.device().is_cpu(), name,
                          " must be contiguous and on the CPU");
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
}

}  // namespace reviewkd
