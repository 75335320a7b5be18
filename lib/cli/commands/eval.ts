import type { Command } from "commander";
import { createDetector, createModel, isDetectorName, loadDataset, namedValue, readWeightsInfo, ReviewKdError, schemas,
  type ClassScore, type DataSourceInput, type Settings, type WeightsInfo, type Detector,
  type Model } from "../../index.js";
import { openDataDisplay, showNotices } from "../display/data-progress.js";
import { escaped, formatCount, formatPercent, formatResult } from "../display/format.js";
import { listenForInterrupt } from "../interrupt.js";
import { networkName } from "../network-name.js";
import { showLoadReport } from "../display/load-report.js";
import { omitUndefined } from "../options/omit-undefined.js";
import type { Output } from "../display/output.js";
import { renderTable } from "../display/table.js";
import { addAction, addValue } from "../options/add-value.js";
import { addData, dataSettings, THREADS_HELP, type TrainingFlags } from "../options/training-flags.js";
import { nullIfNone, oneOf, path, positiveCount, positiveCountOrNone, text } from "../options/values.js";
import { addLoadFlags, type LoadFlags } from "../options/weights-flags.js";

const DEVICES = schemas.Device.options;
const PRECISIONS = schemas.Precision.options;

interface EvalFlags extends TrainingFlags, LoadFlags {
  readonly model?: string;
  readonly weights: string;
  readonly split?: "train" | "test";
  readonly batchSize?: number;
  readonly precision?: (typeof PRECISIONS)[number];
  readonly device?: (typeof DEVICES)[number];
  readonly threads?: number;
  readonly perClass?: true;
  readonly minSize?: number | "none";
  readonly maxSize?: number;
}

export function addEvalCommand(program: Command): void {
  const command = program.command("eval").description(
    "evaluate trained weights: accuracy of a classifier, average precision of a detector",
  );
  addValue(command, "--model <name>", "network (default: the one named in the weights file)", text);
  addValue(command, "--weights <file>",
    "weights of the network (.safetensors, a file of PyTorch, .pkl, or an index of shards); required", path, {
    mandatory: true,
  });
  addLoadFlags(command);
  addData(command);
  addValue(command, "--precision <type>", "float32 (default) or bfloat16", oneOf(PRECISIONS));
  addValue(command, "--split <name>", "test (default) or train", oneOf(["test", "train"]));
  addValue(command, "--batch-size <n>", "images per batch", positiveCount);
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  addValue(command, "--threads <n>", THREADS_HELP, positiveCount);
  addValue(command, "--min-size <n>",
    "detectors: short side that images are resized to, or none (default: as in the weights file, else 800)",
    positiveCountOrNone);
  addValue(command, "--max-size <n>",
    "detectors: upper bound of their long side (default: as in the weights file, else 1333)", positiveCount);
  command.option("--per-class", "also print the results of each class");
  addAction(command, evaluateWeights);
}

async function evaluateWeights(output: Output, flags: EvalFlags): Promise<void> {
  const choice = omitUndefined({ key: flags.key });
  const { metadata, classNames, preprocessing } = await readWeightsInfo(flags.weights, choice);
  const name = await networkName(flags.weights, flags.model, metadata, choice);
  if (!isDetectorName(name) && (flags.minSize ?? flags.maxSize) !== undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid --min-size or --max-size: expected a detector, received the classifier ${name}. Leave the option out.`);
  }
  const source = { kind: isDetectorName(name) ? "scenes" : "synthetic",
    ...asTrained(dataSettings(flags) ?? {}, preprocessing) };
  using interrupt = listenForInterrupt(() => {
    output.notice("stopping…");
  });
  using display = openDataDisplay(output);
  const split = flags.split ?? "test";
  // A split may lack classes: those of the network, if they are known, say which label each folder has.
  const known = classNames === null || areNumbers(classNames) ? {} : { classNames };
  using data = await loadDataset(source as DataSourceInput, { signal: interrupt.signal, onProgress: display.loading,
    splits: [split], ...known });
  // Of other classes it warns below.
  showNotices(output, data.notices.filter(({ kind }) => kind !== "other-classes"));
  warnOfOtherClasses(output, classNames, data.classNames);
  using model = await openNetwork(name, data.numClasses, flags);
  showLoadReport(output, flags.weights, model.loadReport);
  display.evaluated(0, data[split].size);
  const started = performance.now();
  const result = await model.evaluate(data[split], {
    signal: interrupt.signal,
    onProgress: (done) => {
      display.evaluated(done, data[split].size);
    },
    ...omitUndefined({ batchSize: flags.batchSize, precision: flags.precision, perClass: flags.perClass,
      threads: flags.threads }),
  });
  const seconds = (performance.now() - started) / 1000;
  display.close();

  const { brokenImages, notices } = data;
  output.event({ type: "evaluation", model: name, weights: flags.weights, data: source, split, ...result, brokenImages,
    notices, seconds });
  for (const { path, reason } of brokenImages) output.notice(`skipped ${path}: cannot decode it: ${reason}`);
  output.line(renderTable(["", name], [
    ...model.task.metrics.map((metric) => [metric.title, formatResult(metric, namedValue(result, metric.name))]),
    ["images", `${formatCount(result.samples)} (${split})`],
    ["speed", `${(result.samples / seconds).toFixed(0)} images/s`],
  ], [name]));
  if (result.perClass === undefined) return;
  output.line(isDetectorName(name) ? categoryTable(result.perClass) : classTable(result.perClass));
}

/** The images of a folder as the network was trained on them, unless a flag says otherwise. */
function asTrained(data: Settings, { imageSize, normalization }: WeightsInfo["preprocessing"]): Settings {
  if (data["kind"] !== "image-folder") return data;
  const [height, width] = imageSize ?? [];
  return { ...omitUndefined({ imageSize: height === width ? height : undefined, normalization }), ...data };
}

function openNetwork(name: string, numClasses: number,
  { weights, key, strict, device, minSize, maxSize }: EvalFlags
): Promise<
  Model | Detector
> {
  const options = { weights, strict, ...omitUndefined({ key, device }) };
  return isDetectorName(name) ?
    createDetector(name, { ...options, detection: omitUndefined({ minSize: nullIfNone(minSize), maxSize }) })
    : createModel(name, { ...options, numClasses });
}

/** Average precisions of each category. */
function categoryTable(scores: readonly ClassScore[]): string {
  const columns = Object.keys(scores[0] ?? {}).filter((key) => key !== "name");
  const rows = scores.map((
    score,
  ) => [escaped(score.name), ...columns.map((column) => namedValue(score, column).toFixed(3))]);
  return renderTable(["class", ...columns], rows, columns);
}

function classTable(scores: readonly ClassScore[]): string {
  const rows = scores.map(({ name, samples, correct }) => [
    escaped(name),
    samples === 0 ? "-" : `${formatPercent((100 * correct) / samples)} %`,
    formatCount(correct),
    formatCount(samples),
  ]);
  return renderTable(["class", "top-1", "correct", "images"], rows, ["top-1", "correct", "images"]);
}

/** Warns if the class names differ: labels are indices, so that the accuracy is then meaningless. */
function warnOfOtherClasses(output: Output, trained: readonly string[] | null, evaluated: readonly string[]): void {
  if (trained === null || areNumbers(trained) || areNumbers(evaluated)) return;
  const index = evaluated.findIndex((name, label) => trained[label]?.normalize("NFC") !== name.normalize("NFC"));
  if (index < 0) return;
  const before = trained[index] === undefined ? "absent from" : `"${escaped(trained[index])}" in`;
  output.notice(
    `warning: class ${index} is "${escaped(evaluated[index] ?? "")}" in the data, but ${before} the training data of the weights`,
  );
}

/** Whether the names are only the class indices, which are used if no names are known. */
function areNumbers(names: readonly string[]): boolean {
  return names.every((name, label) => name === String(label));
}
