// From your own photographs, annotated in Pascal VOC's layout (Annotations, JPEGImages, ImageSets/Main), to a small
// detector that a larger one has taught. A MobileNetV2 for ImageNet (--backbone-weights) makes do with fewer of them.
//   node --import tsx examples/detector.ts VOC_FOLDER [--epochs 12] [--size 320] [--out runs/detector]
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createDetector, createDistiller, drawDetections, fit, listImages, loadDataset,
  type SessionTarget } from "reviewkd";

const { positionals: [root = "VOC"], values } = parseArgs({ allowPositionals: true, options: {
  "epochs": { type: "string", default: "12" },
  "size": { type: "string", default: "320" },
  "out": { type: "string", default: "runs/detector" },
  "backbone-weights": { type: "string" },
} });
const { out, "backbone-weights": backboneWeights } = values;
const detection = { minSize: Number(values.size), maxSize: 2 * Number(values.size) };

const data = await loadDataset({ kind: "voc", root });
console.log(`${data.train.size} photographs to learn from, ${data.test.size} to test on: ${data.classNames.join()}`);

async function train(name: string, target: SessionTarget): Promise<void> {
  const resume = existsSync(join(out, name, "config.json"));
  for await (const event of fit({ ...target, data, epochs: Number(values.epochs), batchSize: 4,
    runDirectory: join(out, name), resume, evaluateTeacher: false })) {
    if (event.type === "epoch") console.log(`${name}, epoch ${event.epoch + 1}: AP ${event.test.ap?.toFixed(3)}`);
    if (event.type === "end") console.log(`${name}: AP ${event.last.ap?.toFixed(3)}`);
  }
}
const teacher = await createDetector("faster-rcnn-resnet34-fpn", { data, detection, seed: 1 });
await train("teacher", { model: teacher });
const student = await createDetector("faster-rcnn-mobilenetv2-fpn", { data, detection, seed: 2, backboneWeights });
await train("student", { distiller: await createDistiller({ teacher, student, method: { kind: "review" } }) });
await student.save(join(out, "student.pth")); // PyTorch loads it as well

const [photograph = ""] = await listImages(join(root, "JPEGImages"));
const found = await student.detect(photograph, { scoreThreshold: 0.3 });
await writeFile(join(out, "found.png"), await drawDetections(photograph, found, { classNames: student.labelNames }));
console.log(`wrote ${join(out, "student.pth")} and what it finds in ${photograph}: ${join(out, "found.png")}`);
