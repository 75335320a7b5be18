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

  int64_t integer(const char* name) const {
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
  put("stages", std::to_string(state.sums.per_stage.size()));
  for (size_t i = 0; i < state.sums.per_stage.size(); ++i) put("sum-stage-" + std::to_string(i), exact(state.sums.per_stage[i]));

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
  const int64_t stages = fields.integer("stages");
  if (stages < 0 || stages > 64) fields.corrupt("stages");
  for (int64_t i = 0; i < stages; ++i) state.sums.per_stage.push_back(fields.number("sum-stage-" + std::to_string(i)));
  const int64_t steps = fields.integer("steps");

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
