// One training step of Knowledge Review, here and in PyTorch, side by side: all take turns, step by step, in one run.
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { loadDataset } from "../dist/index.js";
import { wholeNumber } from "./support/arguments.mjs";
import { Baseline } from "./support/baseline.mjs";
import { describeMachine } from "./support/machine.mjs";
import { measureLoop, prepareOurs } from "./support/ours.mjs";
import { rooflineSeconds } from "./support/roofline.mjs";
import { keepResults } from "./support/results.mjs";
import { median, spreadMs } from "./support/statistics.mjs";
import { tablesOf } from "./support/tables.mjs";

function pairsOf(text) {
  return text.split(",").map((pair) => {
    const match = /^([\w-]+?)-(resnet\w+)@(\d+)x(\d+)$/.exec(pair);
    if (!match) throw new InvalidArgumentError(`expected TEACHER-STUDENT@BATCHxSIZE, received ${pair}.`);
    const [, teacher, student, batch, size] = match;
    return { teacher, student, batch: Number(batch), size: Number(size), classes: Number(size) < 64 ? 100 : 1000 };
  });
}

const ALL_PAIRS = "resnet56-resnet20@128x32,resnet32x4-resnet8x4@128x32,resnet34-resnet18@16x224";
const flags = new Command("npm run bench --")
  .description(
    "Measures a training step of Knowledge Review here and in PyTorch, side by side: all take turns, step by step, in one run.",
  )
  .addOption(
    new Option("--pairs <list>", "TEACHER-STUDENT@BATCHxSIZE with commas between").argParser(pairsOf).default(
      pairsOf(ALL_PAIRS),
      ALL_PAIRS,
    ),
  )
  .option("--rounds <n>", "steps per contender", wholeNumber, 15)
  .option("--threads <n>", "threads per contender", wholeNumber, cpus().length)
  .option("--no-compiled", "omit torch.compile")
  .option("--no-baselines", "omit PyTorch")
  .option("--no-loop", "omit the comparison of a custom loop with the native epoch")
  .option("--write <name>",
    "write the figures to bench/results/NAME.json and the tables to bench/results/NAME-tables.md")
  .addHelpText("after", "\nThe baselines need a Python with torch and numpy: REVIEWKD_BENCH_PYTHON, or python3.")
  .parse().opts();
const { threads } = flags;
const progress = (line) => process.stderr.write(`bench: ${line}\n`);

/** Milliseconds per contender and part, measured in turns. */
async function measure(setting, baseline, machine) {
  const precisions = setting.size > 64 ? ["float32"] : ["float32", "bfloat16"];
  const styles = baseline === undefined ? [] : ["published", ...precisions.flatMap((precision) => {
    const expert = precision === "float32" ? "expert" : "expert-bfloat16";
    return flags.compiled && machine.baseline.compiler !== null ? [expert, `${expert}-compiled`] : [expert];
  })];
  const contenders = new Map();
  for (const style of styles) {
    await baseline.ask("prepare", { name: style, style, ...setting });
    contenders.set(style, () => baseline.ask("step", { name: style }));
  }
  const trainings = [];
  for (const precision of precisions) {
    const ours = await prepareOurs({ ...setting, precision });
    trainings.push(ours);
    contenders.set(`reviewkd ${precision}`, () => ours.step());
  }
  for (const [name, step] of contenders) {
    progress(`${setting.teacher} → ${setting.student}: ${name}: warm-up`);
    for (let i = 0; i < 3; ++i) await step();
  }
  const seconds = new Map([...contenders.keys()].map((name) => [name, []]));
  const rates = [];
  for (let round = 0; round < flags.rounds; ++round) {
    progress(`${setting.teacher} → ${setting.student}: round ${round + 1} of ${flags.rounds}`);
    for (const [name, step] of contenders) seconds.get(name).push(await step());
    if (baseline !== undefined && round % 3 === 0) rates.push(await baseline.ask("rates"));
  }
  for (const style of styles) await baseline.ask("drop", { name: style });
  for (const ours of trainings) ours.dispose();

  const results = {};
  for (const [name, list] of seconds) {
    results[name] = Object.fromEntries(
      Object.keys(list[0]).map((part) => [part, spreadMs(list.map((entry) => entry[part]))]),
    );
    results[name].imagesPerSecond = setting.batch / median(list.map(({ step }) => step));
  }
  // The best of each rate: the floor is what the machine can do.
  const best = Object.fromEntries(
    Object.keys(rates[0] ?? {}).map((key) => [key, Math.max(...rates.map((entry) => entry[key]))]),
  );
  const floor = {};
  if (baseline !== undefined) {
    const { operations } = await baseline.ask("operations", setting);
    for (const precision of precisions) floor[precision] = rooflineSeconds(operations, best, precision);
  }
  return { setting, results, rates: best, floor };
}

function peakMemory(setting) {
  const memory = {};
  const precisions = setting.size > 64 ? ["float32"] : ["float32", "bfloat16"];
  for (const precision of precisions) {
    const output = execFileSync(process.execPath, [fileURLToPath(new URL("step-memory.mjs", import.meta.url)),
      JSON.stringify({ ...setting, precision })], { encoding: "utf8" });
    memory[`reviewkd ${precision}`] = JSON.parse(output);
  }
  return memory;
}

async function peakMemoryOfBaselines(setting) {
  const memory = {};
  for (const style of setting.size > 64 ? ["published", "expert"] : ["published", "expert", "expert-bfloat16"]) {
    const baseline = new Baseline();
    memory[style] = await baseline.ask("memory", { ...setting, style });
    baseline.close();
  }
  return memory;
}

const machine = await describeMachine();
const baseline = flags.baselines ? new Baseline() : undefined;
if (baseline !== undefined) machine.baseline = await baseline.ask("describe", { threads });
const report = { command: `npm run bench -- ${process.argv.slice(2).join(" ")}`, machine, threads, rounds: flags.rounds,
  pairs: [] };
for (const pair of flags.pairs) {
  const setting = { ...pair, threads };
  const measured = await measure(setting, baseline, machine);
  progress("peak memory");
  measured.memory = { ...(baseline === undefined ? {} : await peakMemoryOfBaselines(setting)), ...peakMemory(setting) };
  report.pairs.push(measured);
}
if (flags.loop) {
  progress("own loop and native epoch");
  report.loop = await measureLoop({ threads });
}
progress("augmentation");
{
  const data = await loadDataset({ kind: "synthetic", numClasses: 20, trainSamples: 12800, testSamples: 100 });
  const started = performance.now();
  let images = 0;
  for await (const batch of data.train.batches({ batchSize: 128, seed: 1 })) {
    images += batch.labels.shape[0];
    batch.images.dispose();
    batch.labels.dispose();
  }
  report.augmentation = { reviewkd: (1000 * images) / (performance.now() - started) };
  data.dispose();
  if (baseline !== undefined)
    report.augmentation.published = (await baseline.ask("loader", { images: 12800, batch: 128 })).imagesPerSecond;
}
baseline?.close();

const tables = tablesOf(report);
console.log(tables);
if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
