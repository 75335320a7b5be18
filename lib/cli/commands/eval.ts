import type { Command } from "commander";
import { createModel, loadDataset, readWeightsInfo, ReviewKdError, type DataSourceInput } from "../../index.js";
import { formatCount, formatLoss, formatPercent } from "../format.js";
import { listenForInterrupt } from "../interrupt.js";
import { given } from "../given.js";
import { processOutput } from "../output.js";
import { renderTable } from "../table.js";
import { addData, addJson, addValue, DEVICES, PRECISIONS } from "../training-flags.js";
import { oneOf, positiveCount, text, type DataSpec } from "../values.js";

interface EvalFlags {
  readonly model?: string;
  readonly weights: string;
  readonly data?: DataSpec;
  readonly split?: "train" | "test";
  readonly batchSize?: number;
  readonly precision?: (typeof PRECISIONS)[number];
  readonly device?: (typeof DEVICES)[number];
  readonly limitTrain?: number;
  readonly limitTest?: number;
  readonly json?: true;
}

/** `reviewkd eval`: accuracy and loss of trained weights. */
export function addEvalCommand(program: Command): void {
  const command = program.command("eval").description("evaluate trained weights: top-1, top-5 and mean loss");
  addValue(command, "--model <name>", "the network (default: the one that the weights file names)", text);
  addValue(command, "--weights <file>", "its weights (.safetensors); must be given", text, { mandatory: true });
  addData(command);
  addValue(command, "--precision <type>", "float32 (default) or bfloat16", oneOf(PRECISIONS));
  addValue(command, "--split <name>", "test (default) or train", oneOf(["test", "train"]));
  addValue(command, "--limit-train <n>", "use only the first N training images", positiveCount);
  addValue(command, "--limit-test <n>", "use only the first N test images", positiveCount);
  addValue(command, "--batch-size <n>", "images in a batch", positiveCount);
  addValue(command, "--device <name>", "cpu, cuda or auto", oneOf(DEVICES));
  addJson(command).action(evaluateWeights);
}

async function evaluateWeights(flags: EvalFlags): Promise<void> {
  const output = processOutput(flags.json === true);
  const name = flags.model ?? await nameInFile(flags.weights);
  const source = { ...(flags.data ?? { kind: "synthetic" }), ...given({ limitTrain: flags.limitTrain, limitTest: flags.limitTest }) };
  using interrupt = listenForInterrupt(() => { output.notice("stopping…"); });
  using data = await loadDataset(source as DataSourceInput);
  using model = await createModel(name, { numClasses: data.numClasses, weights: flags.weights, ...given({ device: flags.device }) });
  const split = flags.split ?? "test";
  const started = performance.now();
  const result = await model.evaluate(data[split], {
    signal: interrupt.signal,
    ...given({ batchSize: flags.batchSize, precision: flags.precision }),
  });
  const seconds = (performance.now() - started) / 1000;

  output.event({ type: "evaluation", model: name, weights: flags.weights, data: source, split, ...result, seconds });
  output.line(renderTable(["", name], [
    ["top-1", `${formatPercent(result.top1)} %`],
    ["top-5", `${formatPercent(result.top5)} %`],
    ["mean loss", formatLoss(result.loss)],
    ["images", `${formatCount(result.samples)} (${split})`],
    ["speed", `${(result.samples / seconds).toFixed(0)} images/s`],
  ], [name]));
}

async function nameInFile(path: string): Promise<string> {
  const { metadata } = await readWeightsInfo(path);
  const name = metadata["model"];
  if (name === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT", `expected --model NAME for "${path}", for the file does not name its network`);
  }
  return name;
}
