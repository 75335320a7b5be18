#include "core/checkpoint/safetensors.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/checkpoint/atomic_file.h"
#include "core/error.h"

namespace reviewkd {
namespace {

namespace fs = std::filesystem;

// As in the format's own implementation: no honest header is larger.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr uint64_t kLengthBytes = 8;

const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble: return "F64";
    case at::kFloat: return "F32";
    case at::kHalf: return "F16";
    case at::kBFloat16: return "BF16";
    case at::kLong: return "I64";
    case at::kInt: return "I32";
    case at::kShort: return "I16";
    case at::kByte: return "U8";
    case at::kBool: return "BOOL";
    default: fail(ErrorCode::kDtypeMismatch, "expected a type that safetensors knows, got ", dtype);
  }
}

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
    text += "," + quoted(name) + ":{\"dtype\":\"" + dtype_name(tensor.scalar_type()) + "\",\"shape\":[";
    for (int64_t i = 0; i < tensor.dim(); ++i) text += (i ? "," : "") + std::to_string(tensor.size(i));
    text += "],\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += tensor.nbytes();
    text += std::to_string(offset) + "]}";
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of 8 bytes
  return text;
}

struct OpenFile {
  std::ifstream stream;
  SafetensorsHeader header;
};

OpenFile open(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) {
    fail(error == std::errc::no_such_file_or_directory ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess,
         "expected a readable .safetensors file at ", path, ", got: ", error.message());
  }
  OpenFile file{std::ifstream(path, std::ios::binary), {}};
  if (!file.stream) fail(ErrorCode::kFileAccess, "expected a readable .safetensors file at ", path, ", got: ", std::strerror(errno));

  uint8_t length_bytes[kLengthBytes] = {};
  if (size < kLengthBytes || !file.stream.read(reinterpret_cast<char*>(length_bytes), kLengthBytes)) {
    fail(ErrorCode::kFileCorrupt, "expected at least 8 bytes in the .safetensors file ", path, ", got ", size);
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= static_cast<uint64_t>(length_bytes[i]) << (8 * i);
  if (length > kMaxHeaderBytes || length > size - kLengthBytes) {
    fail(ErrorCode::kFileCorrupt, "expected a header that fits into the ", size, " bytes of ", path, ", got one of ", length,
         " bytes: the file is truncated or no safetensors file");
  }
  std::string text(length, '\0');
  if (!file.stream.read(text.data(), static_cast<std::streamsize>(length))) {
    fail(ErrorCode::kFileAccess, "expected to read the header of ", path, ", got an error");
  }
  file.header = parse_safetensors_header(text, size - kLengthBytes - length, path);
  file.header.data_start = kLengthBytes + length;
  return file;
}

}  // namespace

SafetensorsHeader read_safetensors_header(const std::string& path) { return open(path).header; }

SafetensorsFile read_safetensors(const std::string& path) {
  OpenFile file = open(path);
  SafetensorsFile result{std::move(file.header.metadata), {}};
  for (const auto& entry : file.header.entries) {  // the tensors' bytes follow each other
    at::Tensor tensor = at::empty(entry.shape, entry.dtype);
    if (!file.stream.read(static_cast<char*>(tensor.mutable_data_ptr()), static_cast<std::streamsize>(tensor.nbytes())) && tensor.nbytes() > 0) {
      fail(ErrorCode::kFileAccess, "expected to read ", tensor.nbytes(), " bytes of ", entry.name, " from ", path, ", got an error");
    }
    result.tensors.emplace_back(entry.name, tensor);
  }
  return result;
}

void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  file.commit();
}

void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata) {
  const std::string header = header_text(tensors, metadata);
  uint8_t length_bytes[kLengthBytes];
  for (size_t i = 0; i < kLengthBytes; ++i) length_bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(header.size()) >> (8 * i));
  file.write(length_bytes, kLengthBytes);
  file.write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    TORCH_INTERNAL_ASSERT(tensor.is_contiguous() && tensor.device().is_cpu(), name, " must lie on the CPU, row by row");
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
}

}  // namespace reviewkd
