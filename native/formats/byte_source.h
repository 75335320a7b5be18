#pragma once
// Random access to bytes in place: nothing is read into memory before its range was checked against the size.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/platform/file.h"

namespace reviewkd {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  uint64_t size() const { return size_; }
  /// The name in messages: the path.
  const std::string& name() const { return name_; }

  /// Whether `bytes` bytes from `offset` on are within the source.
  bool holds(uint64_t offset, uint64_t bytes) const { return offset <= size_ && bytes <= size_ - offset; }

  /// Copies a range. Throws FILE_CORRUPT if it is out of bounds and FILE_ACCESS if it cannot be read.
  void read(uint64_t offset, void* target, uint64_t bytes) const;

 protected:
  ByteSource(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}
  virtual void copy(uint64_t offset, void* target, uint64_t bytes) const = 0;

  std::string name_;
  uint64_t size_;
};

/// A file. Throws FILE_NOT_FOUND or FILE_ACCESS.
class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path);

 private:
  void copy(uint64_t offset, void* target, uint64_t bytes) const override;

  platform::File file_;
};

/// Several sources one behind the other, as the shards of a network's weights.
class SourceList : public ByteSource {
 public:
  SourceList(std::string name, std::vector<std::unique_ptr<ByteSource>> parts);

  size_t count() const { return parts_.size(); }
  const ByteSource& part(size_t index) const { return *parts_[index].source; }
  /// Where a part's first byte is.
  uint64_t begin_of(size_t index) const { return parts_[index].begin; }

 private:
  struct Part {
    uint64_t begin;
    std::unique_ptr<ByteSource> source;
  };

  void copy(uint64_t offset, void* target, uint64_t bytes) const override;

  std::vector<Part> parts_;
};

/// Bytes in memory, which must outlive it.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, const void* data, uint64_t bytes) : ByteSource(std::move(name), bytes), data_(data) {}

 private:
  void copy(uint64_t offset, void* target, uint64_t bytes) const override;

  const void* data_;
};

}  // namespace reviewkd
