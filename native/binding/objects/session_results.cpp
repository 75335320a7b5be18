#include "binding/objects/session_results.h"

#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/errors.h"
#include "core/tasks/registry.h"

namespace reviewkd::binding {
namespace {

Napi::Object to_js(Napi::Env env, const Losses& losses) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("total", losses.total);
  for (const TaskLoss& loss : losses.task) object.Set(loss.name, loss.value);
  object.Set("distillation", losses.distillation);
  object.Set("distillationWeight", losses.distillation_weight);
  object.Set("perStage", to_array(env, losses.per_stage()));
  Napi::Array terms = Napi::Array::New(env, losses.terms.size());
  for (uint32_t k = 0; k < losses.terms.size(); ++k) {
    const TermLosses& term = losses.terms[k];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("kind", term.kind);
    entry.Set("loss", term.loss);
    entry.Set("weight", term.weight);
    entry.Set("perStage", to_array(env, term.per_stage));
    terms.Set(k, entry);
  }
  object.Set("terms", terms);
  return object;
}

Napi::Object to_js(Napi::Env env, const StepSeconds& seconds) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("teacher", seconds.teacher);
  object.Set("student", seconds.student);
  object.Set("method", seconds.method);
  object.Set("backward", seconds.backward);
  object.Set("exchange", seconds.exchange);
  object.Set("optimizer", seconds.optimizer);
  return object;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const StepResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("losses", to_js(env, result.losses));
  object.Set("step", static_cast<double>(result.step));
  object.Set("learningRate", result.learning_rate);
  object.Set("seconds", to_js(env, result.seconds));
  object.Set("gradientNorm", result.gradient_norm ? Napi::Number::New(env, *result.gradient_norm) : env.Null());
  return object;
}

Napi::Value to_js(Napi::Env env, const EpochState& state, const TaskInfo& task) {
  Napi::Object object = Napi::Object::New(env);
  const double images = static_cast<double>(state.sums.images);
  object.Set("epoch", static_cast<double>(state.epoch));
  object.Set("step", static_cast<double>(state.step));
  object.Set("steps", static_cast<double>(state.steps));
  object.Set("images", images);
  object.Set("losses", to_js(env, state.mean_losses()));
  if (task.training_metric) object.Set(task.training_metric->name, state.mean_metric(task.training_metric->factor));
  object.Set("learningRate", state.learning_rate);
  object.Set("imagesPerSecond", state.seconds > 0 ? images / state.seconds : 0.0);
  object.Set("seconds", state.seconds);
  object.Set("dataWaitSeconds", state.data_wait_seconds);
  object.Set("dataWaitFraction", state.seconds > 0 ? state.data_wait_seconds / state.seconds : 0.0);
  object.Set("brokenImages", static_cast<double>(state.replaced));
  if (state.is_replayed) {
    Napi::Object graph = Napi::Object::New(env);
    graph.Set("replayed", *state.is_replayed);
    graph.Set("reason", state.why_not_replayed.empty() ? env.Null() : Napi::String::New(env, state.why_not_replayed));
    object.Set("graph", graph);
  }
  return object;
}

Napi::Value to_js(Napi::Env env, const Evaluation& evaluation) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, value] : evaluation.metrics) object.Set(name, value);
  object.Set("samples", static_cast<double>(evaluation.samples));
  const size_t classes = evaluation.per_class.empty() ? 0 : evaluation.per_class.front().values.size();
  Napi::Array scores = Napi::Array::New(env, classes);
  for (size_t i = 0; i < classes; ++i) {
    Napi::Object score = Napi::Object::New(env);
    for (const ClassColumn& column : evaluation.per_class) score.Set(column.name, column.values.at(i));
    scores.Set(static_cast<uint32_t>(i), score);
  }
  object.Set("perClass", scores);
  return object;
}

Napi::Value to_js(Napi::Env env, const TaskInfo& task) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", task.name);
  Napi::Array losses = Napi::Array::New(env, task.losses.size());
  for (uint32_t i = 0; i < task.losses.size(); ++i) {
    Napi::Object loss = Napi::Object::New(env);
    loss.Set("name", task.losses[i].name);
    loss.Set("label", task.losses[i].label);
    losses.Set(i, loss);
  }
  object.Set("losses", losses);
  Napi::Array metrics = Napi::Array::New(env, task.metrics.size());
  for (uint32_t i = 0; i < task.metrics.size(); ++i) {
    const MetricInfo& info = task.metrics[i];
    Napi::Object metric = Napi::Object::New(env);
    metric.Set("name", info.name);
    metric.Set("label", info.label);
    metric.Set("title", info.title);
    metric.Set("unit", info.unit);
    metric.Set("higherIsBetter", info.higher_is_better);
    metrics.Set(i, metric);
  }
  object.Set("metrics", metrics);
  object.Set("primaryMetric", task.primary_metric);
  object.Set("trainingMetric",
             task.training_metric ? Napi::Value(Napi::String::New(env, task.training_metric->name)) : env.Null());
  return object;
}

Napi::Value list_tasks(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto& tasks = task_registry();
    Napi::Array array = Napi::Array::New(info.Env(), tasks.size());
    for (uint32_t i = 0; i < tasks.size(); ++i) array.Set(i, to_js(info.Env(), tasks[i]->info()));
    return array;
  });
}

}  // namespace reviewkd::binding
