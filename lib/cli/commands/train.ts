import type { Command } from "commander";
import { schemas } from "../../index.js";
import { addAction } from "../options/add-value.js";
import { addSchemaFlags, schemaSettings, type FlagRow } from "../options/schema-flags.js";
import { addTrainingFlags, DETECTOR_HELP, imageSizes, trainingSettings,
  type TrainingFlags } from "../options/training-flags.js";
import { text } from "../options/values.js";
import { LOAD_ROWS } from "../options/weights-flags.js";
import { runTraining } from "../run-training.js";

const NETWORK: readonly FlagRow[] = [
  { path: "model.name", flag: "--model <name>", help: "the network; `reviewkd models` lists them", parser: text },
  { path: "model.weights", flag: "--weights <file>",
    help: "start from these weights (.safetensors, a file of PyTorch, .pkl, or an index of shards)" },
  ...LOAD_ROWS.model,
  { path: "model.backboneWeights", flag: "--backbone-weights <file>",
    help: "detectors: weights of the backbone alone, as of a classifier for ImageNet" },
  { path: "model.flavor", flag: "--flavor <name>", help: "detectors: whose definition: torchvision or detectron2" },
  ...imageSizes("model"),
];

export function addTrainCommand(program: Command): void {
  const command = program.command("train").description("train a network on labels alone");
  command.optionsGroup("Network and data:");
  addSchemaFlags(command, schemas.TrainConfig, NETWORK);
  addTrainingFlags(command);
  command.addHelpText("after", DETECTOR_HELP);
  addAction(command,
    (output, flags: TrainingFlags) =>
      runTraining(output, "train", flags, { ...schemaSettings(flags, NETWORK), ...trainingSettings(flags) }));
}
