// A small study on a pool of worker threads: which learning rate suits the student? Each worker has its own trainer in
// this process.
// JavaScript, because on Node 20 a worker thread does not inherit tsx.
//   node examples/worker-pool.mjs
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { createModel, fit, loadDataset } from "reviewkd";

/** Runs one training, with a single thread, because the pool has one worker per core. */
async function train({ learningRate, seed }) {
  const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 128, testSamples: 64 });
  const model = await createModel("resnet8", { numClasses: data.numClasses, seed });
  let top1 = 0;
  for await (const event of fit({ model, data, epochs: 1, batchSize: 32, threads: 1, seed,
    optimizer: { kind: "sgd", learningRate } })) {
    if (event.type === "end") top1 = event.last.top1;
  }
  model.dispose();
  data.dispose();
  return { learningRate, seed, top1 };
}

async function study() {
  const cells = [0.01, 0.05].flatMap((learningRate) => [0, 1].map((seed) => ({ learningRate, seed })));
  const results = [];
  const waiting = [...cells];
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), cells.length) }, async () => {
    const worker = new Worker(new URL(import.meta.url));
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      worker.postMessage(cell);
      results.push((await once(worker, "message"))[0]);
    }
    await worker.terminate();
  }));
  for (const { learningRate, seed } of cells) {
    const { top1 } = results.find((result) => result.learningRate === learningRate && result.seed === seed);
    console.log(`learning rate ${learningRate}, seed ${seed}: ${top1.toFixed(1)} %`);
  }
}

if (isMainThread) await study();
else parentPort.on("message", async (cell) => {
    parentPort.postMessage(await train(cell));
  });
