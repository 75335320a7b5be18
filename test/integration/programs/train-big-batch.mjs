// Trains on a batch whose largest feature maps take more than 256 MiB each, then saves and loads a checkpoint.
import process from "node:process";
import { createDistiller, createModel, createSession, loadDataset } from "reviewkd";

const BATCH = 1040; // × 64 channels × 32 × 32 pixels × 4 bytes = 260 MiB

const data = await loadDataset({ kind: "synthetic", numClasses: 2, trainSamples: BATCH, testSamples: 2 });
const teacher = await createModel("resnet8", { numClasses: 2, seed: 2 });
const student = await createModel("vgg8", { numClasses: 2, seed: 1 });
const distiller = await createDistiller({ teacher, student, method: { kind: "kd" } });
const session = await createSession({ distiller });
const { losses, images } = await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: BATCH });
await session.saveCheckpoint(process.argv[2]);
await session.loadCheckpoint(process.argv[2]);
console.log(JSON.stringify({ images, finite: Number.isFinite(losses.total) }));
