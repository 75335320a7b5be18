#include "core/checkpoint/training_checkpoint.h"

#include <torch/version.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "core/base/error.h"
#include "core/checkpoint/file_checksum.h"
#include "core/io/checksum.h"

namespace reviewkd {
namespace {

constexpr char kPrefix[] = "session.";

/// Raised when an older reader would misread a file. 1 had no checksum; it was never part of a release.
constexpr int64_t kFormat = 2;

/// Hexadecimal floating point: exact in both directions.
std::string exact(double value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::hex).ptr;
  return std::string(text, end);
}

/// A sum over images: a whole number in decimals, as it is for counts, otherwise as `exact`.
std::string sum_text(double value) {
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  if (std::trunc(value) == value && std::abs(value) <= kExactIntegers)
    return std::to_string(static_cast<int64_t>(value));
  return exact(value);
}

/// "crossEntropy" -> "cross-entropy".
std::string hyphenated(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    if (letter >= 'A' && letter <= 'Z') text += {'-', static_cast<char>(letter - 'A' + 'a')};
    else text += letter;
  }
  return text;
}

/// Parses the output of `exact`; nullopt for other text. Not std::from_chars, which some standard libraries have for
/// whole numbers alone.
std::optional<double> exact_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const double sign = negative ? -1.0 : 1.0;
  if (text == "inf") return sign * std::numeric_limits<double>::infinity();
  if (text.starts_with("nan")) return std::numeric_limits<double>::quiet_NaN();
  const size_t power = text.find('p');
  if (power == std::string_view::npos || text.starts_with('.')) return std::nullopt;
  std::string digits(text.substr(0, power));
  const size_t point = digits.find('.');
  const int places = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
  if (point != std::string::npos) digits.erase(point, 1);
  uint64_t mantissa = 0;
  int exponent = 0;
  std::string_view after = text.substr(power + 1);
  if (after.starts_with('+')) after.remove_prefix(1);
  const auto read = [](std::string_view number, auto& value, int base) {
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value, base);
    return error == std::errc() && end == number.data() + number.size();
  };
  if (!read(digits, mantissa, 16) || !read(after, exponent, 10)) return std::nullopt;
  return sign * std::ldexp(static_cast<double>(mantissa), exponent - 4 * places);
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
    const std::optional<double> value = exact_number(find(name));
    if (!value) corrupt(name);
    return *value;
  }

  /// Parses the output of `sum_text`.
  double sum(const std::string& name) const {
    const bool is_whole = find(name).find_first_not_of("-0123456789") == std::string::npos;
    return is_whole ? static_cast<double>(integer(name)) : number(name);
  }

  bool has(const std::string& name) const { return metadata_.count(kPrefix + name) > 0; }

  /// The length of a list, which is never long.
  int64_t count(const std::string& name) const {
    constexpr int64_t kMost = 1024;
    const int64_t value = integer(name);
    if (value < 0 || value > kMost) corrupt(name);
    return value;
  }

  const std::string& text(const std::string& name) const { return find(name); }

  [[noreturn]] void corrupt(const std::string& name) const {
    fail(ErrorCode::kFileCorrupt, "invalid checkpoint ", path_, ": expected the field ", kPrefix, name,
         ", received none or a damaged one. The file may hold only weights, or come from an earlier version.");
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
  TermLosses term{
      fields.text(name + "-kind"), fields.number(name + "-sum-loss"), fields.number(name + "-sum-weight"), {}};
  const int64_t stages = fields.count(name + "-stages");
  for (int64_t i = 0; i < stages; ++i)
    term.per_stage.push_back(fields.number(name + "-sum-stage-" + std::to_string(i)));
  return term;
}

/// The task of checkpoints that name none.
constexpr char kFirstTask[] = "classification";

std::string task_of(const Fields& fields) { return fields.has("task") ? fields.text("task") : kFirstTask; }

void check_task(const Session& session, const std::string& recorded, const std::string& path) {
  const std::string& expected = session.task().info().name;
  if (recorded == expected) return;
  fail(ErrorCode::kStateDictMismatch, "invalid checkpoint ", path, ": expected a training of the task ", expected,
       ", received one of ", recorded, ". Load it into a session of that task.");
}

template <typename Put>
void put_sums(const Put& put, const TaskInfo& task, const Losses& sums) {
  put("sum-total", exact(sums.total));
  // Before the first step there are none yet.
  for (size_t i = 0; i < task.losses.size(); ++i)
    put("sum-" + hyphenated(task.losses[i].name), exact(sums.task.empty() ? 0.0 : sums.task.at(i).value));
  put("sum-distillation", exact(sums.distillation));
  put("sum-distillation-weight", exact(sums.distillation_weight));
  put("terms", std::to_string(sums.terms.size()));
  for (size_t k = 0; k < sums.terms.size(); ++k) {
    const TermLosses& term = sums.terms[k];
    const std::string name = "term-" + std::to_string(k);
    put(name + "-kind", term.kind);
    put(name + "-sum-loss", exact(term.loss));
    put(name + "-sum-weight", exact(term.weight));
    put(name + "-stages", std::to_string(term.per_stage.size()));
    for (size_t i = 0; i < term.per_stage.size(); ++i)
      put(name + "-sum-stage-" + std::to_string(i), exact(term.per_stage[i]));
  }
}

Losses read_sums(const Fields& fields, const TaskInfo& task) {
  Losses sums;
  sums.total = fields.number("sum-total");
  for (const LossInfo& loss : task.losses)
    sums.task.push_back({loss.name, fields.number("sum-" + hyphenated(loss.name))});
  sums.distillation = fields.number("sum-distillation");
  sums.distillation_weight = fields.number("sum-distillation-weight");
  const int64_t terms = fields.count("terms");
  for (int64_t k = 0; k < terms; ++k) sums.terms.push_back(read_term(fields, "term-" + std::to_string(k)));
  return sums;
}

EpochState read_state(const Fields& fields, const TaskInfo& task) {
  EpochState state;
  state.epoch = fields.integer("epoch");
  state.step = fields.integer("epoch-step");
  state.steps = fields.integer("epoch-steps");
  state.sums.images = fields.integer("epoch-images");
  state.sums.metric = fields.sum("epoch-correct");
  state.sums.losses = read_sums(fields, task);
  state.replaced = fields.integer("epoch-replaced");
  state.seconds = fields.number("epoch-seconds");
  state.data_wait_seconds = fields.number("epoch-stall-seconds");
  state.learning_rate = fields.number("learning-rate");
  return state;
}

/// A teacher that is the same throughout is not written each time: CRC-32 of its names and bytes stands for it.
std::string teacher_checksum(const Session& session) {
  const auto teacher = session.frozen_teacher();
  if (!teacher) return "";
  Session::TeacherChecksum& known = session.known_teacher_checksum();
  NamedTensors state;
  {
    const NetworkLock lock(*teacher);
    const NamedTensors current = state_dict(*teacher->module);
    StateVersion version = version_of(current);
    if (known.of == version && !known.text.empty()) return known.text;
    state = detached_copy(current);
    known.of = std::move(version);
  }
  known.text = std::to_string(checksum_of(state));
  return known.text;
}

void check_format(const Fields& fields, const std::string& path) {
  const int64_t format = fields.integer("format");
  if (format == kFormat) return;
  fail(ErrorCode::kFileUnsupported, "invalid checkpoint ", path, ": expected format ", kFormat, ", received format ",
       format, ". Use the version of this package that wrote it.");
}

void check_teacher(const Session& session, const std::string& recorded, const std::string& path) {
  if (recorded == teacher_checksum(session)) return;
  fail(ErrorCode::kStateDictMismatch, "invalid teacher: expected the one of the checkpoint ", path,
       ", received other weights or another mode. Load the weights that the teacher had then.");
}

/// Methods without parameters, for example kd and dkd, leave no trace among the tensors; an epoch that one began must
/// not continue with another.
void check_terms(const Session& session, const EpochState& state, const std::string& path) {
  std::vector<std::string> recorded;
  recorded.reserve(state.sums.losses.terms.size());
  for (const auto& term : state.sums.losses.terms) recorded.push_back(term.kind);
  if (recorded.empty() || recorded == session.term_kinds()) return;
  fail(ErrorCode::kStateDictMismatch, "invalid checkpoint ", path, ": expected one trained with ",
       joined(session.term_kinds()), ", received one with ", joined(recorded), ". Resume with the same method.");
}

}  // namespace

void save_checkpoint(const Session& session, const std::string& path, Metadata metadata, const std::string& keep_as) {
  const EpochState& state = session.state();
  const auto put = [&](const std::string& name, const std::string& value) { metadata[kPrefix + name] = value; };
  metadata[std::string(kChecksumKey)] = kBlankChecksum;
  put("format", std::to_string(kFormat));
  put("libtorch", TORCH_VERSION);
  put("teacher", teacher_checksum(session));
  put("current-learning-rate", exact(session.learning_rate()));
  put("steps", std::to_string(session.steps()));
  put("epoch", std::to_string(state.epoch));
  put("epoch-step", std::to_string(state.step));
  put("epoch-steps", std::to_string(state.steps));
  put("epoch-images", std::to_string(state.sums.images));
  put("epoch-correct", sum_text(state.sums.metric));
  put("epoch-replaced", std::to_string(state.replaced));
  put("epoch-seconds", exact(state.seconds));
  put("epoch-stall-seconds", exact(state.data_wait_seconds));
  put("learning-rate", exact(state.learning_rate));
  const TaskInfo& task = session.task().info();
  put_sums(put, task, state.sums.losses);
  if (task.name != kFirstTask) put("task", task.name);

  NamedTensors tensors;
  {
    const NetworkLock lock(session.network(), session.moving_teacher());
    tensors = detached_copy(session.training_state());
  }
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  write_checksum(file);
  file.commit(keep_as);
}

Metadata load_checkpoint(Session& session, const std::string& path, bool other_teacher) {
  // Comes first: whatever else may be wrong with a damaged file, it is called damaged.
  const bool sealed = verify_checksum(path);
  const SafetensorsFile file = read_safetensors(path);
  const Fields fields(file.metadata, path);
  if (!sealed) fields.corrupt(std::string(kChecksumKey.substr(std::string_view(kPrefix).size())));
  check_format(fields, path);
  check_task(session, task_of(fields), path);
  const EpochState state = read_state(fields, session.task().info());
  const int64_t steps = fields.integer("steps");
  const double learning_rate = fields.number("current-learning-rate");
  const std::string teacher = fields.text("teacher");
  check_terms(session, state, path);
  if (!other_teacher) check_teacher(session, teacher, path);

  {
    const NetworkLock lock(session.network(), session.moving_teacher());
    load_state_dict(session.training_state(), file.tensors, /*strict=*/true);
  }
  session.restore(state, steps, learning_rate);

  Metadata own;
  for (const auto& [key, value] : file.metadata) {
    if (key.rfind(kPrefix, 0) != 0) own.emplace(key, value);
  }
  return own;
}

}  // namespace reviewkd
