import { dirname } from "node:path";
import { runExperiment, type FitEvent, type ProcessGroup, type Settings } from "../index.js";
import { createFitReporter, type Reporter } from "./display/fit-reporter.js";
import { listenForInterrupt } from "./interrupt.js";
import type { Output } from "./display/output.js";
import { outputOf, withProcesses } from "./processes.js";
import { commandLine } from "./program-name.js";
import { resolveRun, resolveTogether, type Task } from "./options/resolve-run.js";
import { withProcessBatches, type TrainingFlags } from "./options/training-flags.js";

/**
 * Runs `train` and `distill`, also as one of several processes: displays the events, and prints how to resume after an
 * interruption.
 */
export async function runTraining(output: Output, task: Task, flags: TrainingFlags, given: Settings): Promise<void> {
  let shown = output;
  using interrupt = listenForInterrupt(() => {
    shown.notice("\nfinishing the step and saving… (a second Ctrl-C stops immediately)");
  });
  await withProcesses({ timeoutSeconds: flags.processTimeout, signal: interrupt.signal, output }, async (group) => {
    shown = outputOf(group, output);
    const settings = withProcessBatches(flags, given, group?.size ?? 1);
    const { config, runDirectory } = group === undefined ? await resolveRun(task, flags, settings)
      : await resolveTogether(group, task, flags, settings);
    const reporter = group === undefined || group.rank === 0 ? createFitReporter(output) : followerReporter(shown);
    let saved: string | null = null;
    try {
      const run = runExperiment(config, {
        runDirectory,
        resume: flags.resume,
        override: flags.override === true,
        forceUnlock: flags.forceUnlock === true,
        fallbackDirectory: flags.fallbackDirectory,
        evaluateTeacher: flags["evaluateTeacher"] !== false,
        signal: interrupt.signal,
        distributed: group,
      });
      for await (const event of run) {
        reporter.handle(event);
        if (event.type === "interrupted") saved = event.checkpoint;
      }
    } finally {
      reporter.close();
      if (saved !== null && isFirst(group)) output.notice(`to resume: ${resumption(task, dirname(saved), group)}`);
    }
  });
}

function resumption(task: Task, runDirectory: string, group: ProcessGroup | undefined): string {
  const command = commandLine([task, "--run", runDirectory, "--resume"]);
  return group === undefined || group.size === 1 ? command
    : `start ${group.size} processes again, with --resume auto. In one: ${command}`;
}

function isFirst(group: ProcessGroup | undefined): boolean {
  return group === undefined || group.rank === 0;
}

/** Reports what the first of several processes does not know. */
function followerReporter(output: Output): Reporter<FitEvent> {
  return {
    handle(event) {
      if (event.type === "broken-image") output.notice(`skipped ${event.path}: cannot decode it: ${event.reason}`);
    },
    close() {},
  };
}
