#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

const Value* find(const Heap& heap, const Value& dict, std::string_view key) {
  if (dict.kind != Kind::kDict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& name = heap.at(dict.items[i]);
    if (name.kind == Kind::kText && name.text == key) return &heap.at(dict.items[i + 1]);
  }
  return nullptr;
}

}  // namespace reviewkd::pickle
