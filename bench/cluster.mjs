// Predicts the step time and the efficiency of trainings in up to 1,024 processes with bench/support/cluster-model.mjs,
// from the figures of bench/processes.mjs, and compares the model with these.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { clusterTables } from "./support/cluster-tables.mjs";
import { efficiency, fitLink, stepSeconds } from "./support/cluster-model.mjs";
import { keepResults } from "./support/results.mjs";

const COUNTS = [2, 4, 8, 16, 64, 256, 1024];

/** Of a step's computation, as measured with one thread on a processor: see bench/results/speed.md. */
const BACKWARD_SHARE = 0.5;

/** Assumed: what vendors and users of such networks report, with the software above them. */
const LINKS = {
  "10 GbE, TCP": { latency: 50e-6, bandwidth: 1.1e9 },
  "100 GbE, TCP": { latency: 30e-6, bandwidth: 6e9 },
  "InfiniBand NDR, NCCL": { latency: 6e-6, bandwidth: 40e9 },
};

/** Relative deviation of a process's computation from step to step; assumed for machines of one kind without others. */
const DEVIATION = 0.01;

const flags = new Command("npm run bench:cluster --")
  .description("Predicts trainings in up to 1,024 processes from the figures of bench:processes.")
  .option("--from <name>", "bench/results/NAME.json of bench:processes", "processes")
  .option("--write <name>", "write the figures to bench/results/NAME.json and the tables to NAME-tables.md")
  .parse().opts();

const measured = JSON.parse(readFileSync(new URL(`results/${flags.from}.json`, import.meta.url), "utf8"));
const { processes } = measured;
const bytesOf = (row) => 4 * row.parameters;

/** The link between the measured processes, from the smallest and the largest network; the others check it. */
function loopback() {
  const rows = [...measured.buckets].sort((left, right) => left.parameters - right.parameters);
  return fitLink(
    [rows[0], rows.at(-1)].map((row) => ({ bytes: bytesOf(row), processes, seconds: row.oneExchange.lowest / 1000 })),
  );
}

function checked(link) {
  return measured.buckets.map((row) => {
    const step = { compute: row.alone.median / 1000, backward: BACKWARD_SHARE * row.alone.median / 1000,
      bytes: bytesOf(row) };
    const predicted = stepSeconds(step, processes, link);
    const found = Math.min(row.one.median, row.overlapping.median) / 1000;
    return { network: row.network, parameters: row.parameters, alone: step.compute, predicted, found,
      error: predicted / found - 1 };
  });
}

/** Efficiency by link and number of processes for a computation of `compute` seconds. */
function predictions(compute, bytes) {
  const step = { compute, backward: BACKWARD_SHARE * compute, bytes, deviation: DEVIATION };
  return Object.entries(LINKS).map(([link, values]) => ({ link,
    points: COUNTS.map((count) => ({ count, seconds: stepSeconds(step, count, values),
      efficiency: efficiency(step, count, values) })
    ) })
  );
}

const link = loopback();
const pair = measured.throughput;
const student = measured.buckets.find(({ network }) => network === pair.pair.student);
const report = {
  command: `npm run bench:cluster -- ${process.argv.slice(2).join(" ")}`.trim(),
  from: { machine: measured.machine, command: measured.command, processes },
  assumptions: { backwardShare: BACKWARD_SHARE, deviation: DEVIATION, links: LINKS },
  loopback: link,
  checked: checked(link),
  measuredPair: { ...pair.pair, compute: pair.one.median / 1000,
    predictions: predictions(pair.one.median / 1000, bytesOf(student)) },
  // By how long a GPU computes on its share, whatever it is: the gradients are those of a ResNet-50.
  accelerators: [0.01, 0.03, 0.1].map((compute) => ({ compute, predictions: predictions(compute, 4 * 25.6e6) })),
};
const tables = clusterTables(report);
console.log(tables);
if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
