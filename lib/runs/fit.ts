import { throwIfAborted } from "../api/abort.js";
import { createSession } from "../api/session.js";
import { optionsOf } from "../config/options-of.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import type { FitResult } from "../config/schemas/run-record.js";
import { StepOptions } from "../config/schemas/training.js";
import { FitLoop } from "../fit/fit-loop.js";
import { planFit, type FitOptions } from "../fit/plan.js";
import { fitTogether } from "./fit-together.js";
import { RunState } from "./run-state.js";

/**
 * Trains a distiller's student, or a model on labels alone: all epochs with an evaluation after each, and checkpoints
 * and metrics in `runDirectory`. Leaving the loop early stops the running epoch; its steps since the last checkpoint
 * are lost.
 *
 * Files that cannot be written during training are reported ("checkpoint-failed") and retried; the training continues.
 *
 * @throws `ABORTED` after `signal` was aborted and the state saved; `NON_FINITE_LOSS` (earlier checkpoints are kept);
 * `SAVE_FAILED`: the training finished or stopped, but could not be saved; the network in memory can be saved
 * elsewhere; `RUN_DIRECTORY`, `RUN_MISMATCH`, `RUN_LOCKED` (another process writes to the directory), `FILE_CORRUPT`
 * (no valid checkpoint to resume from), `INVALID_ARGUMENT`, `UNKNOWN_NAME`, and what `Session.trainEpoch` throws; of
 * several processes `PROCESS_LOST` and `PROCESSES_DIFFER`.
 * @see "Distilling Knowledge via Knowledge Review", https://arxiv.org/abs/2104.09044
 *
 * @example
 * ```ts
 * for await (const event of fit({ distiller, data, preset: "cifar100", runDirectory: "runs/r56-r20" })) {
 *   if (event.type === "epoch") console.log(event.epoch, event.train.losses.total, event.test.top1);
 * }
 * ```
 */
export async function* fit(options: FitOptions): AsyncGenerator<FitEvent, FitResult, void> {
  const plan = planFit(options);
  if (plan.distributed !== undefined && plan.distributed.size > 1) return yield* fitTogether(plan, plan.distributed);
  throwIfAborted(plan.signal, "the training");
  using log = await RunState.open(plan);
  using session = await createSession({ ...plan.target, ...optionsOf(StepOptions, plan.training) });
  await log.begin(session);
  return yield* new FitLoop(plan, session, log).run();
}
