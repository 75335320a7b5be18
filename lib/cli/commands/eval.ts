import type { Command } from "commander";
import {
  createModel, loadDataset, namedValue, readWeightsInfo, ReviewKdError, taskOfModel, type ClassScore, type DataSourceInput,
} from "../../index.js";
import { formatCount, formatPercent, formatWithUnit } from "../format.js";
import { listenForInterrupt } from "../interrupt.js";
import { given } from "../given.js";
import { processOutput, type Output } from "../output.js";
import { renderTable } from "../table.js";
import { addData, addJson, addValue, dataSettings, DEVICES, PRECISIONS, type DataFlags } from "../training-flags.js";
import { oneOf, positiveCount, text } from "../values.js";

interface EvalFlags extends DataFlags {
  readonly model?: string;
  readonly weights: string;
  readonly split?: "train" | "test";
  readonly batchSize?: number;
  readonly precision?: (typeof PRECISIONS)[number];
  readonly device?: (typeof DEVICES)[number];
  readonly perClass?: true;
  readonly json?: true;
}

/** `reviewkd eval`: the metrics of trained weights. */
export function addEvalCommand(program: Command): void {
  const command = program.command("eval").description("evaluate trained weights: top-1, top-5 and mean loss");
  addValue(command, "--model <name>", "the network (default: the one that the weights file names)", text);
  addValue(command, "--weights <file>", "its weights (.safetensors, .pt or .pth); must be given", text, { mandatory: true });
  addData(command);
  addValue(command, "--precision <type>", "float32 (default) or bfloat16", oneOf(PRECISIONS));
  addValue(command, "--split <name>", "test (default) or train", oneOf(["test", "train"]));
  addValue(command, "--batch-size <n>", "images in a batch", positiveCount);
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  command.option("--per-class", "accuracy by class as well");
  addJson(command).action(evaluateWeights);
}

async function evaluateWeights(flags: EvalFlags): Promise<void> {
  const output = processOutput(flags.json === true);
  const { metadata, classNames } = await readWeightsInfo(flags.weights);
  const name = flags.model ?? nameIn(metadata, flags.weights);
  const source = { kind: "synthetic", ...dataSettings(flags) };
  using interrupt = listenForInterrupt(() => { output.notice("stopping…"); });
  using data = await loadDataset(source as DataSourceInput);
  warnOfOtherClasses(output, classNames, data.classNames);
  using model = await createModel(name, { numClasses: data.numClasses, weights: flags.weights, ...given({ device: flags.device }) });
  const split = flags.split ?? "test";
  const started = performance.now();
  const result = await model.evaluate(data[split], {
    signal: interrupt.signal,
    ...given({ batchSize: flags.batchSize, precision: flags.precision, perClass: flags.perClass }),
  });
  const seconds = (performance.now() - started) / 1000;

  const { brokenImages } = data;
  output.event({ type: "evaluation", model: name, weights: flags.weights, data: source, split, ...result, brokenImages, seconds });
  for (const { path, reason } of brokenImages) output.notice(`left out ${path}, which cannot be decoded: ${reason}`);
  output.line(renderTable(["", name], [
    ...taskOfModel(model.name).metrics.map((metric) => [
      `${metric.unit === "" ? "mean " : ""}${metric.label}`, formatWithUnit(metric, namedValue(result, metric.name)),
    ]),
    ["images", `${formatCount(result.samples)} (${split})`],
    ["speed", `${(result.samples / seconds).toFixed(0)} images/s`],
  ], [name]));
  if (result.perClass !== undefined) output.line(classTable(result.perClass));
}

function classTable(scores: readonly ClassScore[]): string {
  const rows = scores.map(({ name, samples, correct }) => [
    name, samples === 0 ? "-" : `${formatPercent((100 * correct) / samples)} %`, formatCount(correct), formatCount(samples),
  ]);
  return renderTable(["class", "top-1", "correct", "images"], rows, ["top-1", "correct", "images"]);
}

/** Labels are numbers: with the classes in another order, or others, accuracy means nothing. */
function warnOfOtherClasses(output: Output, trained: readonly string[] | null, evaluated: readonly string[]): void {
  if (trained === null || areNumbers(trained) || areNumbers(evaluated)) return;
  const index = evaluated.findIndex((name, label) => trained[label] !== name);
  if (index < 0) return;
  output.notice(`warning: class ${index} is "${evaluated[index] ?? ""}" in the data, but the weights were trained with "${trained[index] ?? "no such class"}"`);
}

/** What stands for names where none are known. */
function areNumbers(names: readonly string[]): boolean {
  return names.every((name, label) => name === String(label));
}

function nameIn(metadata: Readonly<Record<string, string>>, path: string): string {
  const name = metadata["model"];
  if (name === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT", `expected --model NAME for "${path}", for the file does not name its network`);
  }
  return name;
}
