#pragma once
// The distillation methods, a row each, and how a distiller is built from them.

#include <memory>
#include <string>
#include <vector>

#include "core/distillation/distiller.h"

namespace reviewkd {

/// Builds a method for matched stages; it reads its own options. Each is defined in the method's source file.
using MethodBuilder = Method(const std::shared_ptr<const Matching>& matching, const Options& options);

MethodBuilder build_kd;
MethodBuilder build_dkd;
MethodBuilder build_single_layer;
MethodBuilder build_multi_layer;
MethodBuilder build_review_stage;
MethodBuilder build_review_pairs;
MethodBuilder build_review_fused;
MethodBuilder build_review;

struct MethodEntry {
  std::string kind;
  MethodBuilder* build;
};

inline const std::vector<MethodEntry>& method_registry() {
  static const std::vector<MethodEntry> methods = {
      {"kd", build_kd},
      {"dkd", build_dkd},
      {"single-layer", build_single_layer},
      {"multi-layer", build_multi_layer},
      {"review-stage", build_review_stage},
      {"review-pairs", build_review_pairs},
      {"review-fused", build_review_fused},
      {"review", build_review},
  };
  return methods;
}

/// Throws UNKNOWN_NAME with the list of names.
const MethodEntry& find_method(const std::string& kind);

/// Connects a student to a teacher through a method of the registry, or through a "sum" of methods. `seed` determines
/// the initial parameters of the methods.
std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const Options& method, uint64_t seed);

}  // namespace reviewkd
