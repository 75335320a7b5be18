// Resident memory over 10,000 steps with an evaluation and checkpoints after every ten of them, and over 1,000 networks
// that are built and disposed of. Prints means over the first and the last tenth; exits 1 if the last is more than
// LIMIT_MIB above the first. Code is compiled and allocators settle in the warm-up steps, which are reported
// separately.
// Usage: npm run bench:memory -- [--json] [--steps N] [--warm-up N] [--models N]
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createDistiller, createModel, fit, loadDataset, systemInfo } from "../dist/index.js";

const LIMIT_MIB = 1;
const SIDE = 8;
const BATCH = 16;
const STEPS_PER_EPOCH = 10;
const count = (text) => Math.max(20, Number(text));

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    steps: { type: "string", default: "10000" },
    "warm-up": { type: "string", default: "6000" },
    models: { type: "string", default: "1000" },
  },
});

/** Resident memory in MiB after a garbage collection. */
function resident() {
  globalThis.gc();
  return process.memoryUsage.rss() / 2 ** 20;
}

/** Means by tenth after the first `warmUp` samples, and the maximum. */
function summary(samples, warmUp = 0) {
  const counted = samples.slice(warmUp);
  const mean = (part) => part.reduce((sum, value) => sum + value, 0) / part.length;
  const tenthsMiB = Array.from({ length: 10 },
    (_, index) =>
      mean(counted.slice(Math.floor((index * counted.length) / 10), Math.floor(((index + 1) * counted.length) / 10))));
  const [firstMiB, lastMiB] = [tenthsMiB[0], tenthsMiB[9]];
  return { beforeMiB: samples[0], firstMiB, lastMiB, growthMiB: lastMiB - firstMiB, largestMiB: Math.max(...samples),
    tenthsMiB };
}

function pixels(samples) {
  const images = Uint8Array.from({ length: samples * 3 * SIDE * SIDE }, (_, index) => (index * 31) % 256);
  return { images, labels: Uint8Array.from({ length: samples }, (_, index) => index % 4) };
}

async function training(steps, warmUp) {
  const epochs = Math.ceil((warmUp + steps) / STEPS_PER_EPOCH);
  const data = await loadDataset({
    kind: "arrays",
    numClasses: 4,
    height: SIDE,
    width: SIDE,
    train: pixels(BATCH * STEPS_PER_EPOCH),
    test: pixels(32),
  });
  const teacher = await createModel("resnet8", { numClasses: 4, seed: 1 });
  const student = await createModel("resnet8", { numClasses: 4, seed: 2 });
  const distiller = await createDistiller({ teacher, student, method: { kind: "review", warmupEpochs: 0 } });
  const directory = await mkdtemp(join(tmpdir(), "reviewkd-memory-"));
  const samples = [];
  try {
    const run = fit({
      distiller,
      data,
      epochs,
      batchSize: BATCH,
      threads: 1,
      schedule: { kind: "cosine" },
      optimizer: { kind: "sgd", learningRate: 0.01 },
      runDirectory: join(directory, "run"),
      checkpointEvery: 10,
      keepCheckpoints: 3,
    });
    for await (const event of run) if (event.type === "epoch") samples.push(resident());
  } finally {
    for (const owner of [distiller, student, teacher, data]) owner.dispose();
    await rm(directory, { recursive: true, force: true });
  }
  return summary(samples, Math.ceil(warmUp / STEPS_PER_EPOCH));
}

async function models(number) {
  const samples = [];
  for (let index = 0; index < number; ++index) {
    const model = await createModel("resnet20", { numClasses: 100, seed: index });
    model.dispose();
    samples.push(resident());
  }
  return summary(samples);
}

if (typeof globalThis.gc !== "function")
  throw new Error("this benchmark needs --expose-gc. Start it with npm run bench:memory.");
const results = { training: await training(count(flags.steps), count(flags["warm-up"])),
  models: await models(count(flags.models)) };
const system = await systemInfo();
const passed = Object.values(results).every(({ growthMiB }) => growthMiB <= LIMIT_MIB);
const about = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version,
  libtorch: system.libtorch.version };

if (flags.json) {
  console.log(JSON.stringify({ ...results, ...about, limitMiB: LIMIT_MIB, passed }));
} else {
  const line = (what, { firstMiB, lastMiB, growthMiB, largestMiB }) =>
    console.log(
      `  ${what}: first tenth ${firstMiB.toFixed(1)} MiB, last tenth ${lastMiB.toFixed(1)} MiB (${growthMiB >= 0 ? "+" : ""}${growthMiB.toFixed(1)}), at most ${largestMiB.toFixed(1)} MiB`,
    );
  console.log("resident memory");
  console.log(`  ${count(flags["warm-up"])} warm-up steps: from ${results.training.beforeMiB.toFixed(1)} MiB`);
  line(`${count(flags.steps)} steps, an evaluation and checkpoints after every ${STEPS_PER_EPOCH}`, results.training);
  console.log(`    by tenth: ${results.training.tenthsMiB.map((value) => value.toFixed(1)).join(", ")}`);
  line(`${count(flags.models)} networks built and disposed of`, results.models);
  console.log(`  ${about.cpu}, ${about.cores} cores; Node ${about.node}; libtorch ${about.libtorch}`);
  console.log(passed ? `neither grew by more than ${LIMIT_MIB} MiB` : `one grew by more than ${LIMIT_MIB} MiB`);
}
if (!passed) process.exitCode = 1;
