#pragma once
// The registry of distillation methods, one row each.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/distillation/distiller.h"

namespace reviewkd {

struct MethodEntry {
  std::string kind;
  std::function<Method(const std::shared_ptr<const Matching>&, const Options&)> build;
};

const std::vector<MethodEntry>& method_registry();

/// Throws UNKNOWN_NAME with the list of names.
const MethodEntry& find_method(const std::string& kind);

/// Connects a student to a teacher through a method of the registry, or through a "sum" of methods. `seed` determines
/// the initial parameters of the methods.
std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const Options& method, uint64_t seed);

}  // namespace reviewkd
