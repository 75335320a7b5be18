// Predicts the step time and the efficiency of trainings in up to 1,024 processes with bench/support/cluster-model.mjs,
// from the figures of bench/processes.mjs, and compares the model with these.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { clusterTables } from "./support/cluster-tables.mjs";
import { bucketsOf, efficiency, fitLink, stepSeconds } from "./support/cluster-model.mjs";
import { keepResults } from "./support/results.mjs";

const COUNTS = [2, 4, 8, 16, 64, 256, 1024];

/** Assumed: what vendors and users of such networks report, with the software above them. */
const LINKS = {
  "10 GbE, TCP": { latency: 50e-6, bandwidth: 1.1e9 },
  "100 GbE, TCP": { latency: 30e-6, bandwidth: 6e9 },
  "InfiniBand NDR, NCCL": { latency: 6e-6, bandwidth: 40e9 },
};

/** Relative deviation of a process's computation from step to step; assumed for machines of one kind without others. */
const DEVIATION = 0.01;

/** Assumed of a GPU's step; of a network alone on a processor it was measured. */
const BACKWARD_SHARE = 0.6;

const flags = new Command("npm run bench:cluster --")
  .description("Predicts trainings in up to 1,024 processes from the figures of bench:processes.")
  .option("--from <name>", "bench/results/NAME.json of bench:processes on one machine", "processes")
  .option("--slow <name>", "the same over a slow link", "processes-1gbit")
  .option("--write <name>", "write the figures to bench/results/NAME.json and the tables to NAME-tables.md")
  .parse().opts();

const readReport = (name) => JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), "utf8"));
const bytesOf = (row) => 4 * row.parameters;

/** The link between measured processes, from the smallest and the largest network; the others check it. */
function linkOf({ buckets, processes }) {
  const rows = [...buckets].sort((left, right) => left.parameters - right.parameters);
  return fitLink(
    [rows[0], rows.at(-1)].map((row) => ({ bytes: bytesOf(row), processes, seconds: row.oneExchange.median / 1000 })),
  );
}

/** Predicted and measured steps, in one bucket and in those between machines. */
function checked(name, report) {
  const link = linkOf(report);
  const rows = report.buckets.map((row) => {
    const bytes = bytesOf(row);
    const step = { compute: row.alone.median / 1000, backward: row.backward.median / 1000, bytes };
    const compare = (buckets, found) => {
      const predicted = stepSeconds({ ...step, buckets }, report.processes, link);
      return { predicted, found: found.median / 1000, error: predicted / (found.median / 1000) - 1 };
    };
    return { network: row.network, parameters: row.parameters, alone: step.compute, one: compare([bytes], row.one),
      overlapping: compare(bucketsOf(bytes), row.overlapping) };
  });
  return { name, link, rows };
}

/** Step time and efficiency by link and number of processes. */
function predictions(step) {
  return Object.entries(LINKS).map(([link, values]) => ({ link,
    points: COUNTS.map((count) => ({ count, seconds: stepSeconds(step, count, values),
      efficiency: efficiency(step, count, values) })
    ) })
  );
}

const measured = readReport(flags.from);
const slow = readReport(flags.slow);
const { pair, one, backward } = measured.throughput;
const student = measured.buckets.find(({ network }) => network === pair.student);
const compute = one.median / 1000;
const report = {
  command: `npm run bench:cluster -- ${process.argv.slice(2).join(" ")}`.trim(),
  from: { machine: measured.machine, commands: [measured.command, slow.command], processes: measured.processes },
  assumptions: { deviation: DEVIATION, backwardShare: BACKWARD_SHARE, links: LINKS },
  checked: [checked("on one machine", measured), checked("over a link of 1 Gbit/s", slow)],
  pair: { ...pair, compute,
    predictions: predictions({ compute, backward: backward.median / 1000, bytes: bytesOf(student),
      deviation: DEVIATION }) },
  // By how long a GPU computes on its share, whatever it is: the gradients are those of a ResNet-50.
  accelerators: [0.01, 0.03, 0.1].map((share) => ({ compute: share,
    predictions: predictions({ compute: share, backward: BACKWARD_SHARE * share, bytes: 4 * 25.6e6,
      deviation: DEVIATION }) })
  ),
};
const tables = clusterTables(report);
console.log(tables);
if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
