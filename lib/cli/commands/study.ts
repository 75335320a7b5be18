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
  ablation: "the design steps of the paper one after the other, and the student alone",
  stages: "each stage of the student under each stage of the teacher, and the student alone",
  seeds: "the student alone and distilled with several seeds: mean and deviation, last and best epoch",
};

const KINDS = schemas.StudyKind.options;

/** `reviewkd study`: many trainings in one directory, which goes on where it was stopped. */
export function addStudyCommand(program: Command): void {
  const command = program.command("study").description("train many cells and compare them; the same command goes on where it was stopped");
  for (const kind of KINDS) addKind(command, kind);
  // Reached by a word that is none of the kinds; options that may follow it belong to nobody.
  command.argument("[kind]").allowUnknownOption().allowExcessArguments().usage("<kind> [options]").action((kind: string | undefined) => {
    if (kind === undefined) command.help({ error: true });
    throw new ReviewKdError("UNKNOWN_NAME", `expected one of ${KINDS.join(", ")} for the kind of study, got "${kind}"; \`reviewkd study --help\` explains them`, { valid: KINDS });
  });
}

function addKind(parent: Command, kind: StudyKind): void {
  const command = parent.command(kind).description(DESCRIPTIONS[kind]);
  command.optionsGroup("Networks and data:");
  addValue(command, "--teacher <name>", "the teacher; `reviewkd models` lists the networks", text);
  addValue(command, "--teacher-weights <file>", "its trained weights (default: the study trains it first, as a cell of its own)", text);
  addValue(command, "--teacher-epochs <n>", "epochs of the teacher's own training (default: those of the student)", positiveCount);
  addValue(command, "--teacher-learning-rate <x>", "full learning rate of the teacher's own training (default: that of the student)", positiveNumber);
  addValue(command, "--student <name>", "the network that is trained in each cell", text);
  command.optionsGroup("Distillation:");
  if (kind === "seeds") addValue(command, "--method <kind>", "how the student learns, with this kind's defaults (default: review); `reviewkd distill --help` lists them", text);
  addValue(command, "--weight <x>", "weight of the distillation loss beside cross entropy", nonNegativeNumber);
  addValue(command, "--warmup-epochs <x>", "epochs over which that weight rises", nonNegativeNumber);
  addValue(command, "--teacher-mode <mode>", "batch statistics of the teacher: eval or train", oneOf(["eval", "train"]));
  if (kind === "stages") addValue(command, "--distance <kind>", "how far two maps are apart: l2 (default) or hcl", oneOf(["l2", "hcl"]));
  else addValue(command, "--mid-channels <n>", "channels inside the fusion modules", positiveCount);
  command.optionsGroup("Networks and data:");
  addRecipeFlags(command);
  command.optionsGroup("Study:");
  addValue(command, "--seeds <n,n,…>", `train each cell with each of these seeds (default: ${kind === "seeds" ? "0,1,2" : "0"})`, distinctCounts);
  addValue(command, "--study <dir>", `directory of the study (default: runs/study-${kind}-<student>-from-<teacher>)`, text);
  addValue(command, "--preset <name>", "settings of a published run; config file and flags override them", text);
  addValue(command, "--config <file>", "settings from a YAML or JSON file, study.json of a study say; flags override them", text);
  addSavingFlags(command);
  addJson(command).action((flags: StudyFlags) => study(kind, flags));
}

async function study(kind: StudyKind, flags: StudyFlags): Promise<void> {
  const output = processOutput(flags.json === true);
  const { config, directory } = await resolveStudy(kind, flags, studySettings(flags));
  using interrupt = listenForInterrupt(() => { output.notice("\nfinishing the step and saving… (again: stop at once)"); });
  const reporter = createStudyReporter(output);
  try {
    for await (const event of runStudy(config, { directory, signal: interrupt.signal, forceUnlock: flags.forceUnlock === true })) {
      reporter.handle(event);
      if (event.type === "study-end") requireAll(event.result);
    }
  } finally {
    reporter.close();
    if (interrupt.signal.aborted) output.notice(`to go on: ${commandLine(["study", kind, "--study", directory])}`);
  }
}

/** The flags in the shape of a study's configuration: only what was given. */
function studySettings(flags: StudyFlags): Settings {
  if (flags.seed !== undefined && flags.seeds !== undefined) {
    throw usageError("either --seed or --seeds", "a study", `--seed ${flags.seed} --seeds ${flags.seeds.join(",")}`);
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

/** @throws ReviewKdError with the code of the first cell that failed. */
function requireAll({ cells }: StudyResult): void {
  const [first, ...rest] = cells.flatMap(({ id, error }) => (error === null ? [] : [{ id, ...error }]));
  if (first === undefined) return;
  const waiting = cells.filter(({ status }) => status === "waiting").length;
  throw new ReviewKdError(
    first.code as ErrorCode,
    `${rest.length + 1} of ${cells.length} cells failed${waiting === 0 ? "" : `, ${waiting} wait for it`}: ${first.id}: ${first.message} ` +
      "The same command tries them again and skips what is done.",
  );
}
