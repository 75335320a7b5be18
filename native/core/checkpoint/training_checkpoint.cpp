#include "core/checkpoint/training_checkpoint.h"

#include <charconv>

#include "core/error.h"

namespace reviewkd {
namespace {

const std::string kPrefix = "session.";

/// Hexadecimal floating point: exact in both directions.
std::string exact(double value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::hex).ptr;
  return std::string(text, end);
}

class Fields {
 public:
  explicit Fields(const Metadata& metadata, const std::string& path) : metadata_(metadata), path_(path) {}

  int64_t integer(const std::string& name) const {
    const std::string& text = find(name);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) corrupt(name);
    return value;
  }

  double number(const std::string& name) const {
    const std::string& text = find(name);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::hex);
    if (error != std::errc() || end != text.data() + text.size()) corrupt(name);
    return value;
  }

  /// The length of a list, which is never long.
  int64_t count(const std::string& name) const {
    constexpr int64_t kMost = 1024;
    const int64_t value = integer(name);
    if (value < 0 || value > kMost) corrupt(name);
    return value;
  }

  const std::string& text(const std::string& name) const { return find(name); }

  [[noreturn]] void corrupt(const std::string& name) const {
    fail(ErrorCode::kFileCorrupt, "expected the field ", kPrefix, name, " in the checkpoint ", path_,
         ", got none or a damaged one: is this a file of weights alone?");
  }

 private:
  const std::string& find(const std::string& name) const {
    const auto found = metadata_.find(kPrefix + name);
    if (found == metadata_.end()) corrupt(name);
    return found->second;
  }

  const Metadata& metadata_;
  const std::string& path_;
};

TermLosses read_term(const Fields& fields, const std::string& name) {
  TermLosses term{fields.text(name + "-kind"), fields.number(name + "-sum-loss"), fields.number(name + "-sum-weight"), {}};
  const int64_t stages = fields.count(name + "-stages");
  for (int64_t i = 0; i < stages; ++i) term.per_stage.push_back(fields.number(name + "-sum-stage-" + std::to_string(i)));
  return term;
}

/// Methods without parameters, kd and dkd say, leave no trace among the tensors; an epoch that one began must not go on
/// with another.
void check_terms(const Session& session, const EpochState& state, const std::string& path) {
  std::vector<std::string> recorded;
  for (const auto& term : state.sums.terms) recorded.push_back(term.kind);
  if (recorded.empty() || recorded == session.term_kinds()) return;
  fail(ErrorCode::kStateDictMismatch, "expected a checkpoint of a training with ", joined(session.term_kinds()), ", got one with ",
       joined(recorded), " at ", path);
}

}  // namespace

void save_checkpoint(const Session& session, const std::string& path, Metadata metadata) {
  const EpochState& state = session.state();
  const auto put = [&](const std::string& name, const std::string& value) { metadata[kPrefix + name] = value; };
  put("steps", std::to_string(session.steps()));
  put("epoch", std::to_string(state.epoch));
  put("epoch-step", std::to_string(state.step));
  put("epoch-steps", std::to_string(state.steps));
  put("epoch-images", std::to_string(state.images));
  put("epoch-correct", std::to_string(state.correct));
  put("epoch-replaced", std::to_string(state.replaced));
  put("epoch-seconds", exact(state.seconds));
  put("epoch-stall-seconds", exact(state.stall_seconds));
  put("learning-rate", exact(state.learning_rate));
  put("sum-total", exact(state.sums.total));
  put("sum-cross-entropy", exact(state.sums.cross_entropy));
  put("sum-distillation", exact(state.sums.distillation));
  put("sum-distillation-weight", exact(state.sums.distillation_weight));
  put("terms", std::to_string(state.sums.terms.size()));
  for (size_t k = 0; k < state.sums.terms.size(); ++k) {
    const TermLosses& term = state.sums.terms[k];
    const std::string name = "term-" + std::to_string(k);
    put(name + "-kind", term.kind);
    put(name + "-sum-loss", exact(term.loss));
    put(name + "-sum-weight", exact(term.weight));
    put(name + "-stages", std::to_string(term.per_stage.size()));
    for (size_t i = 0; i < term.per_stage.size(); ++i) put(name + "-sum-stage-" + std::to_string(i), exact(term.per_stage[i]));
  }

  NamedTensors tensors;
  {
    const std::lock_guard lock(session.network().mutex);
    tensors = detached_copy(session.training_state());
  }
  write_safetensors(path, tensors, metadata);
}

Metadata load_checkpoint(Session& session, const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  const Fields fields(file.metadata, path);
  EpochState state;
  state.epoch = fields.integer("epoch");
  state.step = fields.integer("epoch-step");
  state.steps = fields.integer("epoch-steps");
  state.images = fields.integer("epoch-images");
  state.correct = fields.integer("epoch-correct");
  state.replaced = fields.integer("epoch-replaced");
  state.seconds = fields.number("epoch-seconds");
  state.stall_seconds = fields.number("epoch-stall-seconds");
  state.learning_rate = fields.number("learning-rate");
  state.sums.total = fields.number("sum-total");
  state.sums.cross_entropy = fields.number("sum-cross-entropy");
  state.sums.distillation = fields.number("sum-distillation");
  state.sums.distillation_weight = fields.number("sum-distillation-weight");
  const int64_t terms = fields.count("terms");
  for (int64_t k = 0; k < terms; ++k) state.sums.terms.push_back(read_term(fields, "term-" + std::to_string(k)));
  const int64_t steps = fields.integer("steps");
  check_terms(session, state, path);

  {
    const std::lock_guard lock(session.network().mutex);
    load_state_dict(session.training_state(), file.tensors, /*strict=*/true);
  }
  session.restore(state, steps);

  Metadata own;
  for (const auto& [key, value] : file.metadata) {
    if (key.rfind(kPrefix, 0) != 0) own.emplace(key, value);
  }
  return own;
}

}  // namespace reviewkd
