// Runs trainings one after the other, as one of several processes or alone, and prints the epochs of each and the
// checksum of its network with the image files that were opened, one JSON per line; or the error that it ends with.
// Arguments: TRAININGS as JSON, [TIMEOUT in seconds]. A training: { name, network, dtype, teacher, method, data, fit,
// save }; the first process writes its network to `save`.
import { createHash } from "node:crypto";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { createDistiller, createModel, fit, joinProcessGroup, loadDataset } from "reviewkd";

const [text, timeout = "60"] = process.argv.slice(2);
const report = (event) => process.stdout.write(`${JSON.stringify({ rank: group?.rank, ...event })}\n`);

const opened = new Set();
const { open } = files;
files.open = (path, ...rest) => {
  if (/\.jpg$/.test(path)) opened.add(path);
  return open(path, ...rest);
};
syncBuiltinESMExports();

/** Images of 8 × 8 pixels from a program. */
function streamed(samples) {
  const items = function* ({ firstImage }) {
    for (let index = firstImage; index < samples; ++index) {
      const image = Uint8Array.from({ length: 192 }, (_, at) => (index * 31 + at * (7 + index % 4)) % 256);
      yield { image, label: index % 4 };
    }
  };
  return { samples, items };
}

function dataOf(source) {
  if (source.streamed !== undefined) {
    return loadDataset({ kind: "stream", numClasses: 4, height: 8, width: 8, train: streamed(source.streamed),
      test: streamed(10) });
  }
  return loadDataset(source.kind === undefined ? { kind: "synthetic", numClasses: 4, ...source } : source);
}

/** Trained to know that its weights are meant. */
async function teacherOf(name, { classes, dtype }) {
  const teacher = await createModel(name, { numClasses: classes, dtype, seed: 2 });
  await teacher.loadStateDict(await teacher.stateDict());
  return teacher;
}

async function checksum(model) {
  const hash = createHash("sha256");
  for (const tensor of Object.values(await model.stateDict()))
    hash.update(new Uint8Array(tensor.toTypedArray().buffer));
  return hash.digest("hex");
}

async function train(
  { name, network = "resnet8", dtype = "float32", teacher, method, data: source = {}, fit: options, save },
) {
  const data = await dataOf(source);
  opened.clear();
  const model = await createModel(network, { numClasses: data.numClasses, dtype, seed: 1 });
  const target = teacher === undefined ? { model }
    : {
      distiller: await createDistiller({ teacher: await teacherOf(teacher, { classes: data.numClasses, dtype }),
        student: model, method, seed: 3 }),
    };
  const run = fit({ ...target, data, epochs: 2, batchSize: 16, seed: 5, threads: 1, evaluateTeacher: false, ...options,
    distributed: group });
  for await (const event of run)
    if (["epoch", "resumed", "interrupted", "broken-image"].includes(event.type)) report({ ...event, name });
  report({ type: "trained", name, checksum: await checksum(model), opened: [...opened] });
  if (save !== undefined && group.rank === 0) await model.save(save);
}

let group;
try {
  group = await joinProcessGroup({ timeoutSeconds: Number(timeout) });
  for (const training of JSON.parse(text)) await train(training);
} catch (error) {
  report({ type: "error", code: error.code, message: error.message });
  process.exitCode = 1;
}
await group?.leave();
