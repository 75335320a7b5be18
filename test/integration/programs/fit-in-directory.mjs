// Trains a small student in a run directory, resuming an existing run, and prints the events of `fit`, one JSON per
// line. If the run fails, saves the student to RESCUE, if given.
// Arguments: DIRECTORY [OPTIONS as JSON [RESCUE]]. With the option "wait", training starts after a line on standard
// input.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { createDistiller, createModel, fit, loadDataset } from "reviewkd";

const SIDE = 8;
const [directory, text = "{}", rescue] = process.argv.slice(2);
const { method, wait = false, trainSamples = 64, ...options } = JSON.parse(text);
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Noise on a colour per class; labels cycle through the classes. */
function images(count, seed) {
  let state = seed;
  const values = Uint8Array.from({ length: count * 3 * SIDE * SIDE }, (_, position) => {
    state = (state * 48271) % 2147483647;
    const label = Math.floor(position / (3 * SIDE * SIDE)) % 4;
    const channel = Math.floor((position % (3 * SIDE * SIDE)) / (SIDE * SIDE));
    return (state % 90) + ((label >> channel) & 1) * 150;
  });
  return { images: values, labels: Uint8Array.from({ length: count }, (_, index) => index % 4) };
}

const data = await loadDataset({ kind: "arrays", numClasses: 4, height: SIDE, width: SIDE,
  train: images(trainSamples, 1), test: images(16, 2) });
const teacher = await createModel("resnet8", { numClasses: 4, seed: 2 });
const student = await createModel("resnet8", { numClasses: 4, seed: 1 });
const distiller = await createDistiller({ teacher, student,
  method: method ?? { kind: "review", warmupEpochs: 2, midChannels: 8 }, seed: 3 });
if (wait) {
  report({ type: "ready" });
  await once(process.stdin, "data");
  process.stdin.destroy();
}
try {
  const run = fit({
    distiller,
    data,
    epochs: 6,
    batchSize: 8,
    seed: 5,
    threads: 1,
    schedule: { kind: "cosine" },
    optimizer: { kind: "sgd", learningRate: 0.02 },
    runDirectory: directory,
    resume: existsSync(join(directory, "config.json")),
    retryDelaysMs: [50, 50, 50],
    ...options,
  });
  for await (const event of run) if (event.type !== "progress") report(event);
} catch (error) {
  report({ type: "error", code: error.code, message: error.message });
  if (rescue !== undefined) await student.save(rescue);
  process.exitCode = 1;
}
