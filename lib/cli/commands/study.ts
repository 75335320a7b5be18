import type { Command } from "commander";
import { nearestName, ReviewKdError, runStudy, schemas, type ErrorCode, type Settings, type StudyKind,
  type StudyResult } from "../../index.js";
import { usageError } from "../errors.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { listenForInterrupt } from "../interrupt.js";
import type { Output } from "../display/output.js";
import { commandLine } from "../program-name.js";
import { resolveStudy } from "../options/resolve-study.js";
import { createStudyReporter } from "../display/study-reporter.js";
import { addAction, addValue } from "../options/add-value.js";
import { addSchemaFlags, schemaSettings, type FlagRow } from "../options/schema-flags.js";
import { addPreset, addRecipeFlags, addSavingFlags, DETECTOR_HELP, METHOD, STUDENT, trainingSettings,
  type TrainingFlags } from "../options/training-flags.js";
import { distinctCounts, path } from "../options/values.js";
import { LOAD_ROWS } from "../options/weights-flags.js";

interface StudyFlags extends TrainingFlags {
  readonly study?: string;
  readonly seed?: number;
  readonly seeds?: number[];
}

const NETWORKS: readonly FlagRow[] = [
  { path: "teacher.name", flag: "--teacher <name>", help: "the teacher; `reviewkd models` lists the networks" },
  { path: "teacher.weights", flag: "--teacher-weights <file>",
    help: "its trained weights (default: the study trains it first, as a cell of its own)" },
  ...LOAD_ROWS.teacher,
  { path: "teacherTraining.epochs", flag: "--teacher-epochs <n>",
    help: "epochs of the teacher's own training (default: those of the student)" },
  { path: "teacherTraining.learningRate", flag: "--teacher-learning-rate <x>",
    help: "full learning rate of the teacher's own training (default: that of the student)" },
  { path: "teacher.backboneWeights", flag: "--teacher-backbone-weights <file>",
    help: "detectors that the study trains first: weights of the teacher's backbone, as of a classifier for ImageNet" },
  { path: "student.name", flag: "--student <name>", help: "the network that is trained in each cell" },
  ...STUDENT,
];

const DISTANCE: FlagRow = { path: "method.distance", flag: "--distance <kind>",
  help: "distance of two maps: l2 or hcl" };

/** The method's flags for a kind of study: only one with a free choice of it has them all. */
function methodRows(kind: StudyKind): readonly FlagRow[] {
  const rows = METHOD.filter(({ path }) => path !== "method.kind" || kind === "seeds");
  return kind === "stages" ? [...rows.filter(({ path }) => path !== "method.midChannels"), DISTANCE] : rows;
}

const DESCRIPTIONS: Readonly<Record<StudyKind, string>> = {
  ablation: "compare the design steps of the paper with the student alone",
  stages: "compare all pairs of student and teacher stages with the student alone",
  seeds: "compare the student alone and distilled over several seeds: mean and deviation, last and best epoch",
};

const KINDS = schemas.StudyKind.options;

export function addStudyCommand(program: Command): void {
  const command = program.command("study")
    .description("train many cells and compare them; the same command resumes a stopped study");
  for (const kind of KINDS) addKind(command, kind);
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
  command.optionsGroup("Networks and data:");
  addSchemaFlags(command, schemas.StudyConfig, NETWORKS);
  command.optionsGroup("Distillation:");
  addSchemaFlags(command, schemas.StudyConfig, methodRows(kind));
  command.optionsGroup("Networks and data:");
  addRecipeFlags(command);
  command.optionsGroup("Study:");
  addValue(command, "--seeds <n,n,…>",
    `train each cell with each of these seeds (default: ${kind === "seeds" ? "0,1,2" : "0"})`, distinctCounts);
  addValue(command, "--study <dir>", `study directory (default: runs/study-${kind}-<student>-from-<teacher>)`, path);
  addPreset(command, "settings of a published run; overridden by config file and flags");
  addValue(command, "--config <file>",
    "settings from a YAML or JSON file, such as a study's study.json; overridden by flags", path);
  addSavingFlags(command);
  command.addHelpText("after", DETECTOR_HELP);
  addAction(command, (output, flags: StudyFlags) => study(output, kind, flags));
}

async function study(output: Output, kind: StudyKind, flags: StudyFlags): Promise<void> {
  const { config, directory } = await resolveStudy(kind, flags, studySettings(kind, flags));
  using interrupt = listenForInterrupt(() => {
    output.notice("\nfinishing the step and saving… (again: stop at once)");
  });
  const reporter = createStudyReporter(output);
  try {
    for await (const event of runStudy(config, { directory, signal: interrupt.signal,
      forceUnlock: flags.forceUnlock === true })) {
      reporter.handle(event);
      if (event.type === "study-end") requireAll(event.result);
    }
  } finally {
    reporter.close();
    if (interrupt.signal.aborted) output.notice(`to resume: ${commandLine(["study", kind, "--study", directory])}`);
  }
}

function studySettings(kind: StudyKind, flags: StudyFlags): Settings {
  const { seed, seeds, ...rest } = flags;
  if (seed !== undefined && seeds !== undefined) {
    throw usageError("either --seed or --seeds", "a study", `--seed ${seed} --seeds ${seeds.join(",")}`);
  }
  return {
    ...schemaSettings(rest, [...NETWORKS, ...methodRows(kind)]),
    ...trainingSettings(rest),
    ...omitUndefined({ seeds: seeds ?? (seed === undefined ? undefined : [seed]) }),
  };
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
