// What a training step gives the device: kernels, copies and memsets by name and stream, of a step by itself and of the recorded graph. Runs on the recording
// CUDA runtime, on a machine without a GPU; `npm run check:cuda -- --count` builds that and starts this with its environment.
// Usage: npm run check:cuda -- --count [--pair resnet56-resnet20@128] [--precision bfloat16] [--json]
import { rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { between, isWork, readRecording, shortName } from "../scripts/cuda/recorded-calls.mjs";
import { connect } from "../scripts/cuda/recording-control.mjs";

const { values: flags } = parseArgs({
  options: { pair: { type: "string", default: "resnet56-resnet20@128" }, precision: { type: "string", default: "bfloat16" }, json: { type: "boolean", default: false } },
});
const CLASSES = 100;
const SIDE = 32;
/** Enough for the graph to be recorded, and some steps after that. */
const STEPS = 8;
const recording = process.env["REVIEWKD_RECORDING_FILE"] ?? "";

const control = connect();
const { createDistiller, createModel, createSession, loadDataset } = await import("../dist/index.js");
const [, teacher, student, size] = /^(\w+)-(\w+)@(\d+)$/.exec(flags.pair) ?? [];
if (teacher === undefined || student === undefined || size === undefined) throw new Error(`invalid --pair: expected TEACHER-STUDENT@BATCH, received ${flags.pair}.`);
const batch = Number(size);

/** The calls of an epoch of so many steps. */
async function epochOf(steps, graphs) {
  const images = new Uint8Array(batch * steps * 3 * SIDE * SIDE);
  const train = { images, labels: Uint8Array.from({ length: batch * steps }, (_, i) => i % CLASSES) };
  const data = await loadDataset({ kind: "arrays", numClasses: CLASSES, height: SIDE, width: SIDE, train, test: { images: images.slice(0, 3 * SIDE * SIDE), labels: Uint8Array.of(0) } });
  const networks = [await createModel(teacher, { numClasses: CLASSES, seed: 1 }), await createModel(student, { numClasses: CLASSES, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1], method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({
    distiller, precision: flags.precision, device: "cuda", optimizer: { kind: "sgd", learningRate: 0.001, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  });
  process.env["REVIEWKD_CUDA_GRAPHS"] = graphs ? "1" : "0";
  // The first epoch chooses algorithms and takes memory.
  const settings = { epochs: 100, batchSize: batch, seed: 1 };
  await session.trainEpoch(data, { epoch: 0, ...settings });
  const marks = [`begin ${steps} ${graphs}`, `end ${steps} ${graphs}`];
  control.mark(marks[0]);
  const { graph } = await session.trainEpoch(data, { epoch: 1, ...settings });
  control.mark(marks[1]);
  for (const owner of [session, distiller, ...networks, data]) owner.dispose();
  const calls = readRecording(recording);
  return { graph, epoch: between(calls, marks[0], marks[1]), all: calls };
}

/** [name, stream] to how often. */
function counted(calls) {
  const counts = new Map();
  for (const call of calls) {
    const key = JSON.stringify([shortName(call), call.stream]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** What the longer epoch has more of is a step. Losses are read by the clock, so that some epochs have one read more than others: those are repeated. */
async function stepOf(graphs) {
  for (let attempt = 0; attempt < 5; ++attempt) {
    const short = await epochOf(STEPS, graphs);
    const long = await epochOf(STEPS + 1, graphs);
    const reads = (calls) => calls.filter(({ kind }) => kind === "synchronize").length;
    if (reads(short.epoch) !== reads(long.epoch)) continue;
    // Streams have other numbers in another session: they are numbered as they first appear.
    const [less, more] = [short, long].map(({ epoch }) => counted(renumbered(epoch.filter((call) => isWork(call) && call.capture === undefined))));
    const rows = [...more].map(([key, count]) => [...JSON.parse(key), count - (less.get(key) ?? 0)]).filter(([, , count]) => count !== 0);
    return { graph: long.graph, rows, calls: long.all };
  }
  throw new Error("expected two epochs whose losses are read equally often, received none in 5 attempts.");
}

function renumbered(calls) {
  const order = [];
  return calls.map((call) => {
    if (!order.includes(call.stream)) order.push(call.stream);
    return { ...call, stream: call.stream === 0 ? "default" : String.fromCharCode(65 + order.filter((stream) => stream !== 0).indexOf(call.stream)) };
  });
}

function table(title, rows) {
  const streams = [...new Set(rows.map(([, stream]) => stream))].sort();
  const names = new Map();
  for (const [name, stream, count] of rows) names.set(name, { ...names.get(name), [stream]: count });
  const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const lines = [...names].sort(([, a], [, b]) => total(b) - total(a)).map(([name, counts]) => `| ${name} | ${total(counts)} | ${streams.map((stream) => counts[stream] ?? "").join(" | ")} |`);
  const all = streams.map((stream) => rows.filter(([, other]) => other === stream).reduce((sum, [, , count]) => sum + count, 0));
  const kernels = rows.filter(([name]) => !/^(?:copy|memset)/.test(name)).reduce((sum, [, , count]) => sum + count, 0);
  return [`## ${title}`, "", `${all.reduce((sum, count) => sum + count, 0)} in all, ${kernels} of them kernels.`, "", `| | count | ${streams.map((stream) => `stream ${stream}`).join(" | ")} |`, `|---|---|${streams.map(() => "---|").join("")}`,
    ...lines, `| **all** | **${all.reduce((sum, count) => sum + count, 0)}** | ${all.join(" | ")} |`, ""].join("\n");
}

const eager = await stepOf(false);
writeFileSync(recording, "");
const replayed = await stepOf(true);
const launch = replayed.calls.findLast(({ call }) => call === "cudaGraphLaunch");
const exec = Number(/exec (\d+)/.exec(launch?.name ?? "")?.[1]);
const graph = replayed.calls.find((call) => call.call === "cudaGraphInstantiate" && call.exec === exec)?.graph;
const capture = replayed.calls.find((call) => call.call === "cudaStreamEndCapture" && call.graph === graph)?.capture;
const nodes = [...counted(renumbered(replayed.calls.filter((call) => isWork(call) && call.capture === capture)))].map(([key, count]) => [...JSON.parse(key), count]);
if (flags.json) {
  process.stdout.write(`${JSON.stringify({ pair: flags.pair, precision: flags.precision, step: eager.rows, graph: nodes, outside: replayed.rows }, undefined, 2)}\n`);
} else {
  process.stdout.write([`# Work of a step: ${flags.pair}, ${flags.precision}`, "", table("A step by itself", eager.rows),
    capture === undefined ? `No graph: ${replayed.graph?.reason}\n` : table("The recorded graph", nodes), table("In front of a replay", replayed.rows)].join("\n"));
}
rmSync(recording, { force: true });
