// Trains a detector for an epoch and evaluates it: detect.mjs NETWORK DATA as JSON. Prints losses and results.
import { createDetector, createSession, fit, joinProcessGroup, loadDataset } from "reviewkd";

const [network, text] = process.argv.slice(2);
const group = await joinProcessGroup({ timeoutSeconds: 60 });
const data = await loadDataset(JSON.parse(text));
const model = await createDetector(network, { data, seed: 1, detection: { minSize: null, maxSize: 64 } });
const training = { model, data, epochs: 1, batchSize: 4, seed: 5, threads: 1, augment: false, clipNorm: 4,
  optimizer: { kind: "sgd", learningRate: 0.01 }, evaluationBatchSize: 2, distributed: group };
let trained;
for await (const event of fit(training)) if (event.type === "epoch") trained = event;

// With the same weights: batches for all processes, and fewer of them than there are.
const session = await createSession({ model, threads: 1, distributed: group });
const together = [];
const alone = [];
for (const batchSize of [2, 256]) {
  together.push(await session.evaluate(data.test, { batchSize, perClass: true }));
  alone.push(await model.evaluate(data.test, { batchSize, perClass: true, threads: 1 }));
}
process.stdout.write(
  `${JSON.stringify({ rank: group.rank, losses: trained.train.losses, test: trained.test, together, alone })}\n`,
);
await group.leave();
