#include "core/distillation/methods/registry.h"

#include "core/base/registry.h"
#include "core/models/init.h"

namespace reviewkd {

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
