import type { Command } from "commander";
import { explainPair, listDetectors, listModels, ReviewKdError } from "../../index.js";
import { usageError } from "../errors.js";
import { formatCount, wrapList } from "../display/format.js";
import type { Output } from "../display/output.js";
import { pairText } from "../display/pair-text.js";
import { renderTable } from "../display/table.js";
import { addAction, addValue } from "../options/add-value.js";
import { imageSize, positiveCount } from "../options/values.js";

/** Columns of the list of detectors. */
const NAMES_WIDTH = 110;

interface ModelsFlags {
  readonly pair?: readonly string[];
  readonly imageSize?: [height: number, width: number];
  readonly classes?: number;
  readonly batchSize?: number;
  readonly midChannels?: number;
}

export function addModelsCommand(program: Command): void {
  const command = program.command("models")
    .description("list the available networks, or explain what review does with a pair of them");
  command.option("--pair <names...>",
    "teacher and student: matched stages, parameters, multiply-adds and training memory");
  command.optionsGroup("With --pair:");
  addValue(command, "--image-size <size>",
    "HEIGHTxWIDTH or one number, in pixels (default: as in the student's published results; detectors: 800)",
    imageSize);
  addValue(command, "--classes <n>",
    "number of classes (default: as in the student's published results; detectors: 91)", positiveCount);
  addValue(command, "--batch-size <n>", "images per batch, for the memory estimate (default: 128; detectors: 2)",
    positiveCount);
  addValue(command, "--mid-channels <n>", "channels inside the fusion modules", positiveCount);
  command.optionsGroup("Options:");
  addAction(command, async (output, flags: ModelsFlags) => {
    if (flags.pair !== undefined) return explain(flags.pair, flags, output);
    requireNoPairOptions(flags);
    list(output);
  });
}

function list(output: Output): void {
  const models = listModels();
  const detectors = listDetectors();
  output.event({ type: "models", models, detectors });
  const sources = [...new Set(models.map(({ source }) => source))];
  const rows = models.map(({ name, parameters, numClasses, imageSize: size, features, source }) => [
    name,
    formatCount(parameters),
    `${size.join("×")}, ${numClasses} classes`,
    features.map((stage) => `${stage.channels}@${stage.height}×${stage.width}`).join(" "),
    `[${sources.indexOf(source) + 1}]`,
  ]);
  output.line(renderTable(["name", "parameters", "at", "stages (channels@size)", "source"], rows, ["parameters"]));
  sources.forEach((source, index) => {
    output.line(`[${index + 1}] ${source}`);
  });
  output.line(`\nDetectors:\n${wrapList(detectors, NAMES_WIDTH)}`);
}

async function explain(names: readonly string[], { imageSize: size, classes, batchSize, midChannels }: ModelsFlags,
  output: Output): Promise<void> {
  const [teacher, student, ...rest] = names;
  if (teacher === undefined || student === undefined || rest.length > 0) {
    throw usageError("two networks, a teacher and a student", "--pair", names.join(" "));
  }
  const explanation = await explainPair({ teacher, student, imageSize: size, numClasses: classes, batchSize,
    midChannels });
  output.event({ type: "pair", ...explanation });
  output.line(pairText(explanation));
}

function requireNoPairOptions(flags: ModelsFlags): void {
  const { imageSize: size, classes, batchSize, midChannels } = flags;
  const given = { "--image-size": size, "--classes": classes, "--batch-size": batchSize,
    "--mid-channels": midChannels };
  const idle = Object.entries(given).find(([, value]) => value !== undefined);
  if (idle !== undefined)
    throw new ReviewKdError("INVALID_ARGUMENT", `${idle[0]} requires --pair. Add --pair TEACHER STUDENT.`);
}
