#!/usr/bin/env node
// Checks on a GPU beyond the test suites:  node scenarios.mjs [--device cuda|cpu] NAME…
// One line of JSON per scenario, with `holds`; exits with 1 if one does not hold.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** @type {typeof import("../../../lib/index.js")} */
const { createDistiller, createModel, createSession, loadDataset } = await import(
  pathToFileURL(join(process.cwd(), "dist/index.js")).href
);

const { values, positionals: names } = parseArgs({ allowPositionals: true,
  options: { device: { type: "string", default: "cuda" } } });
const DEVICE = /** @type {"cuda" | "cpu"} */ (values.device);
const ON_CPU = DEVICE === "cpu";

/**
 * @typedef {{ teacher: string, student: string, batch: number }} Pair
 * @typedef {Awaited<ReturnType<typeof loadDataset>>} Data
 * @typedef {object} SessionOptions
 * @property {"float32" | "bfloat16"} [precision]
 * @property {boolean} [graphs] whether steps may be recorded
 * @property {"cuda" | "cpu"} [device]
 * @property {number} [clipNorm]
 *
 * @typedef {{ holds: boolean } & Record<string, unknown>} Outcome
 */

/** @type {Pair} */
const SMALL = { teacher: "resnet14", student: "resnet8", batch: ON_CPU ? 2 : 32 };
/** @type {Pair} */
const LARGE = ON_CPU ? SMALL : { teacher: "resnet56", student: "resnet20", batch: 128 };
const CLASSES = 100;
const SIDE = 32;
const OPTIMIZER =
  /** @type {const} */ ({ kind: "sgd", learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });

/**
 * Batches of noise that depends on the image's class.
 *
 * @param {number} batch
 * @param {number} batches
 * @param {number} [testImages]
 */
async function dataOf(batch, batches, testImages = batch) {
  const split = (/** @type {number} */ count, /** @type {number} */ salt) => {
    const labels = Uint8Array.from({ length: count }, (_, index) => index % CLASSES);
    const images = Uint8Array.from({ length: count * 3 * SIDE * SIDE }, (_, index) => {
      const noise = Math.imul(index + salt, 2654435761) >>> 24;
      return 0.7 * noise + 0.7 * (Math.floor(index / (3 * SIDE * SIDE)) % CLASSES);
    });
    return { images, labels };
  };
  return loadDataset({ kind: "arrays", numClasses: CLASSES, height: SIDE, width: SIDE, train: split(batch * batches, 1),
    test: split(testImages, 77) });
}

/**
 * @param {Pair} pair
 * @param {SessionOptions} options
 */
async function distillation({ teacher, student }, { precision = "bfloat16", graphs = true, device = DEVICE, ...rest }) {
  process.env["REVIEWKD_CUDA_GRAPHS"] = graphs ? "1" : "0"; // read when the session takes its first step
  const distiller = await createDistiller({
    teacher: await createModel(teacher, { numClasses: CLASSES, seed: 1 }),
    student: await createModel(student, { numClasses: CLASSES, seed: 2 }),
    method: { kind: "review", weight: 0.6, warmupEpochs: 2 },
    seed: 3,
  });
  return { distiller, session: await createSession({ distiller, device, precision, optimizer: OPTIMIZER, ...rest }) };
}

/** @param {string} name */
async function training(name) {
  process.env["REVIEWKD_CUDA_GRAPHS"] = "1";
  return createSession({ model: await createModel(name, { numClasses: CLASSES, seed: 2 }), device: DEVICE,
    precision: "bfloat16", optimizer: OPTIMIZER });
}

/**
 * @param {Awaited<ReturnType<typeof createSession>>} session
 * @param {Data} data
 * @param {number} batchSize
 */
const trainEpoch = (session, data, batchSize, epoch = 0) =>
  session.trainEpoch(data, { epoch, epochs: 1000, batchSize, seed: 7 });

/**
 * Trains two epochs and returns the digest of the weights, the loss and whether steps were replayed.
 *
 * @param {Pair} pair
 * @param {Data} data
 * @param {SessionOptions} options
 */
async function outcomeOf(pair, data, options) {
  const { session } = await distillation(pair, options);
  await trainEpoch(session, data, pair.batch);
  const { losses, graph } = await trainEpoch(session, data, pair.batch, 1);
  const hash = createHash("sha256");
  for (const [name, tensor] of Object.entries(await session.model.stateDict()))
    hash.update(name).update(new Uint8Array(tensor.toTypedArray().buffer));
  session.dispose();
  return { digest: hash.digest("hex").slice(0, 16), loss: losses.total, graph: graph ?? null };
}

/** Memory in use on the device in MiB; undefined without nvidia-smi. */
function usedMebibytes() {
  const { stdout } = spawnSync("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"], {
    encoding: "utf8",
  });
  return stdout ? Number(stdout.split("\n")[0]) : undefined;
}

/**
 * Runs a scenario in a separate process, which it may crash.
 *
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 */
function inChild(name, env = {}) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--device",
    DEVICE, name], { encoding: "utf8", env: { ...process.env, ...env }, timeout: 60_000 });
  const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
  /** @type {Outcome | undefined} */
  const result = line === undefined ? undefined : JSON.parse(line);
  return { status, signal, result, stderr: stderr.trim().split("\n").slice(-4).join(" | ").slice(0, 400) };
}

/** @param {unknown} error */
function describe(error) {
  const { code, name, message } = /** @type {Error & { code?: string }} */ (error);
  return `${code ?? name}: ${message}`.slice(0, 400);
}

/** @type {Record<string, () => Promise<Outcome>>} */
const SCENARIOS = {
  /** The same seed gives the same bits: twice with recorded steps, once without. */
  async determinism() {
    const data = await dataOf(LARGE.batch, ON_CPU ? 2 : 8);
    /** @type {Record<string, unknown>} */
    const found = {};
    let holds = true;
    for (const precision of /** @type {const} */ (["float32", "bfloat16"])) {
      const outcomes = [await outcomeOf(LARGE, data, { precision }), await outcomeOf(LARGE, data, { precision }),
        await outcomeOf(LARGE, data, { precision, graphs: false })];
      found[precision] = outcomes;
      holds &&= new Set(outcomes.map(({ digest }) => digest)).size === 1 &&
        (ON_CPU || outcomes[0]?.graph?.replayed === true);
    }
    return { holds, found };
  },

  /**
   * Three simultaneous trainings in one process, one recording while the others run, give the same bits as sequential
   * ones.
   */
  async concurrent() {
    const data = await dataOf(SMALL.batch, ON_CPU ? 2 : 12);
    const options =
      /** @type {const} */ ([{ precision: "bfloat16" }, { precision: "float32" }, { precision: "bfloat16" }]);
    const alone = [];
    for (const option of options) alone.push(await outcomeOf(SMALL, data, option));
    const together = await Promise.all(options.map((option) => outcomeOf(SMALL, data, option)));
    return { holds: alone.every(({ digest }, index) => digest === together[index]?.digest), alone, together };
  },

  /** Many sessions in sequence, more than the pool has streams, leave no memory in use on the device. */
  async many() {
    const data = await dataOf(SMALL.batch, ON_CPU ? 2 : 6);
    const digests = new Set();
    const mebibytes = [];
    const quarter = ON_CPU ? 1 : 6;
    for (let count = 1; count <= 4 * quarter; ++count) {
      digests.add((await outcomeOf(SMALL, data, {})).digest);
      if (count % quarter === 0) mebibytes.push(usedMebibytes());
    }
    const [, second, , last] = mebibytes;
    return { holds: digests.size === 1 && (second === undefined || last === undefined || last <= second + 64),
      digests: digests.size, mebibytes };
  },

  /**
   * Steps that cannot be recorded (without caching, a recording forbids allocations) are run one by one and give the
   * same bits.
   */
  async abandoned() {
    const data = await dataOf(SMALL.batch, ON_CPU ? 2 : 6);
    const plain = await outcomeOf(SMALL, data, { graphs: false });
    const child = inChild("abandoned-child", { PYTORCH_NO_CUDA_MEMORY_CACHING: "1" });
    const outcome = /** @type {typeof plain | undefined} */ (child.result?.["outcome"]);
    return { holds: outcome?.digest === plain.digest && (ON_CPU || outcome.graph?.replayed === false), plain, child };
  },
  async "abandoned-child"() {
    return { holds: true, outcome: await outcomeOf(SMALL, await dataOf(SMALL.batch, ON_CPU ? 2 : 6), {}) };
  },

  /** Networks that another session moved to another device cause an error that does not end the process. */
  async moved() {
    const child = inChild("moved-child");
    return { holds: child.signal === null && child.status === 0 && child.result !== undefined, child };
  },
  async "moved-child"() {
    const data = await dataOf(SMALL.batch, 2);
    const { distiller, session: first } = await distillation(SMALL, { device: "cpu", precision: "float32" });
    await trainEpoch(first, data, SMALL.batch);
    const second = await createSession({ distiller, device: DEVICE, precision: "float32", optimizer: OPTIMIZER });
    const lossOf = (/** @type {typeof second} */ session, /** @type {number} */ epoch) =>
      trainEpoch(session, data, SMALL.batch, epoch).then(({ losses }) => losses.total, describe);
    const outcome = await lossOf(first, 1);
    // The second session trains, whatever happened to the first one.
    const after = await lossOf(second, 0);
    return { holds: typeof after === "number", outcome, after };
  },

  /** An evaluation on the device agrees with one on the CPU. */
  async evaluate() {
    const data = await dataOf(SMALL.batch, 6, ON_CPU ? 100 : 1000);
    const { session } = await distillation(SMALL, { precision: "float32" });
    await trainEpoch(session, data, SMALL.batch);
    const onDevice = await session.evaluate(data.test);
    const model = await createModel(SMALL.student, { numClasses: CLASSES, seed: 2 });
    await model.loadStateDict(await session.model.stateDict());
    const onCpu = await model.evaluate(data.test);
    const holds = Math.abs(onDevice.loss / onCpu.loss - 1) < 1e-4 && Math.abs(onDevice.top1 - onCpu.top1) <= 0.2;
    return { holds, onDevice: [onDevice.top1, onDevice.loss], onCpu: [onCpu.top1, onCpu.loss] };
  },

  /**
   * Milliseconds per step at two batch sizes: equal if launches are the bottleneck. Steps are replayed unless that is
   * disabled.
   */
  async speed() {
    const steps = ON_CPU ? 2 : 60;
    const contenders = /** @type {[string, () => Promise<Awaited<ReturnType<typeof training>>>][]} */ ([
      ["distillation, bfloat16", async () => (await distillation(LARGE, {})).session],
      ["distillation, float32", async () => (await distillation(LARGE, { precision: "float32" })).session],
      ["distillation, bfloat16, step by step", async () => (await distillation(LARGE, { graphs: false })).session],
      ["student alone, bfloat16", () => training(LARGE.student)],
      ["teacher alone, bfloat16", () => training(LARGE.teacher)],
    ]);
    const rows = [];
    for (const batch of ON_CPU ? [SMALL.batch] : [128, 512]) {
      const data = await dataOf(batch, steps, ON_CPU ? 16 : 10_000);
      for (const [what, create] of contenders) {
        const session = await create();
        const ms = [];
        let graph;
        for (let epoch = 0; epoch < 4; ++epoch) {
          const begin = performance.now();
          ({ graph } = await trainEpoch(session, data, batch, epoch));
          ms.push(Number(((performance.now() - begin) / steps).toFixed(3)));
        }
        await session.evaluate(data.test);
        const begin = performance.now();
        await session.evaluate(data.test);
        rows.push({ what, batch, ms: Math.min(...ms.slice(1)), all: ms,
          evaluationMs: Number((performance.now() - begin).toFixed(1)), replayed: graph?.replayed ?? null,
          reason: graph?.reason ?? null });
        process.stderr.write(`${what}, batch ${batch}: ${rows.at(-1)?.ms} ms\n`);
        session.dispose();
      }
    }
    return { holds: ON_CPU || rows.every(({ what, replayed }) => replayed === !what.includes("step by step")), rows };
  },

  /** For the sanitizer: several steps and an evaluation in both precisions. */
  async small() {
    const data = await dataOf(16, 2, 40);
    const losses = [];
    for (const precision of /** @type {const} */ (["float32", "bfloat16"])) {
      const { session } = await distillation(SMALL, { precision, graphs: process.env["REVIEWKD_CUDA_GRAPHS"] !== "0",
        clipNorm: 1 });
      losses.push((await trainEpoch(session, data, 16)).losses.total, (await session.evaluate(data.test)).loss);
      session.dispose();
    }
    return { holds: losses.every(Number.isFinite), losses };
  },

  /** For the profiler: two steps of the measured pair. */
  async steps() {
    const { session } = await distillation(LARGE, { graphs: false });
    const { losses } = await trainEpoch(session, await dataOf(LARGE.batch, 2), LARGE.batch);
    return { holds: Number.isFinite(losses.total), loss: losses.total };
  },
};

let failures = 0;
for (const name of names) {
  const begin = performance.now();
  const scenario = SCENARIOS[name];
  /** @type {Outcome} */
  const outcome = scenario === undefined ?
    { holds: false,
      error: `invalid scenario: expected ${Object.keys(SCENARIOS).join(", ")}, received ${name}. Check its spelling.` }
    : await scenario().catch((/** @type {unknown} */ error) => ({ holds: false, error: describe(error) }));
  if (!outcome.holds) ++failures;
  console.log(
    JSON.stringify({ scenario: name, seconds: Number(((performance.now() - begin) / 1000).toFixed(1)), ...outcome }),
  );
}
console.log(`${names.length - failures} of ${names.length} scenarios hold`);
process.exitCode = failures === 0 && names.length > 0 ? 0 : 1;
