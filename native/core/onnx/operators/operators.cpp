#include "core/onnx/operators/operators.h"

#include <unordered_map>

namespace reviewkd::onnx {

Operator find_operator(const std::string& kind) {
  static const auto kTable = [] {
    std::unordered_map<std::string, Operator> table;
    for (const OperatorRows& rows :
         {layer_operators(), elementwise_operators(), shape_operators(), selection_operators()}) {
      table.insert(rows.begin(), rows.end());
    }
    return table;
  }();
  const auto found = kTable.find(kind);
  return found == kTable.end() ? nullptr : found->second;
}

}  // namespace reviewkd::onnx
