import type { Command } from "commander";
import { listMethods } from "../../index.js";
import { omitUndefined, omitEmpty } from "../options/omit-undefined.js";
import { runTraining } from "../run-training.js";
import { addTrainingFlags, addValue, trainingSettings, type TrainingFlags } from "../options/training-flags.js";
import { nonNegativeNumber, oneOf, positiveCount, text } from "../options/values.js";

interface DistillFlags extends TrainingFlags {
  readonly teacher?: string;
  readonly teacherWeights?: string;
  readonly student?: string;
  readonly studentWeights?: string;
  readonly method?: string;
  readonly weight?: number;
  readonly warmupEpochs?: number;
  readonly teacherMode?: "eval" | "train";
  readonly midChannels?: number;
}

/** `reviewkd distill`: trains a student on labels and a trained teacher. */
export function addDistillCommand(program: Command): void {
  const command = program.command("distill").description("train a student with a trained teacher");
  command.optionsGroup("Networks and data:");
  addValue(command, "--teacher <name>", "teacher network; `reviewkd models` lists the networks", text);
  addValue(command, "--teacher-weights <file>", "trained weights of the teacher (.safetensors, .pt or .pth)", text);
  addValue(command, "--student <name>", "student network", text);
  addValue(command, "--student-weights <file>", "initial weights of the student (.safetensors, .pt or .pth)", text);
  command.optionsGroup("Distillation:");
  addValue(command, "--method <kind>", "distillation method with its default options; see below (default: review)", text);
  addValue(command, "--weight <x>", "weight of the distillation loss relative to cross entropy", nonNegativeNumber);
  addValue(command, "--warmup-epochs <x>", "epochs over which this weight rises", nonNegativeNumber);
  addValue(command, "--teacher-mode <mode>", "mode of the teacher's batch normalization: eval or train", oneOf(["eval", "train"]));
  addValue(command, "--mid-channels <n>", "channels inside the fusion modules", positiveCount);
  command.optionsGroup("Networks and data:");
  command.addHelpText("after", methodsHelp);
  addTrainingFlags(command).action(async (flags: DistillFlags) => {
    const teacher = omitEmpty({ name: flags.teacher, weights: flags.teacherWeights });
    const student = omitEmpty({ name: flags.student, weights: flags.studentWeights });
    const method = omitEmpty({
      kind: flags.method,
      weight: flags.weight,
      warmupEpochs: flags.warmupEpochs,
      teacherMode: flags.teacherMode,
      midChannels: flags.midChannels,
    });
    await runTraining("distill", flags, { ...omitUndefined({ teacher, student, method }), ...trainingSettings(flags) });
  });
}

/** Lists the methods, and explains how to configure sums and other options. */
function methodsHelp(): string {
  const rows = listMethods().filter(({ kind }) => kind !== "sum");
  const width = Math.max(...rows.map(({ kind }) => kind.length));
  return [
    "", "Methods:",
    ...rows.map(({ kind, summary }) => `  ${kind.padEnd(width)}  ${summary}`),
    "Weighted sums of methods and other method options are set in a configuration file (--config):",
    "  method: { kind: sum, of: [{ kind: review, weight: 1 }, { kind: kd, temperature: 4 }] }",
  ].join("\n");
}
