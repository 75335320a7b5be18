import type { Command } from "commander";
import { listMethods, schemas } from "../../index.js";
import { addAction } from "../options/add-value.js";
import { addSchemaFlags, schemaSettings, type FlagRow } from "../options/schema-flags.js";
import { addTrainingFlags, DETECTOR_HELP, METHOD, STUDENT, trainingSettings,
  type TrainingFlags } from "../options/training-flags.js";
import { LOAD_ROWS } from "../options/weights-flags.js";
import { runTraining } from "../run-training.js";

const NETWORKS: readonly FlagRow[] = [
  { path: "teacher.name", flag: "--teacher <name>", help: "the teacher; `reviewkd models` lists the networks" },
  { path: "teacher.weights", flag: "--teacher-weights <file>",
    help: "its trained weights (.safetensors, a file of PyTorch, .pkl, or an index of shards)" },
  ...LOAD_ROWS.teacher,
  { path: "student.name", flag: "--student <name>", help: "the network that is trained" },
  ...STUDENT,
];

export function addDistillCommand(program: Command): void {
  const command = program.command("distill").description("train a student with a trained teacher");
  command.optionsGroup("Networks and data:");
  addSchemaFlags(command, schemas.DistillConfig, NETWORKS);
  command.optionsGroup("Distillation:");
  addSchemaFlags(command, schemas.DistillConfig, METHOD);
  command.option("--no-evaluate-teacher", "do not measure the teacher on the test images before the student trains");
  command.optionsGroup("Networks and data:");
  command.addHelpText("after", methodsHelp);
  addTrainingFlags(command);
  command.addHelpText("after", DETECTOR_HELP);
  addAction(command,
    (output, flags: TrainingFlags) =>
      runTraining(output, "distill", flags, { ...schemaSettings(flags, [...NETWORKS, ...METHOD]),
        ...trainingSettings(flags) }));
}

/** The single methods, and the way to their other options. */
function methodsHelp(): string {
  const rows = listMethods().filter(({ kind }) => kind !== "sum");
  const width = Math.max(...rows.map(({ kind }) => kind.length));
  return [
    "",
    "Methods:",
    ...rows.map(({ kind, summary }) => `  ${kind.padEnd(width)}  ${summary}`),
    "Weighted sums of methods and other method options are set in a configuration file (--config):",
    "  method: { kind: sum, of: [{ kind: review, weight: 1 }, { kind: kd, temperature: 4 }] }",
  ].join("\n");
}
