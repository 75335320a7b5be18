import type { Command } from "commander";
import { createModel, inspectWeights, isDetectorName, listImages, listModels, ReviewKdError, schemas,
  type ClassifyAllOptions, type DataNotice, type Model, type Normalization,
  type WeightsInspection } from "../../index.js";
import { showNotices } from "../display/data-progress.js";
import { showLoadReport } from "../display/load-report.js";
import type { Output } from "../display/output.js";
import { PredictReporter } from "../display/predict-reporter.js";
import { listenForInterrupt } from "../interrupt.js";
import { assertSingle, networkName, recordedName } from "../network-name.js";
import { addAction, addValue } from "../options/add-value.js";
import { readClassNames } from "../options/class-names.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { addLoadFlags, type LoadFlags } from "../options/weights-flags.js";
import { channelMeans, channelStds, imageSide, imageSize, oneOf, positiveCount, text } from "../options/values.js";

const DEVICES = schemas.Device.options;
const ON_DECODE_ERROR = ["skip", "fail"] as const;

interface PredictFlags extends LoadFlags {
  readonly model?: string;
  readonly device?: (typeof DEVICES)[number];
  readonly imageSize?: [height: number, width: number];
  readonly resizeSize?: number;
  readonly mean?: Normalization["mean"];
  readonly std?: Normalization["std"];
  readonly top?: number;
  readonly classNames?: string;
  readonly batchSize?: number;
  readonly onDecodeError?: (typeof ON_DECODE_ERROR)[number];
}

export function addPredictCommand(program: Command): void {
  const command = program.command("predict").description("name the classes of images: a table of the most likely ones");
  command.argument("<weights>",
    "weights of a classifier (.safetensors, a file of PyTorch, .pkl, or an index of shards)");
  command.argument("<image|dir...>", "image files, and folders whose images are taken recursively");
  command.optionsGroup("Network:");
  addValue(command, "--model <name>",
    "network (default: the one named in the weights file, else the one whose weights they fit)", text);
  addLoadFlags(command);
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  command.optionsGroup("Images (default: as recorded in the weights file, else as published for the network):");
  addValue(command, "--image-size <n>", "height and width of the network's input: HEIGHTxWIDTH, or one number",
    imageSize);
  addValue(command, "--resize-size <n>", "short side that images are resized to before their center is cut out",
    imageSide);
  addValue(command, "--mean <r,g,b>", "means of the channels, of values from 0 to 1", channelMeans);
  addValue(command, "--std <r,g,b>", "standard deviations of the channels, of values from 0 to 1", channelStds);
  command.optionsGroup("Prediction:");
  addValue(command, "--top <n>", "classes for each image (default: 5)", positiveCount);
  addValue(command, "--class-names <file|list>",
    "a file with one name a line, or names separated by commas (default: those in the weights file)", text);
  addValue(command, "--batch-size <n>", "images per batch (default: 64)", positiveCount);
  addValue(command, "--on-decode-error <how>", "files that are no images: skip (default) or fail",
    oneOf(ON_DECODE_ERROR));
  command.optionsGroup("Output:");
  addAction(command, predict);
}

async function predict(output: Output, weights: string, sources: readonly string[],
  flags: PredictFlags): Promise<void> {
  const { top, batchSize, imageSize: size, resizeSize, onDecodeError = "skip" } = flags;
  const notices: DataNotice[] = [];
  const paths = [...new Set(await listImages(sources, { onNotice: (notice) => notices.push(notice) }))];
  showNotices(output, notices);
  using interrupt = listenForInterrupt(() => {
    output.notice("\nfinishing the batch… (a second Ctrl-C stops immediately)");
  });
  const classNames = flags.classNames === undefined ? undefined : await readClassNames(flags.classNames);
  const normalization = normalizationOf(flags);
  using model = await openClassifier(weights, flags);
  showLoadReport(output, weights, model.loadReport);
  const given = omitUndefined({ imageSize: size, resizeSize, normalization });
  const options: ClassifyAllOptions = { ...complete(output, weights, model, given), signal: interrupt.signal,
    onDecodeError, ...omitUndefined({ topK: top, batchSize, classNames }) };
  const reporter = new PredictReporter(output, paths.length);
  let reason = "";
  try {
    for await (const image of model.classifyAll(paths, options)) {
      if (image.predictions === undefined) {
        reason ||= image.reason;
        reporter.skipped(image.path, image.reason);
      } else {
        reporter.classified(image);
      }
    }
  } finally {
    reporter.close();
    reporter.summary();
  }
  if (reporter.images > 0) return;
  throw new ReviewKdError("FILE_UNSUPPORTED",
    `invalid images: expected at least one that can be decoded, received none of ${paths.length}. The first: ${reason}`);
}

/** The given options, completed by what the weights do not record, which it reports. */
function complete(output: Output, weights: string, model: Model,
  given: Pick<ClassifyAllOptions, "imageSize" | "resizeSize" | "normalization">): ClassifyAllOptions {
  const { assumed, ...recorded } = model.preprocessing;
  const isAssumed = (key: keyof typeof recorded): boolean =>
    assumed.includes(key) && given[key] === undefined && !(key === "resizeSize" && given.imageSize !== undefined);
  const missing = (["imageSize", "resizeSize", "normalization"] as const).filter(isAssumed);
  if (missing.length === 0) return given;
  const used = Object.fromEntries(missing.map((key) => [key, recorded[key]]));
  output.event({ type: "assumed", weights, model: model.name, ...used });
  output.notice(
    `${weights} does not record ${missing.join(", ")}: using what is published for ${model.name}, ${JSON.stringify(used)}; --image-size, --resize-size, --mean and --std set others`,
  );
  return { ...used, ...given };
}

function normalizationOf({ mean, std }: PredictFlags): Normalization | undefined {
  if (mean === undefined && std === undefined) return undefined;
  if (mean !== undefined && std !== undefined) return { mean, std };
  throw new ReviewKdError("INVALID_ARGUMENT",
    `missing ${mean === undefined ? "--mean" : "--std"}: a normalization has means and standard deviations. Pass both.`);
}

async function openClassifier(weights: string, { model: given, key, strict, device }: PredictFlags): Promise<Model> {
  const choice = omitUndefined({ key });
  const inspection = await inspectWeights(weights, choice);
  const { fit, detector, metadata } = inspection;
  const isWhole = fit !== null && fit.matching === fit.entries;
  const recorded = given ?? recordedName(metadata);
  if (recorded === undefined) assertSingle(weights, fit);
  const name = recorded ?? (isWhole ? fit.name : await networkName(weights, given, metadata, choice));
  if (detector !== null || isDetectorName(name)) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid weights: expected those of a classifier, received those of a detector in ${weights}. Find objects with \`reviewkd detect IMAGE --weights FILE\`.`);
  }
  return createModel(name, { numClasses: classesOf(name, inspection), weights, strict, ...choice,
    ...omitUndefined({ device }) });
}

/** The number of classes of a file's network: that of its last layer, or what the file says. */
function classesOf(name: string, { fit, metadata }: WeightsInspection): number {
  if (fit !== null) return fit.numClasses;
  const recorded = metadata["numClasses"];
  if (recorded !== undefined && /^[1-9]\d{0,8}$/.test(recorded)) return Number(recorded);
  return listModels().find((model) => model.name === name)?.numClasses ?? 1;
}
