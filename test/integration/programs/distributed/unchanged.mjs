// Trains what is frozen in part, and compares it with what it was: unchanged.mjs. Prints the results.
import { createDetector, createDistiller, createModel, createSession, joinProcessGroup, loadDataset } from "reviewkd";

const group = await joinProcessGroup({ timeoutSeconds: 60 });

/** Names of the entries of a network that have changed. */
async function changedBy(network, work) {
  const bytesOf = async () =>
    Object.entries(await network.stateDict()).map(([name, tensor]) => {
      const { buffer, byteOffset, byteLength } = tensor.toTypedArray();
      return [name, Buffer.from(buffer, byteOffset, byteLength)];
    });
  const before = new Map(await bytesOf());
  await work();
  return (await bytesOf()).filter(([name, bytes]) => !bytes.equals(before.get(name))).map(([name]) => name);
}

/** A detector with a frozen half and a normalizer of its own, with statistics of each process or of all. */
async function detector(syncBatchNorm) {
  const data = await loadDataset({ kind: "scenes", trainSamples: 3, testSamples: 3, imageSize: 48 });
  const model = await createDetector("retinanet-resnet18-fpn", { data, seed: 1, flavor: "detectron2",
    detection: { minSize: null, maxSize: 64, norm: "frozen", trainableLayers: 3 } });
  const session = await createSession({ model, threads: 1, syncBatchNorm, distributed: group,
    optimizer: { kind: "sgd", learningRate: 0.001 } });
  const changed = await changedBy(model, async () => {
    await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 3, seed: 2, augment: false });
    await session.checkSame();
  });
  return { frozen: changed.filter((name) => /body\.conv1|layer1|bn\d|downsample\.1/.test(name)),
    trained: changed.filter((name) => /layer4.*conv|head/.test(name)).length };
}

/** A teacher in train mode, of which statistics alone change. */
async function teacher() {
  const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 24, testSamples: 4 });
  const [teacher, model] = [await createModel("resnet8", { numClasses: 4, seed: 2 }),
    await createModel("resnet8", { numClasses: 4, seed: 1 })];
  await teacher.loadStateDict(await teacher.stateDict());
  const distiller = await createDistiller({ teacher, student: model, method: { kind: "kd", teacherMode: "train" } });
  const session = await createSession({ distiller, threads: 1, distributed: group });
  const changed = await changedBy(teacher, async () => {
    await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 12, seed: 2 });
    await session.checkSame();
  });
  return { weights: changed.filter((name) => !/running_|num_batches/.test(name)),
    statistics: changed.filter((name) => /running_/.test(name)).length };
}

process.stdout.write(
  `${
    JSON.stringify({ rank: group.rank, own: await detector(false), synced: await detector(true),
      teacher: await teacher() })
  }\n`,
);
await group.leave();
