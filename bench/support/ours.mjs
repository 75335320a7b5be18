// This package's training of a pair of networks, as the benchmarks measure it.
import { createDistiller, createModel, createSession, loadDataset, Tensor } from "../../dist/index.js";
import { median } from "./statistics.mjs";

/** Numbers distributed like normalized pixels, the same in each run. */
function pixels(count) {
  const values = new Float32Array(count);
  let state = 12345;
  for (let i = 0; i < count; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/**
 * Milliseconds of a step in a custom loop and in the native epoch, over the same batches in turns: resnet20 distilled
 * from resnet56. Both read their images from the same data set; the custom loop reads each step's result.
 */
export async function measureLoop({ threads, batch = 64, steps = 30, rounds = 4 }) {
  const data = await loadDataset({ kind: "synthetic", numClasses: 20, trainSamples: batch * steps, testSamples: 100 });
  const networks = [await createModel("resnet56", { numClasses: 20, seed: 1 }),
    await createModel("resnet20", { numClasses: 20, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1],
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({ distiller, threads, optimizer: { kind: "sgd", learningRate: 0.01 } });
  const own = [];
  const native = [];
  for (let round = 0; round <= rounds; ++round) {
    let started = performance.now();
    for await (const images of data.train.batches({ batchSize: batch, seed: 1, epoch: round }))
      await session.step(images);
    const ownMs = (performance.now() - started) / steps;
    started = performance.now();
    await session.trainEpoch(data, { epoch: round, epochs: rounds + 1, batchSize: batch, seed: 1 });
    const nativeMs = (performance.now() - started) / steps;
    if (round === 0) continue; // warm-up
    own.push(ownMs);
    native.push(nativeMs);
  }
  session.dispose();
  distiller.dispose();
  for (const network of networks) network.dispose();
  data.dispose();
  return { batch, steps, rounds, ownMs: median(own), nativeMs: median(native) };
}

export async function prepareOurs({ teacher, student, batch, size, classes, precision, threads, fused = true }) {
  const networks = [await createModel(teacher, { numClasses: classes, seed: 1 }),
    await createModel(student, { numClasses: classes, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1],
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({
    distiller,
    precision,
    threads,
    fused,
    optimizer: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  });
  const images = Tensor.from(pixels(batch * 3 * size * size), [batch, 3, size, size]);
  const labels = Tensor.from(BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes)), [batch]);
  return {
    session,
    /** Seconds of one step and of its parts. */
    async step() {
      const started = performance.now();
      const { seconds } = await session.step({ images, labels });
      return { step: (performance.now() - started) / 1000, ...seconds };
    },
    dispose() {
      session.dispose();
      distiller.dispose();
      for (const network of networks) network.dispose();
      images.dispose();
      labels.dispose();
    },
  };
}
