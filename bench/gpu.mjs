// One training step of Knowledge Review on a GPU, here and in PyTorch, in turns; and this package's kernels compared
// with a copy on the same device.
// Usage: npm run bench:gpu -- [--rounds 15] [--steps 20] [--pairs resnet56-resnet20@128,…] [--no-compiled]
// [--no-baselines] [--no-kernels]
//                             [--styles LIST]        of bench/pytorch_styles.py, instead of all
//                             [--ready-seconds 600]  time limit for compiling a style
//                             [--write NAME]         writes the figures to bench/results/NAME.json and the tables to
//                                                    bench/results/NAME.md
// The baselines need a Python with a CUDA torch and numpy: REVIEWKD_BENCH_PYTHON, or python3. They omit data
// preparation; here the images are cropped and flipped on the device, and that time counts. A style that fails appears
// in the table with its reason.
import { parseArgs } from "node:util";
import { createDistiller, createModel, createSession, loadDataset, systemInfo } from "../dist/index.js";
import { Baseline } from "./support/baseline.mjs";
import { gpuTables } from "./support/gpu-tables.mjs";
import { describeMachine } from "./support/machine.mjs";
import { reasonOf, startPeers, stylesOf } from "./support/peers.mjs";
import { keepResults } from "./support/results.mjs";
import { spreadMs } from "./support/statistics.mjs";
import { kernelRates } from "./support/testing-addon.mjs";

const { values: flags } = parseArgs({
  options: {
    pairs: { type: "string", default: "resnet56-resnet20@128,resnet32x4-resnet8x4@128" },
    rounds: { type: "string", default: "15" },
    steps: { type: "string", default: "20" },
    device: { type: "string", default: "cuda" },
    compiled: { type: "boolean", default: true },
    baselines: { type: "boolean", default: true },
    kernels: { type: "boolean", default: true },
    styles: { type: "string" },
    "ready-seconds": { type: "string", default: "600" },
    write: { type: "string" },
  },
  allowNegative: true,
});
const CLASSES = 100;
const SIDE = 32;
const steps = Number(flags.steps);
const progress = (line) => process.stderr.write(`bench:gpu: ${line}\n`);

const { cuda } = await systemInfo();
if (flags.device === "cuda" && !cuda.available) {
  process.stderr.write(`CUDA_UNAVAILABLE: no CUDA device (${cuda.reason}). Run npx reviewkd doctor.\n`);
  process.exit(1);
}
if (cuda.plugin?.loaded !== true)
  progress(`without the plugin's kernels: ${cuda.plugin?.reason ?? "no device"}; ${cuda.plugin?.fix ?? ""}`);

function settingOf(text) {
  const match = /^(\w+)-(\w+)@(\d+)$/.exec(text);
  if (!match)
    throw new Error(
      `invalid --pairs: expected TEACHER-STUDENT@BATCH with commas between, received ${text}. Pass a pair such as resnet56-resnet20@128.`,
    );
  return { teacher: match[1], student: match[2], batch: Number(match[3]), size: SIDE, classes: CLASSES,
    device: flags.device };
}

/** A training whose `run` performs `steps` steps as a native epoch. */
async function prepare({ teacher, student, batch }, { precision, graphs = true, fused = true }) {
  const count = batch * steps;
  const images = Uint8Array.from({ length: count * 3 * SIDE * SIDE }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);
  const split = { images, labels: Uint8Array.from({ length: count }, (_, i) => i % CLASSES) };
  const data = await loadDataset({ kind: "arrays", numClasses: CLASSES, height: SIDE, width: SIDE, train: split,
    test: { images: images.slice(0, 3 * SIDE * SIDE), labels: Uint8Array.of(0) } });
  const networks = [await createModel(teacher, { numClasses: CLASSES, seed: 1 }),
    await createModel(student, { numClasses: CLASSES, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1],
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({ distiller, precision, fused, device: flags.device,
    optimizer: { kind: "sgd", learningRate: 0.001, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } });
  let epoch = 0;
  return {
    graph: undefined,
    async run() {
      process.env["REVIEWKD_CUDA_GRAPHS"] = graphs ? "1" : "0";
      const started = performance.now();
      const summary = await session.trainEpoch(data, { epoch: epoch++, epochs: 1e6, batchSize: batch, seed: 1 });
      this.graph = summary.graph;
      return { step: (performance.now() - started) / 1000 / steps };
    },
    dispose() {
      session.dispose();
      distiller.dispose();
      for (const network of networks) network.dispose();
      data.dispose();
    },
  };
}

async function measure(setting, styles) {
  const label = `${setting.teacher} → ${setting.student}`;
  const { peers, failures } = await startPeers(styles, setting, { readySeconds: Number(flags["ready-seconds"]),
    progress: (line) => progress(`${label}: ${line}`) });
  const contenders = new Map(
    [...peers].map(([style, peer]) => [style, () => peer.ask("burst", { name: style, steps })]),
  );
  const trainings = new Map();
  for (const [name, options] of Object.entries({
    "reviewkd float32": { precision: "float32" },
    "reviewkd bfloat16": { precision: "bfloat16" },
    "reviewkd bfloat16, not recorded": { precision: "bfloat16", graphs: false },
    "reviewkd bfloat16, reference": { precision: "bfloat16", fused: false },
  })) {
    const training = await prepare(setting, options);
    trainings.set(name, training);
    contenders.set(name, () => training.run());
  }
  const seconds = new Map([...contenders.keys()].map((name) => [name, []]));
  // The first two rounds warm up.
  for (let round = -2; round < Number(flags.rounds); ++round) {
    progress(`${label}: ${round < 0 ? "warm-up" : `round ${round + 1} of ${flags.rounds}`}`);
    for (const [name, run] of contenders) {
      try {
        const { step } = await run();
        if (round >= 0) seconds.get(name).push(step);
      } catch (error) {
        failures[name] = reasonOf(error);
        contenders.delete(name);
        seconds.delete(name);
      }
    }
  }
  const graphs = Object.fromEntries([...trainings].map(([name, { graph }]) => [name, graph ?? null]));
  for (const peer of peers.values()) peer.close();
  for (const training of trainings.values()) training.dispose();
  const results = Object.fromEntries([...seconds].map(([name, list]) => [name, spreadMs(list)]));
  return { setting, results, graphs, failures };
}

const machine = { ...(await describeMachine()), gpu: cuda.devices, plugin: cuda.plugin };
if (flags.baselines) {
  const baseline = new Baseline();
  machine.baseline = await baseline.ask("describe", { device: flags.device });
  baseline.close();
}
const styles = flags.baselines ? flags.styles?.split(",") ?? stylesOf(flags) : [];
const report = { command: `npm run bench:gpu -- ${process.argv.slice(2).join(" ")}`.trim(), machine,
  rounds: Number(flags.rounds), steps, pairs: [], kernels: {} };
for (const bfloat16 of flags.kernels ? [false, true] : []) {
  progress(`kernels in ${bfloat16 ? "bfloat16" : "float32"}`);
  const small = flags.device === "cpu"; // the host emulation, which tests that this program works
  const options = { device: flags.device, bfloat16, images: small ? 2 : 1024, channels: 64, side: 32,
    runs: small ? 1 : 100 };
  report.kernels[bfloat16 ? "bfloat16" : "float32"] = await kernelRates(options);
}
for (const text of flags.pairs.split(",")) report.pairs.push(await measure(settingOf(text), styles));

const tables = gpuTables(report);
console.log(tables);
if (flags.write !== undefined) keepResults(flags.write, report, { ".md": `# On a GPU\n\n${tables}\n` });
