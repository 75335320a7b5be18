import type { Command } from "commander";
import { explainPair, listModels, ReviewKdError } from "../../index.js";
import { usageError } from "../errors.js";
import { formatCount } from "../display/format.js";
import { processOutput, type Output } from "../display/output.js";
import { pairText } from "../display/pair-text.js";
import { renderTable } from "../display/table.js";
import { addJson, addValue } from "../options/add-value.js";
import { imageSize, positiveCount } from "../options/values.js";

interface ModelsFlags {
  readonly pair?: readonly string[];
  readonly imageSize?: [height: number, width: number];
  readonly classes?: number;
  readonly batchSize?: number;
  readonly midChannels?: number;
  readonly json?: true;
}

/** `reviewkd models`: the registry of networks, and what review will do with two of them. */
export function addModelsCommand(program: Command): void {
  const command = program.command("models").description("list the networks that can be trained, or explain what review does with two of them");
  command.option("--pair <names...>", "a teacher and a student: matched stages, parameters, multiply-adds, memory in training");
  command.optionsGroup("With --pair:");
  addValue(command, "--image-size <size>", "HEIGHTxWIDTH or one number, pixels (default: as the student's published results)", imageSize);
  addValue(command, "--classes <n>", "number of classes (default: as the student's published results)", positiveCount);
  addValue(command, "--batch-size <n>", "images in a batch, for the memory (default: 128)", positiveCount);
  addValue(command, "--mid-channels <n>", "channels inside the fusion modules", positiveCount);
  command.optionsGroup("Options:");
  addJson(command).action(async (flags: ModelsFlags) => {
    const output = processOutput(flags.json === true);
    if (flags.pair === undefined) {
      requireNoPairOptions(flags);
      list(output);
    } else {
      await explain(flags.pair, flags, output);
    }
  });
}

function list(output: Output): void {
  const models = listModels();
  output.event({ type: "models", models });
  const sources = [...new Set(models.map(({ source }) => source))];
  const rows = models.map(({ name, parameters, numClasses, imageSize: size, features, source }) => [
    name,
    formatCount(parameters),
    `${size.join("×")}, ${numClasses} classes`,
    features.map((stage) => `${stage.channels}@${stage.height}×${stage.width}`).join(" "),
    `[${sources.indexOf(source) + 1}]`,
  ]);
  output.line(renderTable(["name", "parameters", "at", "stages (channels@size)", "source"], rows, ["parameters"]));
  sources.forEach((source, index) => { output.line(`[${index + 1}] ${source}`); });
}

async function explain(names: readonly string[], { imageSize: size, classes, batchSize, midChannels }: ModelsFlags, output: Output): Promise<void> {
  const [teacher, student, ...rest] = names;
  if (teacher === undefined || student === undefined || rest.length > 0) {
    throw usageError("two networks, a teacher and a student,", "--pair", names.join(" "));
  }
  const explanation = await explainPair({ teacher, student, imageSize: size, numClasses: classes, batchSize, midChannels });
  output.event({ type: "pair", ...explanation });
  output.line(pairText(explanation));
}

function requireNoPairOptions(flags: ModelsFlags): void {
  const idle = Object.entries({
    "--image-size": flags.imageSize, "--classes": flags.classes, "--batch-size": flags.batchSize, "--mid-channels": flags.midChannels,
  }).find(([, value]) => value !== undefined);
  if (idle !== undefined) throw new ReviewKdError("INVALID_ARGUMENT", `expected --pair TEACHER STUDENT for ${idle[0]}, got no pair`);
}
