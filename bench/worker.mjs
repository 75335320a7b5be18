// The overhead of a step in a worker: the same small step in this process, in a process of its own and in a thread, in
// turns.
// Also the time to send a batch of 128 images of 32×32 pixels. Prints medians in milliseconds; exits 1 if a step whose
// batch is already in the trainer takes over 1 ms longer.
// Usage: npm run bench:worker -- [--steps N] [--json]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import * as here from "../dist/index.js";
import { startWorker } from "../dist/worker/index.js";

const LIMIT_MS = 1;
const { values: flags } = parseArgs({
  options: { steps: { type: "string", default: "500" }, json: { type: "boolean", default: false } },
});
const steps = Number(flags.steps);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const SMALL = { values: new Float32Array(4 * 3 * 8 * 8), shape: [4, 3, 8, 8] };
const LARGE = { values: new Float32Array(128 * 3 * 32 * 32), shape: [128, 3, 32, 32] };

const images = (api, { values, shape }) => api.Tensor.from(values, shape);
const labels = (api, { shape: [count] }) =>
  api.Tensor.from(Array.from({ length: count }, (_, index) => index % 4), [count], { dtype: "int64" });

async function contender(name, api) {
  const session = await api.createSession({ model: await api.createModel("resnet8", { numClasses: 4 }), threads: 1 });
  const batch = { images: images(api, SMALL), labels: labels(api, SMALL) };
  return {
    name,
    steps: [],
    uploads: [],
    step: () => session.step(batch),
    // Measures sending the values, not training on them.
    async upload() {
      const tensor = images(api, LARGE);
      await session.position();
      tensor.dispose();
    },
  };
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const workers = [await startWorker({ via: "process" }), await startWorker({ via: "worker" })];
const [own, ...others] = [await contender("this process", here), await contender("process", workers[0]),
  await contender("worker", workers[1])];
for (let step = -20; step < steps; ++step) {
  for (const one of [own, ...others]) {
    const [stepMs, uploadMs] = [await timed(one.step), await timed(one.upload)];
    if (step < 0) continue;
    one.steps.push(stepMs);
    one.uploads.push(uploadMs);
  }
}
const { libtorch, cpu } = await here.systemInfo();
for (const worker of workers) await worker.close();

const rows = [own, ...others].map(({ name, steps: times, uploads }) => ({
  via: name,
  stepMs: median(times),
  stepMoreMs: median(times.map((time, index) => time - own.steps[index])),
  uploadMs: median(uploads),
}));
if (flags.json) {
  console.log(JSON.stringify({ steps, rows }));
} else {
  console.log(
    `${steps} steps in turns; ${cpu.model}, ${cpus().length} cores, Node ${process.version}, libtorch ${libtorch.version}`,
  );
  for (const { via, stepMs, stepMoreMs, uploadMs } of rows) {
    console.log(
      `${via.padEnd(12)} step ${stepMs.toFixed(3)} ms, ${stepMoreMs.toFixed(3)} ms more than in this process; 1.5 MB of images ${uploadMs.toFixed(3)} ms`,
    );
  }
}
if (rows.some(({ stepMoreMs }) => stepMoreMs > LIMIT_MS)) process.exitCode = 1;
