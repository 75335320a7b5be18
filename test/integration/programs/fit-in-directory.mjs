// Trains a small student in a run directory, gone on with where there is a run, and prints the events of `fit`, one JSON a line. What could
// not be saved in the end is saved at a second path, where one is given.
// Words: DIRECTORY [OPTIONS as JSON [RESCUE]]. A line on standard input, if "wait" is among the options, begins the training.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { createDistiller, createModel, fit, loadDataset } from "reviewkd";

const SIDE = 8;
const [directory, text = "{}", rescue] = process.argv.slice(2);
const { method, wait = false, trainSamples = 64, ...options } = JSON.parse(text);
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Noise on a tint of the class; labels go round the classes. */
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

const data = await loadDataset({ kind: "arrays", numClasses: 4, height: SIDE, width: SIDE, train: images(trainSamples, 1), test: images(16, 2) });
const teacher = await createModel("resnet8", { numClasses: 4, seed: 2 });
const student = await createModel("resnet8", { numClasses: 4, seed: 1 });
const distiller = await createDistiller({ teacher, student, method: method ?? { kind: "review", warmupEpochs: 2, midChannels: 8 }, seed: 3 });
if (wait) {
  tell({ type: "ready" });
  await once(process.stdin, "data");
  process.stdin.destroy();
}
try {
  const run = fit({
    distiller, data, epochs: 6, batchSize: 8, seed: 5, threads: 1, schedule: { kind: "cosine" }, optimizer: { kind: "sgd", learningRate: 0.02 },
    runDirectory: directory, resume: existsSync(join(directory, "config.json")), retryDelaysMs: [50, 50, 50], ...options,
  });
  for await (const event of run) if (event.type !== "progress") tell(event);
} catch (error) {
  tell({ type: "error", code: error.code, message: error.message });
  if (rescue !== undefined) await student.save(rescue);
  process.exitCode = 1;
}
