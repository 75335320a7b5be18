#include "core/onnx/graph_builder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/numeric.h"

namespace reviewkd::onnx {
namespace {

/// Constants up to this size are compared with those that there are.
constexpr int64_t kSmall = 64;

}  // namespace

ElementType element_type_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return ElementType::kFloat32;
    case at::kHalf: return ElementType::kFloat16;
    case at::kLong: return ElementType::kInt64;
    case at::kInt: return ElementType::kInt32;
    case at::kChar: return ElementType::kInt8;
    case at::kByte: return ElementType::kUInt8;
    case at::kBool: return ElementType::kBool;
    default: fail(ErrorCode::kInternal, "cannot export a tensor of type ", type_name(type), ".");
  }
}

Initializer initializer_of(const std::string& name, const at::Tensor& values) {
  // A copy: the network may be trained, or receive other weights, before the file is written.
  const auto owner = std::make_shared<at::Tensor>(values.detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous));
  return {.name = name,
          .type = element_type_of(values.scalar_type()),
          .shape = values.sizes().vec(),
          .data = owner->const_data_ptr(),
          .owner = owner};
}

std::string GraphBuilder::unique(const std::string& wish) {
  std::string name = wish;
  for (int64_t number = 1; !used_.insert(name).second; ++number) name = wish + "_" + std::to_string(number);
  return name;
}

std::string GraphBuilder::add(const std::string& op, const Names& inputs, const Attributes& attributes) {
  return add(op, inputs, attributes, 1).front();
}

Names GraphBuilder::add(const std::string& op, const Names& inputs, const Attributes& attributes, size_t outputs) {
  const std::string name = unique(op);
  Names results;
  for (size_t i = 0; i < outputs; ++i) results.push_back(outputs == 1 ? name : name + "." + std::to_string(i));
  graph_.nodes.push_back({.name = name, .op = op, .inputs = inputs, .outputs = results, .attributes = attributes});
  return results;
}

void GraphBuilder::add_named(const std::string& op, const Names& inputs, const Attributes& attributes,
                             const std::string& output) {
  graph_.nodes.push_back(
      {.name = unique(op), .op = op, .inputs = inputs, .outputs = {output}, .attributes = attributes});
}

std::string GraphBuilder::constant(const at::Tensor& values, const std::string& name) {
  const bool is_small = values.numel() <= kSmall && name == "constant";
  if (!is_small) {
    graph_.initializers.push_back(initializer_of(unique(name), values));
    return graph_.initializers.back().name;
  }
  Initializer initializer = initializer_of("", values);
  std::string bytes(static_cast<const char*>(initializer.data), values.nbytes());
  std::string& known = small_constants_[{initializer.type, {initializer.shape, std::move(bytes)}}];
  if (known.empty()) {
    known = initializer.name = unique(name);
    graph_.initializers.push_back(std::move(initializer));
  }
  return known;
}

std::string GraphBuilder::constant(const std::vector<int64_t>& values) {
  return constant(at::tensor(values, at::kLong));
}

const std::string& GraphBuilder::image_count() {
  if (image_count_.empty()) image_count_ = add("Shape", {images_}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
  return image_count_;
}

std::string GraphBuilder::count(const BatchCount& count) {
  if (count.is_constant()) return constant(std::vector{count.constant});
  std::string result = image_count();
  if (count.per_image != 1) result = add("Mul", {result, constant(std::vector{count.per_image})});
  return result;
}

std::string GraphBuilder::counts(const std::vector<BatchCount>& counts) {
  std::vector<int64_t> known;
  for (const BatchCount& count : counts) {
    if (count.is_constant()) known.push_back(count.constant);
  }
  if (known.size() == counts.size()) return constant(known);
  Names parts;
  for (const BatchCount& count : counts) parts.push_back(this->count(count));
  return parts.size() == 1 ? parts.front() : add("Concat", parts, {{"axis", int64_t{0}}});
}

void GraphBuilder::rename(const std::string& from, const std::string& to) {
  for (Node& node : graph_.nodes) {
    std::ranges::replace(node.inputs, from, to);
    std::ranges::replace(node.outputs, from, to);
  }
}

Graph GraphBuilder::finish(const Names& values, const Names& names) && {
  std::unordered_set<std::string> computed;
  for (const Node& node : graph_.nodes) computed.insert(node.outputs.begin(), node.outputs.end());
  std::unordered_map<std::string, std::string> renamed;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [entry, is_first] = renamed.try_emplace(values[i], names.at(i));
    // The input and constants keep their names, and a value that is an output already keeps that one.
    if (!is_first) add_named("Identity", {entry->second}, {}, names.at(i));
    else if (!computed.contains(values[i])) add_named("Identity", {values[i]}, {}, names.at(i));
    else rename(values[i], names.at(i));
  }
  std::unordered_set<std::string> read;
  for (const Node& node : graph_.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(graph_.initializers, [&](const Initializer& constant) { return !read.contains(constant.name); });
  return std::move(graph_);
}

}  // namespace reviewkd::onnx
