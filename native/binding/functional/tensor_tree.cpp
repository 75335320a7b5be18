#include "binding/functional/tensor_tree.h"

#include <ATen/ATen.h>

#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "core/base/error.h"

namespace reviewkd::binding {
namespace {

template <typename Content>
const Content& content_of(const TensorTree& tree, const std::string& name, const char* expected) {
  const auto* content = std::get_if<Content>(&tree.content);
  if (content == nullptr)
    fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected ", expected, ", received another value.");
  return *content;
}

/// The name of an object's entry in messages.
std::string entry_of(const std::string& object, const std::string& name) { return object + "." + name; }

bool is_tensor(const Napi::Value& value) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&TensorHandle::kTag);
}

TensorTree nested_tree_of(const Napi::Value& value, const std::string& name, int depth) {
  if (depth > kDeepestValue) fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected fewer levels of values.");
  TensorTree tree;
  if (value.IsUndefined() || value.IsNull()) return tree;
  if (is_tensor(value)) return *TensorHandle::unwrap(value);
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (value.IsBoolean()) {
    tree.content = value.As<Napi::Boolean>().Value();
    return tree;
  }
  if (value.IsString()) {
    tree.content = value.As<Napi::String>().Utf8Value();
    return tree;
  }
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    TensorTree::List list;
    for (uint32_t i = 0; i < array.Length(); ++i)
      list.push_back(nested_tree_of(array.Get(i), name + "[" + std::to_string(i) + "]", depth + 1));
    return list;
  }
  if (!value.IsObject() || value.IsFunction() || value.IsTypedArray())
    fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected Tensors and plain values, received another value.");
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  TensorTree::Record record;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    record.emplace_back(key, nested_tree_of(object.Get(key), entry_of(name, key), depth + 1));
  }
  return record;
}

}  // namespace

TensorTree::TensorTree(const std::vector<at::Tensor>& tensors) : content(List(tensors.begin(), tensors.end())) {}

TensorTree::TensorTree(const NamedTensors& tensors) : content(Record(tensors.begin(), tensors.end())) {}

const TensorTree* TensorTree::find(const std::string& field) const {
  const auto* record = std::get_if<Record>(&content);
  if (record == nullptr) return nullptr;
  for (const auto& [name, value] : *record) {
    if (name == field && !std::holds_alternative<std::monostate>(value.content)) return &value;
  }
  return nullptr;
}

const TensorTree& TensorTree::at(const std::string& field) const {
  const TensorTree* found = find(field);
  if (found == nullptr) fail(ErrorCode::kInvalidArgument, "invalid ", field, ": expected a value, received none.");
  return *found;
}

const at::Tensor& TensorTree::tensor(const std::string& field) const {
  return content_of<at::Tensor>(at(field), field, "a Tensor");
}

const TensorTree::List& TensorTree::list(const std::string& field) const {
  return content_of<List>(at(field), field, "an array");
}

std::vector<at::Tensor> TensorTree::tensors(const std::string& field) const {
  std::vector<at::Tensor> tensors;
  for (const TensorTree& entry : list(field))
    tensors.push_back(content_of<at::Tensor>(entry, field, "an array of Tensors"));
  return tensors;
}

NamedTensors TensorTree::state_dict(const std::string& field) const {
  NamedTensors state;
  for (const auto& [name, entry] : content_of<Record>(at(field), field, "a state dict"))
    state.emplace_back(name, content_of<at::Tensor>(entry, entry_of(field, name), "a Tensor"));
  return state;
}

TensorTree tensor_tree_of(const Napi::Value& value, const std::string& name) { return nested_tree_of(value, name, 0); }

Napi::Value to_js(Napi::Env env, const TensorTree& tree) {
  struct Convert {
    Napi::Env env;
    Napi::Value operator()(std::monostate) const { return env.Undefined(); }
    Napi::Value operator()(bool value) const { return Napi::Boolean::New(env, value); }
    Napi::Value operator()(double value) const { return Napi::Number::New(env, value); }
    Napi::Value operator()(const std::string& value) const { return Napi::String::New(env, value); }
    Napi::Value operator()(const at::Tensor& value) const {
      return value.defined() ? TensorHandle::from(env, for_javascript(value)) : env.Undefined();
    }
    Napi::Value operator()(const TensorTree::List& value) const {
      Napi::Array array = Napi::Array::New(env, value.size());
      for (size_t i = 0; i < value.size(); ++i) array.Set(static_cast<uint32_t>(i), to_js(env, value[i]));
      return array;
    }
    Napi::Value operator()(const TensorTree::Record& value) const {
      Napi::Object object = Napi::Object::New(env);
      for (const auto& [name, field] : value) object.Set(name, to_js(env, field));
      return object;
    }
  };
  return std::visit(Convert{env}, tree.content);
}

std::vector<at::Tensor> require_gradients(TensorTree& tree) {
  std::vector<at::Tensor> found;
  const auto add = [&](TensorTree& entry) {
    for (const at::Tensor& tensor : require_gradients(entry)) found.push_back(tensor);
  };
  if (auto* tensor = std::get_if<at::Tensor>(&tree.content)) {
    if (tensor->is_floating_point()) {
      *tensor = tensor->detach().clone().set_requires_grad(true);
      found.push_back(*tensor);
    }
  } else if (auto* list = std::get_if<TensorTree::List>(&tree.content)) {
    for (TensorTree& entry : *list) add(entry);
  } else if (auto* record = std::get_if<TensorTree::Record>(&tree.content)) {
    for (auto& [name, entry] : *record) add(entry);
  }
  return found;
}

TensorTree with_tensors(const TensorTree& tree, const std::vector<at::Tensor>& gradients, size_t& next) {
  if (const auto* tensor = std::get_if<at::Tensor>(&tree.content)) {
    const at::Tensor& gradient = gradients.at(next++);
    return gradient.defined() ? gradient : at::zeros_like(*tensor);
  }
  if (const auto* list = std::get_if<TensorTree::List>(&tree.content)) {
    TensorTree::List result;
    for (const TensorTree& entry : *list) result.push_back(with_tensors(entry, gradients, next));
    return result;
  }
  TensorTree::Record result;
  for (const auto& [name, entry] : std::get<TensorTree::Record>(tree.content))
    result.emplace_back(name, with_tensors(entry, gradients, next));
  return result;
}

}  // namespace reviewkd::binding
