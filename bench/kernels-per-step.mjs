// The work that a training step submits to the device: kernels, copies and memsets by name and stream, of an unrecorded
// step and of the recorded graph. Runs on the recording CUDA runtime, on a machine without a GPU;
// `npm run check:cuda -- --count` builds that and starts this program with its environment.
// Usage: npm run check:cuda -- --count [--pair resnet56-resnet20@128] [--precision bfloat16] [--json]
import { rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { between, isWork, readRecording, shortName, waitsForAll } from "../scripts/cuda/recorded-calls.js";
import { connect } from "../scripts/cuda/recording-control.js";

const { values: flags } = parseArgs({
  options: { pair: { type: "string", default: "resnet56-resnet20@128" },
    precision: { type: "string", default: "bfloat16" }, json: { type: "boolean", default: false } },
});
const CLASSES = 100;
const SIDE = 32;
/** Enough for the graph to be recorded, and some steps after that. */
const STEPS = 8;
const recording = process.env["REVIEWKD_RECORDING_FILE"] ?? "";

const control = connect();
const { createDistiller, createModel, createSession, loadDataset } = await import("../dist/index.js");
const [, teacher, student, size] = /^(\w+)-(\w+)@(\d+)$/.exec(flags.pair) ?? [];
if (teacher === undefined || student === undefined || size === undefined)
  throw new Error(
    `invalid --pair: expected TEACHER-STUDENT@BATCH, received ${flags.pair}. Pass a pair such as resnet56-resnet20@128.`,
  );
const batch = Number(size);

/** The calls of an epoch, after one that chooses algorithms and allocates memory; and all recorded calls. */
async function epochOf(graphs) {
  const images = new Uint8Array(batch * STEPS * 3 * SIDE * SIDE);
  const train = { images, labels: Uint8Array.from({ length: batch * STEPS }, (_, i) => i % CLASSES) };
  const data = await loadDataset({ kind: "arrays", numClasses: CLASSES, height: SIDE, width: SIDE, train,
    test: { images: images.slice(0, 3 * SIDE * SIDE), labels: Uint8Array.of(0) } });
  const networks = [await createModel(teacher, { numClasses: CLASSES, seed: 1 }),
    await createModel(student, { numClasses: CLASSES, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1],
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({
    distiller,
    precision: flags.precision,
    device: "cuda",
    optimizer: { kind: "sgd", learningRate: 0.001, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  });
  process.env["REVIEWKD_CUDA_GRAPHS"] = graphs ? "1" : "0";
  const settings = { epochs: 100, batchSize: batch, seed: 1 };
  await session.trainEpoch(data, { epoch: 0, ...settings });
  control.mark("begin");
  const { graph } = await session.trainEpoch(data, { epoch: 1, ...settings });
  control.mark("end");
  for (const owner of [session, distiller, ...networks, data]) owner.dispose();
  const all = readRecording(recording);
  writeFileSync(recording, "");
  return { graph, epoch: between(all, "begin", "end"), all };
}

/**
 * One step of an epoch: from its first operation to that of the next one. Losses are read at time intervals; a step
 * without such a read is chosen.
 */
function stepOf(epoch) {
  const anchor = epoch.find((call) =>
    (isWork(call) || call.kind === "graph") && epoch.filter(({ name }) => name === call.name).length === STEPS
  )?.name;
  const begins = epoch.flatMap(({ name }, index) => (anchor !== undefined && name === anchor ? [index] : []));
  const steps = begins.slice(0, -1).map((begin, index) => epoch.slice(begin, begins[index + 1]));
  const step = steps.findLast((calls) => !calls.some(waitsForAll));
  if (step === undefined)
    throw new Error("no step without a read of its losses was recorded. Run this again on an idle machine.");
  return rowsOf(step);
}

/** [name, stream, count] */
function rowsOf(calls) {
  const counts = new Map();
  for (const call of renumbered(calls.filter(isWork))) {
    const key = JSON.stringify([shortName(call), call.stream]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => [...JSON.parse(key), count]);
}

/** The calls with streams named A, B … in order of appearance. */
function renumbered(calls) {
  const order = [];
  return calls.map((call) => {
    if (!order.includes(call.stream)) order.push(call.stream);
    return { ...call, stream: call.stream === 0 ? "default"
      : String.fromCharCode(65 + order.filter((stream) => stream !== 0).indexOf(call.stream)) };
  });
}

function table(title, rows) {
  const streams = [...new Set(rows.map(([, stream]) => stream))].sort();
  const names = new Map();
  for (const [name, stream, count] of rows) names.set(name, { ...names.get(name), [stream]: count });
  const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const lines = [...names].sort(([, a], [, b]) => total(b) - total(a)).map(([name, counts]) =>
    `| ${name} | ${total(counts)} | ${streams.map((stream) => counts[stream] ?? "").join(" | ")} |`
  );
  const all = streams.map((stream) =>
    rows.filter(([, other]) => other === stream).reduce((sum, [, , count]) => sum + count, 0)
  );
  const kernels = rows.filter(([name]) => !/^(?:copy|memset)/.test(name)).reduce((sum, [, , count]) => sum + count, 0);
  return [`## ${title}`, "", `${all.reduce((sum, count) => sum + count, 0)} in total, ${kernels} of them kernels.`, "",
    `| | count | ${streams.map((stream) => `stream ${stream}`).join(" | ")} |`,
    `|---|---|${streams.map(() => "---|").join("")}`, ...lines,
    `| **all** | **${all.reduce((sum, count) => sum + count, 0)}** | ${all.join(" | ")} |`, ""].join("\n");
}

const step = stepOf((await epochOf(false)).epoch);
const replayed = await epochOf(true);
const outside = stepOf(replayed.epoch);
const launch = replayed.all.findLast(({ call }) => call === "cudaGraphLaunch");
const exec = Number(/exec (\d+)/.exec(launch?.name ?? "")?.[1]);
const graph = replayed.all.find((call) => call.call === "cudaGraphInstantiate" && call.exec === exec)?.graph;
const capture = replayed.all.find((call) => call.call === "cudaStreamEndCapture" && call.graph === graph)?.capture;
const nodes = rowsOf(replayed.all.filter((call) => capture !== undefined && call.capture === capture));
if (flags.json) {
  process.stdout.write(
    `${JSON.stringify({ pair: flags.pair, precision: flags.precision, step, graph: nodes, outside }, undefined, 2)}\n`,
  );
} else {
  process.stdout.write(
    [`# Work of a step: ${flags.pair}, ${flags.precision}`, "", table("An unrecorded step", step),
      capture === undefined ? `No graph: ${replayed.graph?.reason}\n` : table("The recorded graph", nodes),
      table("Before a replay", outside)].join("\n"),
  );
}
rmSync(recording, { force: true });
