import type { Command } from "commander";
import { ReviewKdError, runStudy, schemas, type ErrorCode, type Settings, type StudyKind, type StudyResult } from "../../index.js";
import { usageError } from "../errors.js";
import { omitUndefined, omitEmpty } from "../options/omit-undefined.js";
import { listenForInterrupt } from "../interrupt.js";
import { processOutput } from "../display/output.js";
import { commandLine } from "../program-name.js";
import { resolveStudy } from "../options/resolve-study.js";
import { createStudyReporter } from "../display/study-reporter.js";
import { addJson, addRecipeFlags, addSavingFlags, addValue, trainingSettings, type TrainingFlags } from "../options/training-flags.js";
import { distinctCounts, nonNegativeNumber, oneOf, positiveCount, positiveNumber, text } from "../options/values.js";

interface StudyFlags extends Omit<TrainingFlags, "run" | "resume" | "override" | "fallbackDirectory"> {
  readonly study?: string;
  readonly teacher?: string;
  readonly teacherWeights?: string;
  readonly teacherEpochs?: number;
  readonly teacherLearningRate?: number;
  readonly student?: string;
  readonly seeds?: number[];
  readonly method?: string;
  readonly weight?: number;
  readonly warmupEpochs?: number;
  readonly teacherMode?: "eval" | "train";
  readonly midChannels?: number;
  readonly distance?: "hcl" | "l2";
}

const DESCRIPTIONS: Readonly<Record<StudyKind, string>> = {
  ablation: "compare the design steps of the paper with the student alone",
  stages: "compare all pairs of student and teacher stages with the student alone",
  seeds: "compare the student alone and distilled over several seeds: mean and deviation, last and best epoch",
};

const KINDS = schemas.StudyKind.options;

/** `reviewkd study`: runs many trainings in one directory and resumes where it was stopped. */
export function addStudyCommand(program: Command): void {
  const command = program.command("study").description("train many cells and compare them; the same command resumes a stopped study");
  for (const kind of KINDS) addKind(command, kind);
  // Runs for an unknown kind; accepts any options after it so that the error names the kind.
  command.argument("[kind]").allowUnknownOption().allowExcessArguments().usage("<kind> [options]").action((kind: string | undefined) => {
    if (kind === undefined) command.help({ error: true });
    throw new ReviewKdError("UNKNOWN_NAME", `invalid kind of study: expected one of ${KINDS.join(", ")}, received "${kind}". See \`reviewkd study --help\`.`, { valid: KINDS });
  });
}

function addKind(parent: Command, kind: StudyKind): void {
  const command = parent.command(kind).description(DESCRIPTIONS[kind]);
  command.optionsGroup("Networks and data:");
  addValue(command, "--teacher <name>", "teacher network; `reviewkd models` lists the networks", text);
  addValue(command, "--teacher-weights <file>", "trained weights of the teacher (default: the study trains it first, as a separate cell)", text);
  addValue(command, "--teacher-epochs <n>", "epochs of the teacher's training (default: those of the student)", positiveCount);
  addValue(command, "--teacher-learning-rate <x>", "full learning rate of the teacher's training (default: that of the student)", positiveNumber);
  addValue(command, "--student <name>", "student network", text);
  command.optionsGroup("Distillation:");
  if (kind === "seeds") addValue(command, "--method <kind>", "distillation method with its default options (default: review); `reviewkd distill --help` lists them", text);
  addValue(command, "--weight <x>", "weight of the distillation loss relative to cross entropy", nonNegativeNumber);
  addValue(command, "--warmup-epochs <x>", "epochs over which this weight rises", nonNegativeNumber);
  addValue(command, "--teacher-mode <mode>", "mode of the teacher's batch normalization: eval or train", oneOf(["eval", "train"]));
  if (kind === "stages") addValue(command, "--distance <kind>", "distance between two maps: l2 (default) or hcl", oneOf(["l2", "hcl"]));
  else addValue(command, "--mid-channels <n>", "channels inside the fusion modules", positiveCount);
  command.optionsGroup("Networks and data:");
  addRecipeFlags(command);
  command.optionsGroup("Study:");
  addValue(command, "--seeds <n,n,…>", `train each cell with each of these seeds (default: ${kind === "seeds" ? "0,1,2" : "0"})`, distinctCounts);
  addValue(command, "--study <dir>", `study directory (default: runs/study-${kind}-<student>-from-<teacher>)`, text);
  addValue(command, "--preset <name>", "settings of a published run; overridden by config file and flags", text);
  addValue(command, "--config <file>", "settings from a YAML or JSON file, such as a study's study.json; overridden by flags", text);
  addSavingFlags(command);
  addJson(command).action((flags: StudyFlags) => study(kind, flags));
}

async function study(kind: StudyKind, flags: StudyFlags): Promise<void> {
  const output = processOutput(flags.json === true);
  const { config, directory } = await resolveStudy(kind, flags, studySettings(flags));
  using interrupt = listenForInterrupt(() => { output.notice("\nfinishing the step and saving… (press again to stop immediately)"); });
  const reporter = createStudyReporter(output);
  try {
    for await (const event of runStudy(config, { directory, signal: interrupt.signal, forceUnlock: flags.forceUnlock === true })) {
      reporter.handle(event);
      if (event.type === "study-end") requireAll(event.result);
    }
  } finally {
    reporter.close();
    if (interrupt.signal.aborted) output.notice(`to resume: ${commandLine(["study", kind, "--study", directory])}`);
  }
}

/** The given flags in the shape of a study's configuration. */
function studySettings(flags: StudyFlags): Settings {
  if (flags.seed !== undefined && flags.seeds !== undefined) {
    throw usageError("either --seed or --seeds", "study flags", `--seed ${flags.seed} --seeds ${flags.seeds.join(",")}`);
  }
  const { seed, ...rest } = flags;
  return {
    ...trainingSettings(rest),
    ...omitUndefined({
      teacher: omitEmpty({ name: flags.teacher, weights: flags.teacherWeights }),
      student: omitEmpty({ name: flags.student }),
      teacherTraining: omitEmpty({ epochs: flags.teacherEpochs, learningRate: flags.teacherLearningRate }),
      method: omitEmpty({
        kind: flags.method,
        weight: flags.weight,
        warmupEpochs: flags.warmupEpochs,
        teacherMode: flags.teacherMode,
        midChannels: flags.midChannels,
        distance: flags.distance,
      }),
      seeds: flags.seeds ?? (seed === undefined ? undefined : [seed]),
    }),
  };
}

/** @throws ReviewKdError with the code of the first failed cell. */
function requireAll({ cells }: StudyResult): void {
  const [first, ...rest] = cells.flatMap(({ id, error }) => (error === null ? [] : [{ id, ...error }]));
  if (first === undefined) return;
  const waiting = cells.filter(({ status }) => status === "waiting").length;
  throw new ReviewKdError(
    first.code as ErrorCode,
    `${rest.length + 1} of ${cells.length} cells failed${waiting === 0 ? "" : `, ${waiting} wait for it`}: ${first.id}: ${first.message} ` +
      "Run the same command to retry them; finished cells are skipped.",
  );
}
