#include "formats/weights/saved_module.h"

#include <algorithm>
#include <string_view>

namespace reviewkd {
namespace {

using pickle::Id;
using pickle::Kind;
using pickle::Value;

constexpr size_t kDeepestModule = 40;
/// A module may be part of several others, so that a small file can name a great number of them.
constexpr size_t kMostModules = 20'000;

const Value* attribute(const pickle::Heap& heap, const Value& object, std::string_view name) {
  return object.attributes == pickle::kNothing ? nullptr : pickle::find(heap, heap.at(object.attributes), name);
}

class Collector {
 public:
  explicit Collector(const pickle::Heap& heap) : heap_(heap) {}

  void collect(Id id, const std::string& prefix, size_t depth) {
    const Value& module = heap_.at(id);
    if (depth > kDeepestModule || ++modules_ > kMostModules || !is_saved_module(heap_, module)) return;
    each(attribute(heap_, module, "_parameters"), [&](std::string_view name, Id value) { add(prefix, name, value); });
    const Value* passing = attribute(heap_, module, "_non_persistent_buffers_set");
    each(attribute(heap_, module, "_buffers"), [&](std::string_view name, Id value) {
      if (!contains(passing, name)) add(prefix, name, value);
    });
    each(attribute(heap_, module, "_modules"),
         [&](std::string_view name, Id value) { collect(value, prefix + std::string(name) + ".", depth + 1); });
  }

  std::vector<std::pair<std::string, Id>> entries;

 private:
  template <typename Visit>
  void each(const Value* dict, Visit visit) {
    if (dict == nullptr || dict->kind != Kind::kDict) return;
    for (size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const Value& name = heap_.at(dict->items[i]);
      if (name.kind == Kind::kText) visit(name.text, dict->items[i + 1]);
    }
  }

  /// Layers without a bias have None in its place.
  void add(const std::string& prefix, std::string_view name, Id value) {
    if (heap_.at(value).kind == Kind::kNone || entries.size() >= pickle::kMostTensors) return;
    entries.emplace_back(prefix + std::string(name), value);
  }

  bool contains(const Value* set, std::string_view name) const {
    return set != nullptr &&
           std::any_of(set->items.begin(), set->items.end(), [&](Id id) { return heap_.at(id).text == name; });
  }

  const pickle::Heap& heap_;
  size_t modules_ = 0;
};

}  // namespace

bool is_saved_module(const pickle::Heap& heap, const Value& value) {
  return value.kind == Kind::kOpaque && attribute(heap, value, "_parameters") != nullptr &&
         attribute(heap, value, "_modules") != nullptr;
}

std::vector<std::pair<std::string, Id>> saved_module_entries(const pickle::Heap& heap, Id module) {
  Collector collector(heap);
  collector.collect(module, "", 0);
  return std::move(collector.entries);
}

}  // namespace reviewkd
