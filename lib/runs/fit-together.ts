import { createHash } from "node:crypto";
import { throwIfAborted, withSignal } from "../api/abort.js";
import type { DatasetSplit } from "../api/dataset.js";
import { isCommonError, type ProcessGroup } from "../api/process-group.js";
import { createSession, type AnySession } from "../api/session.js";
import { optionsOf } from "../config/options-of.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import type { FitResult } from "../config/schemas/run-record.js";
import { StepOptions } from "../config/schemas/training.js";
import { ReviewKdError } from "../errors.js";
import { FitLoop } from "../fit/fit-loop.js";
import type { FitPlan } from "../fit/plan.js";
import { comparableSettings } from "./config-changes.js";
import { RunState } from "./run-state.js";

/** `fit` in several processes: the first one owns the run directory, and all of them follow the same steps. */
export async function* fitTogether(plan: FitPlan, group: ProcessGroup): AsyncGenerator<FitEvent, FitResult, void> {
  try {
    throwIfAborted(plan.signal, "the training");
    await group.assertSame(await description(plan), "training");
    using log = await openRun(plan, group);
    using session = await connectSession(plan, group);
    const begun = await group.fromFirst(async () => {
      await log.begin(session);
      return log.begun;
    });
    if (group.rank > 0) {
      await log.begin(session);
      log.adopt(begun);
    }
    await session.share();
    return yield* new FitLoop(plan, session, log).run();
  } catch (error) {
    if (!isCommonError(error)) await group.fail(error);
    throw error;
  }
}

/** A process that is stopped while it waits for the others stops them as well. */
async function connectSession(plan: FitPlan, group: ProcessGroup): Promise<AnySession> {
  const stopped = new ReviewKdError("ABORTED", "the training was stopped while the processes connected.");
  const onStop = (): void => void group.fail(stopped).catch(() => undefined);
  return withSignal({ signal: plan.signal, what: "the training", onStop, isShared: true },
    async () => createSession({ ...plan.target, ...optionsOf(StepOptions, plan.training), distributed: group }));
}

async function openRun(plan: FitPlan, group: ProcessGroup): Promise<RunState> {
  let log: RunState | undefined;
  try {
    await group.fromFirst(async () => {
      log = await RunState.open(plan);
      return null;
    });
  } catch (error) {
    log?.[Symbol.dispose]();
    throw error;
  }
  return log ?? RunState.follow(plan);
}

/** Everything that the processes must have in common. */
async function description({ training, data, config, model, distiller, preset }: FitPlan): Promise<unknown> {
  return {
    settings: Object.fromEntries(comparableSettings(config)),
    training: Object.fromEntries(comparableSettings(training)),
    preset: preset ?? null,
    network: { name: model.name, numClasses: model.numClasses, teacher: distiller?.teacher.name ?? null },
    data: { kind: data.kind, classNames: hashOf(data.classNames), train: await contentOf(data.train),
      test: await contentOf(data.test) },
  };
}

async function contentOf({ size, images }: DatasetSplit): Promise<unknown> {
  return { images: size, content: await images.fingerprint?.() ?? null };
}

function hashOf(names: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(names)).digest("hex").slice(0, 16);
}
