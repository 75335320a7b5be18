// The cost of a training step against batch size, depth, resolution and threads. All points of one question take turns,
// step by step.
import { availableParallelism } from "node:os";
import { Command } from "commander";
import { wholeNumber } from "./support/arguments.mjs";
import { drawScaling } from "./support/scaling-picture.mjs";
import { describeMachine } from "./support/machine.mjs";
import { prepareOurs } from "./support/ours.mjs";
import { keepResults } from "./support/results.mjs";
import { spreadMs } from "./support/statistics.mjs";
import { scalingTables } from "./support/scaling-tables.mjs";

const PRECISIONS = ["float32", "bfloat16"];
const WARM_UPS = 2;

const cores = availableParallelism();
const pair = { teacher: "resnet56", student: "resnet20", batch: 128, size: 32, classes: 100, threads: cores };
const threadCounts = Array.from({ length: cores }, (_, index) => index + 1).filter((count) =>
  count === cores || Number.isInteger(Math.log2(count))
);

/** Each question varies one setting of the pair and keeps the others. */
const QUESTIONS = [
  { name: "batch", axis: "images in a batch",
    points: [8, 16, 32, 64, 128, 256].map((batch) => ({ at: batch, setting: { batch } })) },
  { name: "depth", axis: "layers of the student",
    points: [8, 14, 20, 32, 44, 56].map((depth) => ({ at: depth, setting: { student: `resnet${depth}` } })) },
  { name: "resolution", axis: "pixels along a side, batch 32",
    points: [16, 32, 48, 64, 96].map((size) => ({ at: size, setting: { size, batch: 32 } })) },
  { name: "threads", axis: "threads", points: threadCounts.map((threads) => ({ at: threads, setting: { threads } })) },
];

const flags = new Command("npm run bench:scaling --")
  .description(
    `Measures a training step of ${pair.student} distilled from ${pair.teacher} against batch size, depth, resolution and threads.`,
  )
  .option("--rounds <n>", "steps per point", wholeNumber, 9)
  .option("--only <questions>", `some of ${QUESTIONS.map(({ name }) => name).join(", ")}, with commas between`,
    (text) => text.split(","))
  .option("--write <name>",
    "write the figures to bench/results/NAME.json, the tables to NAME-tables.md and the picture to NAME.svg")
  .parse().opts();
const progress = (line) => process.stderr.write(`bench: ${line}\n`);

async function measure({ name, axis, points }) {
  const contenders = [];
  for (const { at, setting } of points) {
    for (const precision of PRECISIONS)
      contenders.push({ at, precision, ours: await prepareOurs({ ...pair, ...setting, precision }), seconds: [] });
  }
  for (let round = -WARM_UPS; round < flags.rounds; ++round) {
    progress(round < 0 ? `${name}: warm-up` : `${name}: round ${round + 1} of ${flags.rounds}`);
    for (const { ours, seconds } of contenders) {
      const { step } = await ours.step();
      if (round >= 0) seconds.push(step);
    }
  }
  for (const { ours } of contenders) ours.dispose();
  const lines = Object.fromEntries(PRECISIONS.map((precision) => [
    precision,
    contenders.filter((entry) => entry.precision === precision).map(({ at, seconds }) => ({ at,
      ms: spreadMs(seconds) })
    ),
  ]));
  return { name, axis, lines };
}

const selected = QUESTIONS.filter(({ name }) => flags.only === undefined || flags.only.includes(name));
if (selected.length === 0)
  throw new Error(
    `invalid --only: expected some of ${QUESTIONS.map(({ name }) => name).join(", ")}, received ${flags.only.join(",")}. Separate names with commas.`,
  );
const report = {
  command: `npm run bench:scaling -- ${process.argv.slice(2).join(" ")}`.trim(),
  machine: await describeMachine(),
  pair,
  rounds: flags.rounds,
  questions: [],
};
for (const question of selected) report.questions.push(await measure(question));

const tables = scalingTables(report);
console.log(tables);
if (flags.write !== undefined)
  keepResults(flags.write, report, { "-tables.md": `${tables}\n`, ".svg": drawScaling(report) });
