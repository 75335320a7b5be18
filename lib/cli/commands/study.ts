import type { Command } from "commander";
import { nearestName, queueStudy, ReviewKdError, runStudy, schemas, type ErrorCode, type StudyKind,
  type StudyResult } from "../../index.js";
import { usageError } from "../errors.js";
import { listenForInterrupt } from "../interrupt.js";
import { requireOneProcess } from "../processes.js";
import type { Output } from "../display/output.js";
import { commandLine } from "../program-name.js";
import { resolveStudy } from "../options/resolve-study.js";
import { createStudyReporter } from "../display/study-reporter.js";
import { addAction, addValue } from "../options/add-value.js";
import { addStudySettings, studySettings, type StudyFlags } from "../options/study-flags.js";
import { addSavingFlags, DETECTOR_HELP } from "../options/training-flags.js";
import { path, queueUrl } from "../options/values.js";
import { addCellCommands } from "./study-cells.js";

const DESCRIPTIONS: Readonly<Record<StudyKind, string>> = {
  ablation: "compare the design steps of the paper with the student alone",
  stages: "compare all pairs of student and teacher stages with the student alone",
  seeds: "compare the student alone and distilled over several seeds: mean and deviation, last and best epoch",
  grid: "compare all combinations of the values of any settings with the student alone",
};

const KINDS = schemas.StudyKind.options;

export function addStudyCommand(program: Command): void {
  const command = program.command("study")
    .description("train many cells and compare them; the same command resumes a stopped study");
  for (const kind of KINDS) addKind(command, kind);
  addCellCommands(command);
  // Runs for an unknown kind; accepts any options after it so that the error names the kind.
  command.argument("[kind]").allowUnknownOption().allowExcessArguments().usage("<kind> [options]").action(
    (kind: string | undefined) => {
      if (kind === undefined) command.help({ error: true });
      const meant = kind === undefined ? undefined : nearestName(kind, KINDS);
      throw new ReviewKdError("UNKNOWN_NAME",
        `invalid kind of study: expected one of ${KINDS.join(", ")}, received "${kind}".${meant === undefined ? "" : ` Did you mean ${meant}?`} See \`reviewkd study --help\`.`, { valid: KINDS });
    },
  );
}

function addKind(parent: Command, kind: StudyKind): void {
  const command = parent.command(kind).description(DESCRIPTIONS[kind]);
  addStudySettings(command, kind);
  addValue(command, "--study <dir>", `study directory (default: runs/study-${kind}-<student>-from-<teacher>)`, path);
  addValue(command, "--queue <url>",
    "let workers train the cells (`reviewkd work`) that share this directory: a Redis, redis://HOST:PORT", queueUrl);
  addSavingFlags(command);
  command.addHelpText("after", DETECTOR_HELP);
  addAction(command, (output, flags: StudyFlags) => study(output, kind, flags));
}

async function study(output: Output, kind: StudyKind, flags: StudyFlags): Promise<void> {
  requireOneProcess(`reviewkd study ${kind}`);
  const { queue } = flags;
  if (queue !== undefined && flags.forceUnlock === true) {
    throw usageError("a study without --queue", "--force-unlock", "--queue",
      "Its workers train the cells: pass it to `reviewkd work`.");
  }
  const { config, directory } = await resolveStudy(kind, flags, studySettings(kind, flags));
  let isWaiting = false;
  using interrupt = listenForInterrupt(() => {
    output.notice(queue !== undefined ? "\nno longer watching; the cells stay in the queue…"
      : isWaiting ? "\nno longer waiting for other processes…"
      : "\nfinishing the step and saving… (a second Ctrl-C stops immediately)");
  });
  const { signal } = interrupt;
  const reporter = createStudyReporter(output);
  try {
    const events = queue === undefined
      ? runStudy(config, { directory, signal, forceUnlock: flags.forceUnlock === true })
      : queueStudy(config, { directory, queue, signal });
    for await (const event of events) {
      reporter.handle(event);
      if (event.type === "study-waiting") isWaiting = true;
      if (event.type === "cell-start") isWaiting = false;
      if (event.type === "study-end") requireAll(event.result);
    }
  } finally {
    reporter.close();
    if (signal.aborted) {
      const again = ["study", kind, "--study", directory,
        ...(queue === undefined ? [] : ["--queue", withoutUser(queue)])];
      output.notice(`to resume: ${commandLine(again)}`);
    }
  }
}

/** The address of a queue as it may be shown: the user and the password, which may contain an "@", are left out. */
function withoutUser(queue: string): string {
  return queue.replace(/\/\/.*@/, "//USER:PASSWORD@");
}

/** @throws ReviewKdError with the code of the first failed cell. */
function requireAll({ cells }: StudyResult): void {
  const [first, ...rest] = cells.flatMap(({ id, error }) => (error === null ? [] : [{ id, ...error }]));
  if (first === undefined) return;
  const waiting = cells.filter(({ status }) => status === "waiting").length;
  throw new ReviewKdError(first.code as ErrorCode,
    `${rest.length + 1} of ${cells.length} cells failed${waiting === 0 ? "" : `, ${waiting} wait for it`}: ${first.id}: ${first.message} ` +
      "Run the same command to retry them; finished cells are skipped.");
}
