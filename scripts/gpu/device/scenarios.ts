#!/usr/bin/env node
// Checks on a GPU beyond the test suites:  node --import tsx scenarios.ts [--device cuda|cpu] NAME…
// One line of JSON per scenario, with `holds`; exits with 1 if one does not hold.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type * as ReviewKd from "../../../lib/index.js";

const { createDistiller, createModel, createSession, loadDataset } = await import(
  pathToFileURL(join(process.cwd(), "dist/index.js")).href
) as typeof ReviewKd;

const { values, positionals: names } = parseArgs({ allowPositionals: true,
  options: { device: { type: "string", default: "cuda" } } });
const DEVICE = values.device as "cuda" | "cpu";
const ON_CPU = DEVICE === "cpu";

interface Pair {
  teacher: string;
  student: string;
  batch: number;
}

interface SessionOptions {
  precision?: "float32" | "bfloat16";
  /** Whether steps may be recorded. */
  graphs?: boolean;
  device?: "cuda" | "cpu";
  clipNorm?: number;
}

type Outcome = { holds: boolean } & Record<string, unknown>;

const SMALL: Pair = { teacher: "resnet14", student: "resnet8", batch: ON_CPU ? 2 : 32 };
const LARGE: Pair = ON_CPU ? SMALL : { teacher: "resnet56", student: "resnet20", batch: 128 };
const CLASSES = 100;
const SIDE = 32;
const OPTIMIZER = { kind: "sgd", learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } as const;

/** Batches of noise that depends on the image's class. */
async function dataOf(batch: number, batches: number, testImages = batch): Promise<ReviewKd.Dataset> {
  const split = (count: number, salt: number) => {
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

async function distillation({ teacher, student }: Pair,
  { precision = "bfloat16", graphs = true, device = DEVICE, ...rest }: SessionOptions) {
  process.env["REVIEWKD_CUDA_GRAPHS"] = graphs ? "1" : "0"; // read when the session takes its first step
  const distiller = await createDistiller({
    teacher: await createModel(teacher, { numClasses: CLASSES, seed: 1 }),
    student: await createModel(student, { numClasses: CLASSES, seed: 2 }),
    method: { kind: "review", weight: 0.6, warmupEpochs: 2 },
    seed: 3,
  });
  return { distiller, session: await createSession({ distiller, device, precision, optimizer: OPTIMIZER, ...rest }) };
}

async function training(name: string): Promise<ReviewKd.Session> {
  process.env["REVIEWKD_CUDA_GRAPHS"] = "1";
  return createSession({ model: await createModel(name, { numClasses: CLASSES, seed: 2 }), device: DEVICE,
    precision: "bfloat16", optimizer: OPTIMIZER });
}

const trainEpoch = (session: ReviewKd.Session, data: ReviewKd.Dataset, batchSize: number, epoch = 0) =>
  session.trainEpoch(data, { epoch, epochs: 1000, batchSize, seed: 7 });

/** Trains two epochs and returns the digest of the weights, the loss and whether steps were replayed. */
async function outcomeOf(pair: Pair, data: ReviewKd.Dataset, options: SessionOptions) {
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
function usedMebibytes(): number | undefined {
  const { stdout } = spawnSync("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"], {
    encoding: "utf8",
  });
  return stdout ? Number(stdout.split("\n")[0]) : undefined;
}

/** Runs a scenario in a separate process, which it may crash. */
function inChild(name: string, env: NodeJS.ProcessEnv = {}) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...process.execArgv,
    fileURLToPath(import.meta.url), "--device", DEVICE, name], { encoding: "utf8", env: { ...process.env, ...env },
    timeout: 60_000 });
  const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
  const result = line === undefined ? undefined : JSON.parse(line) as Outcome;
  return { status, signal, result, stderr: stderr.trim().split("\n").slice(-4).join(" | ").slice(0, 400) };
}

function describe(error: unknown): string {
  const { code, name, message } = error as Error & { code?: string };
  return `${code ?? name}: ${message}`.slice(0, 400);
}

const SCENARIOS: Record<string, () => Promise<Outcome>> = {
  /** The same seed gives the same bits: twice with recorded steps, once without. */
  async determinism() {
    const data = await dataOf(LARGE.batch, ON_CPU ? 2 : 8);
    const found: Record<string, unknown> = {};
    let holds = true;
    for (const precision of ["float32", "bfloat16"] as const) {
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
    const options = [{ precision: "bfloat16" }, { precision: "float32" }, { precision: "bfloat16" }] as const;
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
    const outcome = child.result?.["outcome"] as typeof plain | undefined;
    return { holds: outcome?.digest === plain.digest && (ON_CPU || outcome.graph?.replayed === false), plain, child };
  },
  async "abandoned-child"() {
    return { holds: true, outcome: await outcomeOf(SMALL, await dataOf(SMALL.batch, ON_CPU ? 2 : 6), {}) };
  },

  /** Networks that another session moved to another device cause an error that does not end the process. */
  moved() {
    const child = inChild("moved-child");
    const holds = child.signal === null && child.status === 0 && child.result !== undefined;
    return Promise.resolve({ holds, child });
  },
  async "moved-child"() {
    const data = await dataOf(SMALL.batch, 2);
    const { distiller, session: first } = await distillation(SMALL, { device: "cpu", precision: "float32" });
    await trainEpoch(first, data, SMALL.batch);
    const second = await createSession({ distiller, device: DEVICE, precision: "float32", optimizer: OPTIMIZER });
    const lossOf = (session: typeof second, epoch: number) =>
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
    const contenders = [
      ["distillation, bfloat16", async () => (await distillation(LARGE, {})).session],
      ["distillation, float32", async () => (await distillation(LARGE, { precision: "float32" })).session],
      ["distillation, bfloat16, step by step", async () => (await distillation(LARGE, { graphs: false })).session],
      ["student alone, bfloat16", () => training(LARGE.student)],
      ["teacher alone, bfloat16", () => training(LARGE.teacher)],
    ] as [string, () => Promise<ReviewKd.Session>][];
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
    for (const precision of ["float32", "bfloat16"] as const) {
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
  const outcome: Outcome = scenario === undefined ?
    { holds: false,
      error: `invalid scenario: expected ${Object.keys(SCENARIOS).join(", ")}, received ${name}. Check its spelling.` }
    : await scenario().catch((error: unknown) => ({ holds: false, error: describe(error) }));
  if (!outcome.holds) ++failures;
  console.log(
    JSON.stringify({ scenario: name, seconds: Number(((performance.now() - begin) / 1000).toFixed(1)), ...outcome }),
  );
}
console.log(`${names.length - failures} of ${names.length} scenarios hold`);
process.exitCode = failures === 0 && names.length > 0 ? 0 : 1;
