// The first program of a new user, in twenty lines: a small student learns from a small teacher.
import { createDistiller, createModel, fit, loadDataset, systemInfo } from "reviewkd";

const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 });
const teacher = await createModel("resnet14", { numClasses: 4, seed: 1 });
const student = await createModel("resnet8", { numClasses: 4, seed: 2 });
const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight: 0.6 } });

const losses = [];
for await (const event of fit({ distiller, data, epochs: 2, batchSize: 16,
  optimizer: { kind: "sgd", learningRate: 0.02 } })) {
  if (event.type === "epoch") losses.push(event.train.losses.total);
}
await student.save("student.safetensors");

const { addonPath, libtorch, node } = await systemInfo();
console.log(JSON.stringify({ losses, addonPath, libtorch: libtorch.version, node }));
