import type { Command } from "commander";
import { schemas, type Settings, type StudyKind } from "../../index.js";
import { usageError } from "../errors.js";
import { addValue } from "./add-value.js";
import { omitUndefined } from "./omit-undefined.js";
import { addSchemaFlags, schemaSettings, type FlagRow } from "./schema-flags.js";
import { addPreset, addRecipeFlags, METHOD, STUDENT, trainingSettings, type TrainingFlags } from "./training-flags.js";
import { distinctCounts, path, variation, type Variation } from "./values.js";
import { LOAD_ROWS } from "./weights-flags.js";

/** Flags of the settings of a study. */
export interface StudyFlags extends TrainingFlags {
  readonly study?: string;
  readonly seed?: number;
  readonly seeds?: number[];
  readonly vary?: Variation[];
  readonly queue?: string;
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

/** The method's flags for a kind of study, all of them without one: each kind varies other settings itself. */
function methodRows(kind?: StudyKind): readonly FlagRow[] {
  if (kind === undefined) return [...METHOD, DISTANCE];
  const rows = METHOD.filter(({ path }) => path !== "method.kind" || kind === "seeds" || kind === "grid");
  return kind === "stages" ? [...rows.filter(({ path }) => path !== "method.midChannels"), DISTANCE] : rows;
}

/** The flags of all settings of a kind of study, or of every kind. */
export function addStudySettings(command: Command, kind?: StudyKind): void {
  command.optionsGroup("Networks and data:");
  addSchemaFlags(command, schemas.StudyConfig, NETWORKS);
  command.optionsGroup("Distillation:");
  addSchemaFlags(command, schemas.StudyConfig, methodRows(kind));
  command.optionsGroup("Networks and data:");
  addRecipeFlags(command);
  command.optionsGroup("Study:");
  if (kind === undefined || kind === "grid") {
    addValue(command, "--vary <path=v,v,…>",
      "a setting and its values, as method.weight=0.5,1,2; several times for all combinations" +
        (kind === undefined ? " (grid)" : ""), variation);
  }
  addValue(command, "--seeds <n,n,…>",
    `train each cell with each of these seeds (default: ${kind === undefined ? "0; seeds: 0,1,2" : kind === "seeds" ? "0,1,2" : "0"})`, distinctCounts);
  addPreset(command, "settings of a published run; overridden by config file and flags");
  addValue(command, "--config <file>",
    "settings from a YAML or JSON file, such as a study's study.json; overridden by flags", path);
}

/** The settings of the flags. `kind`: that of the command, `undefined` if it has the flags of all. */
export function studySettings(kind: StudyKind | undefined, flags: StudyFlags): Settings {
  const { seed, seeds, vary, ...rest } = flags;
  if (seed !== undefined && seeds !== undefined) {
    throw usageError("either --seed or --seeds", "flags", `--seed ${seed} --seeds ${seeds.join(",")}`);
  }
  return {
    ...schemaSettings(rest, [...NETWORKS, ...methodRows(kind)]),
    ...trainingSettings(rest),
    ...(vary === undefined ? {} : { vary: Object.fromEntries(vary.map(({ path, values }) => [path, values])) }),
    ...omitUndefined({ seeds: seeds ?? (seed === undefined ? undefined : [seed]) }),
  };
}
