// The small training that the programs in this folder share.
import { createDistiller, createModel, createSession, loadDataset, Tensor } from "reviewkd";

const SIDE = 8;

/** Creates a session of a student with its teacher. */
export async function smallSession() {
  const teacher = await createModel("resnet8", { numClasses: 4, seed: 2 });
  const student = await createModel("resnet8", { numClasses: 4, seed: 1 });
  const distiller = await createDistiller({ teacher, student });
  return createSession({ distiller, threads: 1 });
}

/** Images and labels of one step. */
export function smallBatch() {
  const values = Float32Array.from({ length: 4 * 3 * SIDE * SIDE }, (_, index) => ((index * 37) % 64) / 32 - 1);
  return { images: Tensor.from(values, [4, 3, SIDE, SIDE]),
    labels: Tensor.from([0, 1, 2, 3], [4], { dtype: "int64" }) };
}

/** Enough images for an epoch that outlasts the test: more than a thousand steps. */
export function longData() {
  const images = Uint8Array.from({ length: 6000 * 3 * SIDE * SIDE }, (_, index) => (index * 31) % 256);
  const train = { images, labels: Uint8Array.from({ length: 6000 }, (_, index) => index % 4) };
  const test = { images: images.slice(0, 3 * SIDE * SIDE), labels: [0] };
  return loadDataset({ kind: "arrays", numClasses: 4, height: SIDE, width: SIDE, train, test });
}

/** Starts an epoch over `longData()`; calls `onTraining` once, when it is running. */
export function startLongEpoch(session, data, onTraining) {
  let called = false;
  return session.trainEpoch(data, {
    epoch: 0,
    epochs: 1,
    batchSize: 4,
    onProgress: () => {
      if (!called) onTraining();
      called = true;
    },
  });
}
