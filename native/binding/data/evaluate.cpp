#include "binding/data/evaluate.h"

#include "binding/data/training_images.h"
#include "binding/objects/session_results.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"

namespace reviewkd::binding {

Napi::Value evaluate_on(const Napi::CallbackInfo& info, const std::shared_ptr<WorkerThread>& thread,
                        const std::shared_ptr<Network>& network, const std::shared_ptr<const Task>& task,
                        const std::function<void()>& prepare_thread, const RunEvaluation& run) {
  const Napi::Env env = info.Env();
  const TrainingImages images = training_images_of(info[0], string_of(info[1], "split"));
  const EvaluationOptions evaluation = EvaluationOptions::from(options_of(info[2], "options"));
  const auto stop = StopFlagHandle::unwrap(info[3]);
  const CountCallback latest = count_callback(env, info[4]);
  return run_async(
      env, thread,
      [=] {
        prepare_thread();
        // All processes of a session find the same fault, and remain together.
        task->check_data(*network->module, images.set);
        const auto evaluate = [&](Peers* peers) {
          return reviewkd::evaluate(
              *network, *task, images, evaluation, [&](int64_t done) { latest.send(done); }, *stop, peers);
        };
        return run ? run(evaluate) : evaluate(nullptr);
      },
      [](Napi::Env env, const Evaluation& result) { return to_js(env, result); },
      [latest](Napi::Env env) { latest.release(env); });
}

}  // namespace reviewkd::binding
