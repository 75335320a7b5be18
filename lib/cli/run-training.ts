import { dirname } from "node:path";
import { runExperiment, type Settings } from "../index.js";
import { createFitReporter } from "./display/fit-reporter.js";
import { listenForInterrupt } from "./interrupt.js";
import type { Output } from "./display/output.js";
import { commandLine } from "./program-name.js";
import { resolveRun, type Task } from "./options/resolve-run.js";
import type { TrainingFlags } from "./options/training-flags.js";

/** Runs `train` and `distill`: displays the events, and prints how to resume after an interruption. */
export async function runTraining(output: Output, task: Task, flags: TrainingFlags, settings: Settings): Promise<void> {
  const { config, runDirectory } = await resolveRun(task, flags, settings);
  using interrupt = listenForInterrupt(() => {
    output.notice("\nfinishing the step and saving… (press again to stop immediately)");
  });
  const reporter = createFitReporter(output);
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
    });
    for await (const event of run) {
      reporter.handle(event);
      if (event.type === "interrupted") saved = event.checkpoint;
    }
  } finally {
    reporter.close();
    if (saved !== null) output.notice(`to resume: ${commandLine([task, "--run", dirname(saved), "--resume"])}`);
  }
}
