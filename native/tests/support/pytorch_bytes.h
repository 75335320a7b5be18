#pragma once
// PyTorch's files put together by hand, apart from the code that reads and writes them: pickles opcode by opcode,
// archives, legacy streams.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/io/checksum.h"

namespace reviewkd::tests {

using Bytes = std::string;

/// The `width` lowest bytes of a number, least significant first.
inline Bytes little(uint64_t value, int width) {
  Bytes bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

/// A literal that may contain zeros.
template <size_t N>
Bytes raw(const char (&text)[N]) {
  return Bytes(text, N - 1);
}

inline Bytes repeated(const Bytes& part, size_t count) {
  Bytes bytes;
  for (size_t i = 0; i < count; ++i) bytes += part;
  return bytes;
}

/// BINUNICODE.
inline Bytes text(const Bytes& value) { return "X" + little(value.size(), 4) + value; }
/// LONG1 of eight bytes.
inline Bytes integer(int64_t value) { return "\x8a\x08" + little(static_cast<uint64_t>(value), 8); }
inline Bytes global(const Bytes& module, const Bytes& name) { return "c" + module + "\n" + name + "\n"; }
inline Bytes tuple(const Bytes& items) { return "(" + items + "t"; }
inline Bytes dict(const Bytes& entries) { return "}(" + entries + "u"; }
/// Protocol 2.
inline Bytes pickle(const Bytes& body) { return "\x80\x02" + body + "."; }

/// A tensor as torch.save writes it; by default three float32 in storage "0".
struct TensorParts {
  Bytes type = "FloatStorage";
  Bytes key = "0";
  int64_t elements = 3;
  int64_t offset = 0;
  std::vector<int64_t> shape = {3};
  std::vector<int64_t> strides = {1};
  /// Further items of the storage's persistent id: the view of the legacy layout.
  Bytes view = "";
};

inline Bytes tensor(const TensorParts& parts = {}) {
  Bytes shape, strides;
  for (const int64_t length : parts.shape) shape += integer(length);
  for (const int64_t stride : parts.strides) strides += integer(stride);
  const Bytes storage = tuple(text("storage") + global("torch", parts.type) + text(parts.key) + text("cpu") +
                              integer(parts.elements) + parts.view);
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + "Q" + integer(parts.offset) + tuple(shape) + tuple(strides) + "\x89" +
               global("collections", "OrderedDict") + ")R") +
         "R";
}

/// A state dict with one tensor named "weight".
inline Bytes state_dict(const TensorParts& parts = {}) { return dict(text("weight") + tensor(parts)); }

struct ZipEntry {
  Bytes name;
  Bytes content;
  // Fields of the headers that differ from the content.
  uint16_t method = 0, flags = 0;
  std::optional<uint64_t> size = std::nullopt, offset = std::nullopt;
  std::optional<uint32_t> crc = std::nullopt;
};

/// An archive of stored entries. `count`: what the end record claims; `zip64`: sizes and offsets in extra fields of 64
/// bits.
inline Bytes zip(const std::vector<ZipEntry>& entries, std::optional<uint64_t> count = std::nullopt, bool zip64 = false,
                 const Bytes& comment = "") {
  Bytes files, directory;
  for (const auto& entry : entries) {
    const uint64_t size = entry.size.value_or(entry.content.size()), offset = entry.offset.value_or(files.size());
    const uint32_t crc = entry.crc.value_or(crc32(entry.content.data(), entry.content.size()));
    const Bytes common = little(entry.flags, 2) + little(entry.method, 2) + little(0, 4) + little(crc, 4);
    files += "PK\x03\x04" + little(0, 2) + common + little(size, 4) + little(size, 4) + little(entry.name.size(), 2) +
             little(0, 2) + entry.name + entry.content;
    // An extra field of another kind comes first, which readers pass over.
    const Bytes extra = zip64 ? little(0x5455, 2) + little(1, 2) + "\x07" + little(1, 2) + little(24, 2) +
                                    little(size, 8) + little(size, 8) + little(offset, 8)
                              : "";
    const auto field = [&](uint64_t value) { return little(zip64 ? 0xffffffff : value, 4); };
    directory += "PK\x01\x02" + little(0, 4) + common + field(size) + field(size) + little(entry.name.size(), 2) +
                 little(extra.size(), 2) + little(0, 10) + field(offset) + entry.name + extra;
  }
  const uint64_t records = count.value_or(entries.size());
  Bytes end;
  if (zip64) {
    end = "PK\x06\x06" + little(44, 8) + little(0, 12) + little(records, 8) + little(records, 8) +
          little(directory.size(), 8) + little(files.size(), 8) + "PK\x06\x07" + little(0, 4) +
          little(files.size() + directory.size(), 8) + little(1, 4) + "PK\x05\x06" + little(0, 4) + little(0xffff, 2) +
          little(0xffff, 2) + little(0xffffffff, 4) + little(0xffffffff, 4);
  } else {
    end = "PK\x05\x06" + little(0, 4) + little(records, 2) + little(records, 2) + little(directory.size(), 4) +
          little(files.size(), 4);
  }
  return files + directory + end + little(comment.size(), 2) + comment;
}

/// An archive of torch.save: a pickle and the storage "0" of 12 bytes.
inline Bytes archive(const Bytes& content) {
  return zip({{"archive/data.pkl", content}, {"archive/data/0", Bytes(12, '\0')}});
}

/// The stream of torch.save before 1.6.
struct LegacyParts {
  Bytes magic = raw("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  bool little_endian = true;
  std::vector<Bytes> keys = {"0"};
  /// Of each storage, behind the pickles: its count of elements and their bytes.
  Bytes storages = little(3, 8) + Bytes(12, '\0');
};

inline Bytes legacy(const Bytes& content, const LegacyParts& parts = {}) {
  Bytes keys;
  for (const auto& key : parts.keys) keys += text(key);
  return pickle(parts.magic) + pickle("M" + little(1001, 2)) +
         pickle(dict(text("protocol_version") + "M" + little(1001, 2) + text("little_endian") +
                     (parts.little_endian ? "\x88" : "\x89"))) +
         content + pickle("](" + keys + "e") + parts.storages;
}

}  // namespace reviewkd::tests
