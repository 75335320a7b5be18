// A pair of networks in training, as the bench measures it.
import { createDistiller, createModel, createSession, Tensor } from "../../dist/index.js";

/** Numbers that look like normalized pixels, the same in each run. */
function pixels(count) {
  const values = new Float32Array(count);
  let state = 12345;
  for (let i = 0; i < count; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

export async function prepareOurs({ teacher, student, batch, size, classes, precision, threads, reference = false }) {
  const networks = [await createModel(teacher, { numClasses: classes, seed: 1 }), await createModel(student, { numClasses: classes, seed: 2 })];
  const distiller = await createDistiller({ teacher: networks[0], student: networks[1], method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({
    distiller, precision, threads, ...(reference ? { reference } : {}),
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
