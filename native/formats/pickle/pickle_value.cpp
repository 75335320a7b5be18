#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

Value integer_value(Kind kind, int64_t integer) {
  Value value;
  value.kind = kind;
  value.integer = integer;
  return value;
}

Value real_value(double real) {
  Value value;
  value.kind = Kind::kReal;
  value.real = real;
  return value;
}

Value opaque_value(Heap& heap, Global global) {
  Value value;
  value.kind = Kind::kOpaque;
  value.integer = static_cast<int64_t>(heap.globals.size());
  heap.globals.push_back(global);
  return value;
}

Value unreadable_value(std::string_view description, int64_t awaits_state) {
  Value value;
  value.kind = Kind::kUnreadable;
  value.text = description;
  value.integer = awaits_state;
  return value;
}

const Value* find(const Heap& heap, const Value& dict, std::string_view key) {
  if (dict.kind != Kind::kDict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& name = heap.at(dict.items[i]);
    if (name.kind == Kind::kText && name.text == key) return &heap.at(dict.items[i + 1]);
  }
  return nullptr;
}

}  // namespace reviewkd::pickle
