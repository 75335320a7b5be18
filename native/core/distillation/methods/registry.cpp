#include "core/distillation/methods/registry.h"

#include "core/base/registry.h"
#include "core/distillation/methods/logits_kd.h"
#include "core/distillation/methods/review.h"
#include "core/distillation/methods/review_fused.h"
#include "core/distillation/methods/stage_pairs.h"
#include "core/models/init.h"

namespace reviewkd {
namespace {

using PairsOf = std::vector<StagePair> (*)(const Matching&, const MethodOptions&);

MethodEntry pairs_row(const char* kind, PairsOf pairs_of) {
  return {kind, [=](const std::shared_ptr<const Matching>& matching, const MethodOptions& options) -> Method {
            return StagePairs(matching, options, pairs_of(*matching, options)).ptr();
          }};
}

}  // namespace

const std::vector<MethodEntry>& method_registry() {
  static const std::vector<MethodEntry> methods = {
      {"kd", [](const auto&, const MethodOptions& options) -> Method { return Kd(options).ptr(); }},
      {"dkd", [](const auto&, const MethodOptions& options) -> Method { return Dkd(options).ptr(); }},
      pairs_row("single-layer", single_layer_pairs),
      pairs_row("multi-layer", multi_layer_pairs),
      pairs_row("review-stage", review_stage_pairs),
      pairs_row("review-pairs", review_pairs),
      {"review-fused", [](const auto& matching, const MethodOptions& options) -> Method { return ReviewFused(matching, options).ptr(); }},
      {"review", [](const auto& matching, const MethodOptions& options) -> Method { return Review(matching, options).ptr(); }},
  };
  return methods;
}

const MethodEntry& find_method(const std::string& kind) { return find_entry(method_registry(), &MethodEntry::kind, kind, "method"); }

std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const MethodOptions& method, TeacherMode teacher_mode, uint64_t seed) {
  const auto matching = std::make_shared<const Matching>(match_stages(*student, *teacher));
  const bool is_sum = method.kind == "sum";
  at::Generator generator = init::generator(seed);
  std::vector<Term> terms;
  for (const MethodOptions& options : is_sum ? method.of : std::vector{method}) {
    const Method built = find_method(options.kind).build(matching, options);
    built->initialize(generator);
    terms.push_back({options.kind, built, options.weight, options.warmup_epochs, options.warmup_from});
  }
  if (terms.empty()) fail(ErrorCode::kInvalidArgument, "invalid ", method.path, ".of: expected one or more methods, received none.");
  return std::make_shared<Distiller>(std::move(teacher), std::move(student), matching, std::move(terms),
                                     DistillerOptions{teacher_mode, is_sum});
}

}  // namespace reviewkd
