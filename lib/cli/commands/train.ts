import type { Command } from "commander";
import { omitUndefined, omitEmpty } from "../options/omit-undefined.js";
import { runTraining } from "../run-training.js";
import { addTrainingFlags, addValue, trainingSettings, type TrainingFlags } from "../options/training-flags.js";
import { text } from "../options/values.js";

interface TrainFlags extends TrainingFlags {
  readonly model?: string;
  readonly weights?: string;
}

/** `reviewkd train`: trains one network on labels alone. */
export function addTrainCommand(program: Command): void {
  const command = program.command("train").description("train a network on labels alone");
  command.optionsGroup("Network and data:");
  addValue(command, "--model <name>", "network; `reviewkd models` lists the networks", text);
  addValue(command, "--weights <file>", "initial weights (.safetensors, .pt or .pth)", text);
  addTrainingFlags(command).action(async (flags: TrainFlags) => {
    const model = omitEmpty({ name: flags.model, weights: flags.weights });
    await runTraining("train", flags, { ...omitUndefined({ model }), ...trainingSettings(flags) });
  });
}
