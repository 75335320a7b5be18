// The cells of a study one by one, for an engine that spreads them: SLURM, a queue, a shell.
import type { Command } from "commander";
import { collectStudy, planStudy, runStudyCell, schemas, type PlannedCell, type StudyKind,
  type StudyPlan } from "../../index.js";
import { withFlags } from "../errors.js";
import { listenForInterrupt } from "../interrupt.js";
import type { Output } from "../display/output.js";
import { createStudyReporter, STUDY } from "../display/study-reporter.js";
import { commandLine } from "../program-name.js";
import { addAction, addValue } from "../options/add-value.js";
import { resolvePlan } from "../options/resolve-study.js";
import { addStudySettings, studySettings, type StudyFlags } from "../options/study-flags.js";
import { addCheckpointFlags, DETECTOR_HELP } from "../options/training-flags.js";
import { count, oneOf, path } from "../options/values.js";

interface PlanFlags extends StudyFlags {
  readonly kind?: StudyKind;
}

interface CellFlags {
  readonly forceUnlock?: true;
}

/** Adds `study plan`, `study cell` and `study collect`. */
export function addCellCommands(parent: Command): void {
  const plan = parent.command("plan")
    .description("record a study in a directory and list its cells, without training them")
    .argument("<dir>", "study directory");
  addValue(plan, "--kind <name>", `the kind of study: ${schemas.StudyKind.options.join(", ")}`,
    oneOf(schemas.StudyKind.options));
  addStudySettings(plan);
  addCheckpointFlags(plan);
  plan.addHelpText("after", DETECTOR_HELP);
  addAction(plan, async (output, directory: string, flags: PlanFlags) => {
    await showPlan(output, path("dir")(directory), flags);
  });

  const cell = parent.command("cell")
    .description("train or resume one cell of a planned study; exits with 75 if it waits for the teacher")
    .argument("<dir>", "study directory")
    .argument("<index>", "number of the cell, from 0");
  cell.option("--force-unlock", "take the cell over from a process on another machine that did not release it");
  addAction(cell, async (output, directory: string, index: string, flags: CellFlags) => {
    await trainCell(output, path("dir")(directory), count("index")(index), flags);
  });

  const collect = parent.command("collect")
    .description("write the tables and the picture of a planned study, also while its cells are being trained")
    .argument("<dir>", "study directory");
  addAction(collect, async (output, directory: string) => {
    const reporter = createStudyReporter(output);
    for await (const event of collectStudy(path("dir")(directory))) {
      reporter.handle(event);
      if (event.type === "study-end") showFailures(output, event.result.cells);
    }
  });
}

/** Prints why cells have failed. */
function showFailures(output: Output,
  cells: readonly { readonly id: string; readonly error: PlannedCell["error"] }[]): void {
  for (const { id, error } of cells)
    if (error !== null) output.line(`failed: ${id} [${error.code}]: ${withFlags(error.message, STUDY)}`);
}

async function showPlan(output: Output, directory: string, flags: PlanFlags): Promise<void> {
  const config = await resolvePlan({ ...flags, study: directory }, studySettings(flags.kind, flags));
  const plan = await planStudy(config, { directory });
  output.event({ type: "study-plan", ...plan });
  for (const line of planLines(plan)) output.line(line);
  showFailures(output, plan.cells);
}

function planLines({ kind, directory, cells }: StudyPlan): string[] {
  const width = String(cells.length - 1).length;
  const states = { new: "", begun: ", begun", done: ", done", failed: ", failed" } as const;
  const waiting = cells.filter(({ waitsFor }) => waitsFor !== null);
  const named = (word: string, from: number): string =>
    from === cells.length - 1 ? `${word} ${from}` : `${word}s ${from}-${cells.length - 1}`;
  const array = waiting.length === 0 ? [`array range: 0-${cells.length - 1}`]
    : [`array range: 0 for the teacher, then 1-${cells.length - 1}`];
  return [
    `${kind} study in ${directory}: ${named("cell", 0)}, ${cells.filter(({ state }) => state === "done").length} done`,
    ...cells.map(({ index, label, seed, state }) =>
      `${String(index).padStart(width)}  ${label}, seed ${seed}${states[state]}`
    ),
    ...(waiting.length === 0 ? []
      : [
        `${waiting.length === 1 ? "1 cell learns" : `${waiting.length} cells learn`} from the teacher: train cell 0 first`,
      ]),
    ...array,
    `each cell: ${commandLine(["study", "cell", directory])} INDEX`,
    `at the end: ${commandLine(["study", "collect", directory])}`,
  ];
}

async function trainCell(output: Output, directory: string, index: number, flags: CellFlags): Promise<void> {
  using interrupt = listenForInterrupt(() => {
    output.notice("\nfinishing the step and saving… (a second Ctrl-C stops immediately)");
  });
  const { signal } = interrupt;
  const reporter = createStudyReporter(output, "cell");
  try {
    for await (const event of runStudyCell(directory, index, { signal, forceUnlock: flags.forceUnlock === true }))
      reporter.handle(event);
  } finally {
    reporter.close();
    if (signal.aborted) output.notice(`to resume: ${commandLine(["study", "cell", directory, String(index)])}`);
  }
}
