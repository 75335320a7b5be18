// The shortest program: a teacher, a student distilled from it, and the student's weights in a file. Replace the drawn
// images with yours.
//   node --import tsx examples/plain-script.ts [DIRECTORY]
import { join } from "node:path";
import { createDistiller, createModel, fit, loadDataset } from "reviewkd";

const directory = process.argv[2] ?? "runs";
const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 256, testSamples: 64 });

const teacher = await createModel("resnet14", { numClasses: data.numClasses, seed: 1 });
for await (const event of fit({ model: teacher, data, epochs: 2, batchSize: 32 })) {
  if (event.type === "epoch") console.log(`teacher, epoch ${event.epoch}: ${event.test.top1.toFixed(1)} %`);
}

const student = await createModel("resnet8", { numClasses: data.numClasses, seed: 2 });
const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight: 0.6 } });
for await (const event of fit({ distiller, data, epochs: 2, batchSize: 32,
  runDirectory: join(directory, "plain-script") })) {
  if (event.type === "epoch")
    console.log(
      `student, epoch ${event.epoch}: ${event.test.top1.toFixed(1)} %, loss ${event.train.losses.total.toFixed(3)}`,
    );
}

await student.save(join(directory, "student.safetensors"));
console.log(`saved ${join(directory, "student.safetensors")}`);
