import type { Command } from "commander";
import { workOnStudies } from "../../index.js";
import { listenForInterrupt } from "../interrupt.js";
import type { Output } from "../display/output.js";
import { createWorkReporter } from "../display/work-reporter.js";
import { addAction, addValue } from "../options/add-value.js";
import { positiveCount, positiveNumber, queueUrl } from "../options/values.js";

interface WorkFlags {
  readonly untilEmpty?: true;
  readonly lockSeconds?: number;
  readonly maxStalled?: number;
  readonly forceUnlock?: true;
}

export function addWorkCommand(program: Command): void {
  const command = program.command("work")
    .description("train the cells of studies that `study KIND --queue` puts into a queue, until it is stopped")
    .argument("<url>", "the Redis of the queue: redis://HOST:PORT, with /NUMBER for another of its databases");
  command.option("--until-empty", "end when no cell is left, here and in other workers");
  addValue(command, "--lock-seconds <x>",
    "a worker that is silent for so long is lost: another one resumes its cell (default: 60)", positiveNumber);
  addValue(command, "--max-stalled <n>",
    "a cell that stalls more often, each time because its worker is lost, has failed (default: 20)", positiveCount);
  command.option("--force-unlock",
    "take cells over from processes on other machines that ended without releasing them, as without a queue");
  command.addHelpText("after", `
Requires the packages bullmq and ioredis, and the directories of the studies under the same path as where they
were queued. Ctrl-C saves the cell and gives it back.`);
  addAction(command, async (output, url: string, flags: WorkFlags) => {
    await work(output, queueUrl("<url>")(url), flags);
  });
}

async function work(output: Output, queue: string, flags: WorkFlags): Promise<void> {
  let hasCell = false;
  using interrupt = listenForInterrupt(() => {
    output.notice(hasCell ? "\nfinishing the step, saving and giving the cell back… (a second Ctrl-C stops immediately)"
      : "\nending; no cell is being trained here…");
  });
  const { signal } = interrupt;
  const { untilEmpty, lockSeconds, maxStalled, forceUnlock } = flags;
  const reporter = createWorkReporter(output);
  try {
    for await (const event of workOnStudies({ queue, untilEmpty, lockSeconds, maxStalled, forceUnlock, signal })) {
      // Before a cell's first event there is nothing to save.
      hasCell = event.type === "work-cell";
      reporter.handle(event);
    }
  } finally {
    reporter.close();
  }
}
