import type { Command } from "commander";
import { createDetector, listImages, listModels, readWeightsInfo, ReviewKdError, schemas, type DataNotice,
  type DetectAllOptions, type Detector, type Tensor } from "../../index.js";
import { showLoadReport } from "../display/load-report.js";
import { DetectionFiles } from "../detection-files.js";
import { showNotices } from "../display/data-progress.js";
import { DetectReporter } from "../display/detect-reporter.js";
import type { Output } from "../display/output.js";
import { usageError } from "../errors.js";
import { listenForInterrupt } from "../interrupt.js";
import { networkName } from "../network-name.js";
import { addAction, addValue } from "../options/add-value.js";
import { readClassNames } from "../options/class-names.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { THREADS_HELP } from "../options/training-flags.js";
import { nullIfNone, oneOf, path, positiveCount, positiveCountOrNone, share, text } from "../options/values.js";
import { addLoadFlags, type LoadFlags } from "../options/weights-flags.js";

const DEVICES = schemas.Device.options;
const FLAVORS = ["torchvision", "detectron2"] as const;
const FORMATS = ["png", "jpeg", "webp"] as const;
const ON_DECODE_ERROR = ["fail", "skip"] as const;

interface DetectFlags extends LoadFlags {
  readonly weights: string;
  readonly model?: string;
  readonly classes?: number;
  readonly flavor?: (typeof FLAVORS)[number];
  readonly classNames?: string;
  readonly score?: number;
  readonly out?: string;
  readonly format?: (typeof FORMATS)[number];
  readonly exif?: schemas.Exif;
  readonly batchSize?: number;
  readonly onDecodeError?: (typeof ON_DECODE_ERROR)[number];
  readonly device?: (typeof DEVICES)[number];
  readonly threads?: number;
  readonly minSize?: number | "none";
  readonly maxSize?: number;
}

const DEFAULT_SCORE = 0.5;

export function addDetectCommand(program: Command): void {
  const command = program.command("detect").description("find objects in images: tables, COCO's results and pictures");
  command.argument("<image|dir...>", "image files, and folders whose images are taken recursively");
  command.optionsGroup("Detector:");
  addValue(command, "--weights <file>",
    "weights of the detector (.safetensors, a file of PyTorch, .pkl, or an index of shards); required", path, {
    mandatory: true,
  });
  addLoadFlags(command);
  addValue(command, "--model <name>",
    "detector, such as faster-rcnn-resnet50-fpn (default: the one named in the weights file)", text);
  addValue(command, "--classes <n>",
    "its classes, with the background of R-CNNs (default: as in the weights file, else 91)", positiveCount);
  addValue(command, "--flavor <name>",
    "torchvision or detectron2: whose rules it follows (default: as the weights file is recognized)", oneOf(FLAVORS));
  addValue(command, "--min-size <n>",
    "short side that images are resized to, or none (default: as in the weights file, else 800)", positiveCountOrNone);
  addValue(command, "--max-size <n>", "upper bound of their long side (default: as in the weights file, else 1333)",
    positiveCount);
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  addValue(command, "--threads <n>", THREADS_HELP, positiveCount);
  command.optionsGroup("Search:");
  addValue(command, "--score <x>",
    `lowest score of a detection (default: ${DEFAULT_SCORE}); a detector leaves out all below a bound of its own, 0.05 unless it was created with another`,
    share);
  addValue(command, "--class-names <file|list>",
    "a file with one name a line, or names separated by commas (default: those in the weights file)", path);
  addValue(command, "--batch-size <n>", "images per batch (default: 1)", positiveCount);
  addValue(command, "--exif <how>", "rotate: turn images upright by their EXIF data; ignore (default)",
    oneOf(schemas.Exif.options));
  addValue(command, "--on-decode-error <how>", "broken images: fail (default) or skip", oneOf(ON_DECODE_ERROR));
  command.optionsGroup("Output:");
  addValue(command, "--out <dir>", "write detections.json, images.json and a picture of each image into this folder",
    text);
  addValue(command, "--format <type>", "of the pictures: png (default), jpeg or webp", oneOf(FORMATS));
  addAction(command, detect);
}

async function detect(output: Output, sources: readonly string[], flags: DetectFlags): Promise<void> {
  const notices: DataNotice[] = [];
  const paths = [...new Set(await listImages(sources, { onNotice: (notice) => notices.push(notice) }))];
  showNotices(output, notices);
  using interrupt = listenForInterrupt(() => {
    output.notice("\nfinishing the batch… (a second Ctrl-C stops immediately)");
  });
  const names = flags.classNames === undefined ? undefined : await readClassNames(flags.classNames);
  using detector = await openDetector(flags);
  showLoadReport(output, flags.weights, detector.loadReport);
  const classNames = names === undefined ? detector.labelNames : namesByLabel(detector.numClasses, names);
  const { score = DEFAULT_SCORE, out, batchSize, format, exif, onDecodeError } = flags;
  const files = out === undefined ? null
    : await DetectionFiles.create(out, paths, { classNames, categoryIds: detector.labelCategoryIds,
      ...omitUndefined({ format, exif }) });
  const reporter = new DetectReporter(output, classNames, paths.length);
  const options: DetectAllOptions = { scoreThreshold: score, signal: interrupt.signal,
    ...omitUndefined({ batchSize, exif, onDecodeError, threads: flags.threads }) };
  try {
    for await (const image of detector.detectAll(paths, options)) {
      if (image.detections === undefined) {
        reporter.skipped(image.path, image.reason);
      } else {
        reporter.found(image, await files?.add(image));
        // Masks are large: do not wait for the garbage collector.
        for (const tensor of Object.values(image.detections) as Tensor[]) tensor.dispose();
      }
    }
  } finally {
    reporter.close();
    await files?.close();
    reporter.summary(out);
  }
}

async function openDetector(
  { weights, key, strict, model, classes, flavor, device, minSize, maxSize }: DetectFlags,
): Promise<Detector> {
  const choice = omitUndefined({ key });
  const { metadata } = await readWeightsInfo(weights, choice);
  const name = await networkName(weights, model, metadata, choice, (found) => {
    assertDetector(found, weights);
  });
  return createDetector(name, { weights, strict, ...choice,
    detection: omitUndefined({ minSize: nullIfNone(minSize), maxSize }),
    ...omitUndefined({ device, flavor, numClasses: classes ?? countIn(metadata["numClasses"]) }) });
}

function assertDetector(name: string, weights: string): void {
  if (!listModels().some((classifier) => classifier.name === name)) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid --weights: expected those of a detector, received those of the classifier ${name} in ${weights}. Name the classes of images with \`reviewkd predict FILE IMAGE\`.`);
}

function countIn(metadata: string | undefined): number | undefined {
  return metadata !== undefined && /^[1-9]\d{0,8}$/.test(metadata) ? Number(metadata) : undefined;
}

/** The name of each label, from names of all classes or of all but the first one, the background. */
function namesByLabel(numClasses: number, names: readonly string[]): readonly (string | null)[] {
  if (names.length === numClasses) return names;
  if (names.length === numClasses - 1) return [null, ...names];
  throw usageError(`${numClasses - 1} names, or ${numClasses} with the background`, "--class-names",
    `${names.length} names`, "Pass one for each class of the detector.");
}
