#pragma once
// The methods of distillation that exist: a row each.

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

/// Puts a student under a teacher by a method of the registry, or by a "sum" of such. `seed` decides the start of the
/// methods' own parameters.
std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const Options& method, uint64_t seed);

}  // namespace reviewkd
