// A custom training loop with a schedule that the package does not have: one cycle, up to the full rate and down to
// zero (Smith and Topin, 2018).
//   node --import tsx examples/own-loop.ts
import { createDistiller, createModel, createSession, loadDataset } from "reviewkd";

const EPOCHS = 2;
const BATCH_SIZE = 32;
const HIGHEST_RATE = 0.1;

const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 256, testSamples: 64 });
const teacher = await createModel("resnet14", { numClasses: data.numClasses, seed: 1 });
const student = await createModel("resnet8", { numClasses: data.numClasses, seed: 2 });
const distiller = await createDistiller({ teacher, student });
const session = await createSession({ distiller, optimizer: { kind: "sgd", learningRate: HIGHEST_RATE } });

const steps = EPOCHS * Math.ceil(data.train.size / BATCH_SIZE);

/**
 * The rate at a step: from a tenth of the highest rate up to it in the first third, then along half a cosine down to 0.
 */
function rateAt(step: number): number {
  const position = step / steps;
  if (position < 1 / 3) return HIGHEST_RATE * (0.1 + 0.9 * 3 * position);
  return HIGHEST_RATE * 0.5 * (1 + Math.cos(Math.PI * (position - 1 / 3) * 1.5));
}

for (let epoch = 0, step = 0; epoch < EPOCHS; ++epoch) {
  await session.setEpoch(epoch);
  for await (const batch of data.train.batches({ batchSize: BATCH_SIZE, seed: 0, epoch })) {
    await session.setLearningRate(rateAt(step++));
    const { losses, learningRate } = await session.step(batch);
    if (step % 4 === 0) console.log(`step ${step}: rate ${learningRate.toFixed(4)}, loss ${losses.total.toFixed(3)}`);
    // The step has used them; the next batches are already being prepared.
    batch.images.dispose();
    batch.labels.dispose();
  }
  const { top1 } = await session.evaluate(data.test);
  console.log(`epoch ${epoch}: ${top1.toFixed(1)} %`);
}
