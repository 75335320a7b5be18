import type { Command } from "commander";
import { launchProcesses, nearestName, type LaunchEvent, type LaunchOptions } from "../../index.js";
import { EXIT, usageError } from "../errors.js";
import { interruptSignals } from "../interrupt.js";
import type { Output } from "../display/output.js";
import { addAction, addValue } from "../options/add-value.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { count, positiveCount, positiveNumber, type ValueParser } from "../options/values.js";

interface LaunchFlags extends Pick<LaunchOptions, "threads" | "nodes" | "nodeRank" | "master"> {
  readonly processes: number;
  readonly maxRestarts?: number;
  readonly stopSeconds?: number;
}

/** Commands whose processes train together; those of others would do the same work at once. */
const TOGETHER: ReadonlySet<string> = new Set(["train", "distill"]);

const HELP = `
COMMAND is train or distill with its options, such as

  reviewkd launch --processes 4 -- distill --preset resnet56-resnet20 --run runs/r56-r20 --resume auto

Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 are passed on once; the processes save and stop. A second Ctrl-C ends them
immediately. When one fails, the others are stopped. With --max-restarts, for which the command must have --resume auto,
all are then started again, except after wrong usage (exit code 2). On several machines start the same command on each,
with its own --node-rank. Exit code: of the first process that failed, 130 if stopped.`;

export function addLaunchCommand(program: Command): void {
  const command = program.command("launch").usage("--processes <n> [options] -- <command...>")
    .description("start train or distill several times, as processes that train together, without Python");
  command.argument("<command...>", "train or distill with its options, after --");
  addValue(command, "--processes <n>", "processes on this machine, such as one for each GPU", positiveCount, {
    mandatory: true,
  });
  addValue(command, "--threads <n>",
    "threads of each process (default: OMP_NUM_THREADS, otherwise an equal share of the processors)", positiveCount);
  addValue(command, "--max-restarts <n>", "start all again this often after one has failed (default: 0)", count);
  addValue(command, "--stop-seconds <x>",
    "time to save and end after a signal or a failure; then they are killed (default: 30)", positiveNumber);
  addValue(command, "--nodes <n>", "machines, each with as many processes (default: 1)", positiveCount);
  addValue(command, "--node-rank <i>", "index of this machine, from 0", count);
  addValue(command, "--master <host:port>",
    "where the processes meet, on machine 0 (default: a free port of this machine)", address);
  command.addHelpText("after", HELP);
  addAction(command, (output, words: readonly string[], flags: LaunchFlags) => launch(output, words, flags));
}

/** A host and a port; IPv6 addresses in brackets. */
const address: ValueParser<{ host: string; port: number }> = (option) => (text) => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw usageError("HOST:PORT", option, text, "Pass for example node01:29500.");
  return { host, port: Number(port) };
};

async function launch(output: Output, words: readonly string[], flags: LaunchFlags): Promise<void> {
  const { processes, threads, maxRestarts, stopSeconds, nodes, nodeRank, master } = flags;
  const [name = ""] = words;
  if (!TOGETHER.has(name)) throw usageError("train or distill after --", "command", name, remedyFor(name));
  if (nodes !== undefined && nodes > 1 && master === undefined) {
    throw usageError("1 without --master HOST:PORT", "--nodes", String(nodes),
      "Pass the address of machine 0, the same on all machines.");
  }
  // Otherwise each start after the first one is refused, as the run directory has a run then.
  if (maxRestarts !== undefined && maxRestarts > 0 && !words.some((word) => word.startsWith("--resume"))) {
    throw usageError("a command with --resume auto", "--max-restarts", String(maxRestarts),
      `Add it: -- ${name} --resume auto …, so that the processes continue where they were.`);
  }
  const { exitCode } = await launchProcesses({
    processes,
    args: words,
    ...omitUndefined({ threads, maxRestarts, stopSeconds, nodes, nodeRank, master }),
    forwardSignals: interruptSignals(),
    onEvent(event) {
      output.event({ ...event });
      if (!output.json) { for (const line of linesOf(event, maxRestarts ?? 0)) output.notice(line); }
    },
  });
  process.exitCode = exitCode;
}

function remedyFor(name: string): string {
  if (["study", "work"].includes(name))
    return "Start `reviewkd study cell` for single cells, or `reviewkd work` on a queue, as often as there is room for.";
  if (/^(?:npx|node|.*reviewkd)$/.test(name)) return "Leave it out: the processes run this program.";
  const meant = nearestName(name, [...TOGETHER]);
  if (meant !== undefined) return `Did you mean ${meant}?`;
  return "Start others without launch; programs of your own are started by launchProcesses().";
}

function linesOf(event: LaunchEvent, maxRestarts: number): string[] {
  switch (event.type) {
    case "processes-start":
      return event.restarts === 0 ? [] : [`starting all processes again (${event.restarts} of ${maxRestarts})`];
    case "process-failed": {
      const { rank, exitCode, signal } = event;
      const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
      const then = exitCode === EXIT.interrupted ? "the others stop as well" : "stopping the others";
      return [`process ${rank} ${how}; ${then}`];
    }
    case "processes-killed":
      return [`killed the processes that did not end within ${event.stopSeconds} s`];
  }
}
