import type { Command } from "commander";
import { loadDataset, meanAndDeviation, namedValue, primaryMetric, registryTask } from "../../index.js";
import { DEMO, QUICK_DEMO } from "../options/demo-settings.js";
import { runDetectionDemo } from "../detection-demo.js";
import { runDemoOnce, type DemoPart, type DemoResult } from "../demo-run.js";
import { formatCount, formatDuration, formatMetric, formatWithUnit } from "../display/format.js";
import { listenForInterrupt } from "../interrupt.js";
import type { Output } from "../display/output.js";
import { renderTable } from "../display/table.js";
import { addAction, addValue } from "../options/add-value.js";
import { count, distinctCounts, oneOf, path } from "../options/values.js";

const TASKS = ["classification", "detection"] as const;

interface DemoFlags {
  readonly seed?: number;
  readonly seeds?: number[];
  readonly quick?: true;
  readonly run?: string;
  readonly task?: (typeof TASKS)[number];
}

export function addDemoCommand(program: Command): void {
  const command = program.command("demo")
    .description("train a teacher, a student alone and the same student distilled, on built-in data");
  addValue(command, "--task <name>", "classification (default), or detection: a detector on drawn scenes",
    oneOf(TASKS));
  addValue(command, "--seed <n>", "seed of the networks and their training (default: 0)", count);
  addValue(command, "--seeds <n,n,…>", "repeat with each of these seeds and print mean and deviation", distinctCounts);
  command.option("--quick", "run for a few seconds, only to check that everything works");
  addValue(command, "--run <dir>", "parent directory for run directories (default: nothing is written)", path);
  addAction(command, runDemo);
}

async function runDemo(output: Output, flags: DemoFlags): Promise<void> {
  const seeds = flags.seeds ?? [flags.seed ?? 0];
  using interrupt = listenForInterrupt(() => {
    output.notice("\nstopping after this step… (a second Ctrl-C stops immediately)");
  });
  if (flags.task !== "detection") {
    await runClassificationDemo(output, flags, seeds, interrupt.signal);
    return;
  }
  for (const seed of seeds) {
    await runDetectionDemo({ output, seed, quick: flags.quick === true, signal: interrupt.signal,
      directory: flags.run });
  }
}

async function runClassificationDemo(output: Output, flags: DemoFlags, seeds: readonly number[],
  signal: AbortSignal): Promise<void> {
  const settings = flags.quick === true ? QUICK_DEMO : DEMO;
  using data = await loadDataset(settings.data);
  output.line(`Generating ${formatCount(data.train.size)} training and ${formatCount(data.test.size)} test images ` +
    `of ${data.numClasses} classes; ${settings.teacher} teaches ${settings.student}.`);

  const results: DemoResult[] = [];
  for (const seed of seeds) {
    if (seeds.length > 1) output.line(`\nSeed ${seed}`);
    results.push(...await runDemoOnce({ settings, data, seed, output, signal, directory: flags.run }));
  }
  showResults(output, results, seeds);
}

const TITLES: Readonly<Record<DemoPart, string>> = {
  teacher: "teacher",
  alone: "student alone",
  distilled: "student distilled",
};

function showResults(output: Output, results: readonly DemoResult[], seeds: readonly number[]): void {
  const metric = primaryMetric(registryTask());
  const parts = (Object.keys(TITLES) as DemoPart[]).map((part) => {
    const own = results.filter((result) => result.part === part);
    const values = own.map((result) => namedValue(result.test, metric.name));
    const seconds = own.reduce((sum, result) => sum + result.seconds, 0);
    return { part, model: own[0]?.model ?? "", parameters: own[0]?.parameters ?? 0, values, ...meanAndDeviation(values),
      seconds };
  });
  output.event({ type: "demo", seeds,
    results: parts.map(({ values, ...part }) => ({ ...part, [metric.name]: values })) });

  const several = seeds.length > 1;
  const head = ["", "network", "parameters", ...(several ? seeds.map((seed) => `seed ${seed}`) : []),
    `${several ? "mean " : ""}test ${metric.label}`, "time"];
  const rows = parts.map(({ part, model, parameters, values, mean, deviation, seconds }) => [
    TITLES[part],
    model,
    formatCount(parameters),
    ...(several ? values.map((value) => formatMetric(metric, value)) : []),
    deviation === null ? formatWithUnit(metric, mean)
      : `${mean.toFixed(2)} ± ${deviation.toFixed(2)} ${metric.unit}`.trimEnd(),
    formatDuration(seconds),
  ]);
  output.line(`\n${renderTable(head, rows, head.slice(2))}`);
  const [, alone, distilled] = parts;
  if (alone !== undefined && distilled !== undefined) {
    const gain = (metric.higherIsBetter ? 1 : -1) * (distilled.mean - alone.mean);
    output.line(`The teacher made the student ${Math.abs(gain).toFixed(1)} points ${gain >= 0 ? "better" : "worse"}.`);
  }
}
