#include "core/distillation/methods/registry.h"

#include "core/base/registry.h"
#include "core/distillation/methods/logits_kd.h"
#include "core/distillation/methods/review.h"
#include "core/distillation/methods/review_fused.h"
#include "core/distillation/methods/stage_pairs.h"
#include "core/models/init.h"

namespace reviewkd {
namespace {

using PairsOf = std::vector<StagePair> (*)(const Matching&, const StagePairOptions&);

MethodEntry pairs_row(const char* kind, PairsOf pairs_of) {
  return {kind, [=](const std::shared_ptr<const Matching>& matching, const Options& options) -> Method {
            const StagePairOptions pairs = StagePairOptions::from(options);
            return StagePairs(matching, pairs, pairs_of(*matching, pairs)).ptr();
          }};
}

}  // namespace

const std::vector<MethodEntry>& method_registry() {
  static const std::vector<MethodEntry> methods = {
      {"kd", [](const auto&, const Options& options) -> Method { return Kd(KdOptions::from(options)).ptr(); }},
      {"dkd", [](const auto&, const Options& options) -> Method { return Dkd(DkdOptions::from(options)).ptr(); }},
      pairs_row("single-layer", single_layer_pairs),
      pairs_row("multi-layer", multi_layer_pairs),
      pairs_row("review-stage", review_stage_pairs),
      pairs_row("review-pairs", review_pairs),
      {"review-fused",
       [](const auto& matching, const Options& options) -> Method {
         return ReviewFused(matching, ReviewOptions::from(options)).ptr();
       }},
      {"review",
       [](const auto& matching, const Options& options) -> Method {
         return Review(matching, ReviewOptions::from(options)).ptr();
       }},
  };
  return methods;
}

const MethodEntry& find_method(const std::string& kind) {
  return find_entry(method_registry(), &MethodEntry::kind, kind, "method");
}

std::shared_ptr<Distiller> build_distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                                           const Options& method, uint64_t seed) {
  const auto matching = std::make_shared<const Matching>(match_stages(*student, *teacher));
  const DistillerOptions distiller = DistillerOptions::from(method);
  at::Generator generator = init::generator(seed);
  std::vector<Term> terms;
  for (const Options& options : distiller.is_sum ? method.list("of") : std::vector{method}) {
    const std::string kind = options.string("kind");
    const Method built = find_method(kind).build(matching, options);
    built->initialize(generator);
    terms.push_back({kind, built, LossShare::from(options)});
  }
  if (terms.empty())
    fail(ErrorCode::kInvalidArgument, "invalid ", method.path("of"), ": expected one method or more, received none.");
  return std::make_shared<Distiller>(std::move(teacher), std::move(student), matching, std::move(terms), distiller);
}

}  // namespace reviewkd
