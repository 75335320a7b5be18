// Training in several processes on this machine: throughput against one process, and the time of the exchange for
// networks of several sizes, with one bucket and with buckets that overlap the backward pass. All contenders of one
// question take turns.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createModel } from "../dist/index.js";
import { wholeNumber } from "./support/arguments.mjs";
import { describeMachine } from "./support/machine.mjs";
import { processTables } from "./support/process-tables.mjs";
import { keepResults } from "./support/results.mjs";
import { median, spread } from "./support/statistics.mjs";

const CHILD = fileURLToPath(new URL("support/process-child.mjs", import.meta.url));

/** The published pair whose throughput is compared: both settings have 64 images for each process. */
const PAIR = { teacher: "resnet32x4", student: "resnet8x4" };
/** Trained alone, by rising number of parameters. */
const NETWORKS = ["resnet20", "resnet56", "resnet8x4", "shufflenetv2", "resnet32x4", "vgg13"];
/** Values of REVIEWKD_GRADIENT_BUCKETS. */
const BUCKETS = { one: "1000000000,1000000000", overlapping: "0,4194304" };

const flags = new Command("npm run bench:processes --")
  .description("Measures training in several processes, one thread each.")
  .option("--rounds <n>", "rounds of all contenders", wholeNumber, 7)
  .option("--steps <n>", "steps of a round", wholeNumber, 6)
  .option("--processes <n>", "processes", wholeNumber, 2)
  .option("--batch <n>", "images for each process of the pair", wholeNumber, 64)
  .option("--network-batch <n>", "the same of a network alone", wholeNumber, 16)
  .option("--only <question>", "throughput or buckets")
  .option("--networks <names>", "of buckets, with commas between", (text) => text.split(","), NETWORKS)
  .option("--write <name>", "write the figures to bench/results/NAME.json and the tables to NAME-tables.md")
  .parse().opts();
const progress = (line) => process.stderr.write(`bench: ${line}\n`);

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Processes that train together, and wait while others are measured. */
class Contender {
  static async start({ size, batch, buckets, ...networks }) {
    const port = await freePort();
    const options = JSON.stringify({ ...networks, batch: batch * size, steps: flags.steps });
    const children = Array.from({ length: size }, (_, rank) => {
      const env = { ...process.env, OMP_NUM_THREADS: "1", ...(size === 1 ? {} :
        { RANK: `${rank}`, LOCAL_RANK: `${rank}`, WORLD_SIZE: `${size}`, LOCAL_WORLD_SIZE: `${size}`,
          MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}` }),
        ...(buckets === undefined ? {} : { REVIEWKD_GRADIENT_BUCKETS: buckets }) };
      return spawn(process.execPath, [CHILD, options], { env, stdio: ["pipe", "pipe", "inherit"] });
    });
    return new Contender(children);
  }

  #answers;

  constructor(children) {
    this.children = children;
    this.#answers = createInterface({ input: children[0].stdout })[Symbol.asyncIterator]();
  }

  /** Medians over the steps of a round. */
  async round() {
    for (const child of this.children) child.stdin.write("go\n");
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("a process ended early: see its error above.");
    const taken = JSON.parse(value);
    return { seconds: median(taken.map(({ seconds }) => seconds)),
      exchange: median(taken.map(({ exchange }) => exchange)),
      backward: median(taken.map(({ backward }) => backward)) };
  }

  async end() {
    for (const child of this.children) child.stdin.end();
    await Promise.all(this.children.map((child) => child.exitCode ?? once(child, "exit")));
  }
}

/** The rounds of all contenders, which take turns; the first round of each is a warm-up. */
async function measure(name, settings) {
  const contenders = [];
  for (const setting of settings) contenders.push({ contender: await Contender.start(setting), rounds: [] });
  for (let round = -1; round < flags.rounds; ++round) {
    progress(round < 0 ? `${name}: warm-up` : `${name}: round ${round + 1} of ${flags.rounds}`);
    for (const { contender, rounds } of contenders) {
      const taken = await contender.round();
      if (round >= 0) rounds.push(taken);
    }
  }
  for (const { contender } of contenders) await contender.end();
  return contenders.map(({ rounds }) => rounds);
}

const spreadOf = (rounds, key) => spread(rounds.map((round) => 1000 * round[key]));

async function throughput() {
  const { processes: size, batch } = flags;
  const [one, several] = await measure("throughput", [{ ...PAIR, size: 1, batch }, { ...PAIR, size, batch }]);
  return { pair: PAIR, one: spreadOf(one, "seconds"), backward: spreadOf(one, "backward"),
    several: spreadOf(several, "seconds"), exchange: spreadOf(several, "exchange"), // Of `size` times the images of one process in the same time.
    efficiency: spread(one.map(({ seconds }, round) => seconds / several[round].seconds)) };
}

async function buckets() {
  const rows = [];
  for (const student of flags.networks) {
    const model = await createModel(student, { numClasses: 100 });
    const { processes: size, networkBatch: batch } = flags;
    const [alone, one, overlapping] = await measure(student, [{ student, size: 1, batch }, { student, size, batch,
      buckets: BUCKETS.one }, { student, size, batch, buckets: BUCKETS.overlapping }]);
    const parameters = model.parameterCount();
    model.dispose();
    rows.push({ network: student, parameters, alone: spreadOf(alone, "seconds"), backward: spreadOf(alone, "backward"),
      one: spreadOf(one, "seconds"), oneExchange: spreadOf(one, "exchange"),
      overlapping: spreadOf(overlapping, "seconds"), overlappingExchange: spreadOf(overlapping, "exchange"),
      gain: spread(one.map(({ seconds }, round) => seconds / overlapping[round].seconds)) });
  }
  return rows;
}

const { processes, batch, networkBatch, rounds, steps, only } = flags;
const report = {
  command: `npm run bench:processes -- ${process.argv.slice(2).join(" ")}`.trim(),
  machine: await describeMachine(),
  processes,
  batch,
  networkBatch,
  rounds,
  steps,
  ...(only === "buckets" ? {} : { throughput: await throughput() }),
  ...(only === "throughput" ? {} : { buckets: await buckets() }),
};
const tables = processTables(report);
console.log(tables);
if (flags.write !== undefined) keepResults(flags.write, report, { "-tables.md": `${tables}\n` });
