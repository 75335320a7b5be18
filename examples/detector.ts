// From your own photographs, annotated in Pascal VOC's layout, to a small detector that a larger one has taught. Both
// start from random values; with --backbone-weights, a MobileNetV2 for ImageNet, the student needs fewer photographs.
//   node --import tsx examples/detector.ts VOC_FOLDER [--epochs 12] [--size 320] [--out runs/detector]
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createDetector, createDistiller, drawDetections, fit, listImages, loadDataset } from "reviewkd";

const { positionals: [root = "VOC"], values } = parseArgs({ allowPositionals: true, options: {
  "epochs": { type: "string", default: "12" },
  "size": { type: "string", default: "320" },
  "out": { type: "string", default: "runs/detector" },
  "backbone-weights": { type: "string" },
} });
const [epochs, size, out] = [Number(values.epochs), Number(values.size), values.out];

const data = await loadDataset({ kind: "voc", root });
console.log(
  `${data.train.size} photographs to learn from, ${data.test.size} to test on: ${data.classNames.join(", ")}`,
);
const detection = { minSize: size, maxSize: 2 * size };
/** Run again after an interruption: what is done is skipped. */
const training = (name: string) => ({ data, epochs, batchSize: 4, runDirectory: join(out, name),
  resume: existsSync(join(out, name, "config.json")) });

const teacher = await createDetector("faster-rcnn-resnet34-fpn", { data, detection, seed: 1 });
for await (const event of fit({ ...training("teacher"), model: teacher }))
  if (event.type === "epoch") console.log(`teacher, epoch ${event.epoch + 1}: AP ${event.test.ap?.toFixed(3)}`);

const student = await createDetector("faster-rcnn-mobilenetv2-fpn", { data, detection, seed: 2,
  backboneWeights: values["backbone-weights"] });
const distiller = await createDistiller({ teacher, student, method: { kind: "review" } });
for await (const event of fit({ ...training("student"), distiller, evaluateTeacher: false }))
  if (event.type === "epoch") console.log(`student, epoch ${event.epoch + 1}: AP ${event.test.ap?.toFixed(3)}`);

await student.save(join(out, "student.pth")); // torchvision loads it as well
const [photograph = ""] = await listImages(join(root, "JPEGImages"));
const found = await student.detect(photograph, { scoreThreshold: 0.3 });
await writeFile(join(out, "found.png"), await drawDetections(photograph, found, { classNames: student.labelNames }));
console.log(`wrote ${join(out, "student.pth")} and what it finds in ${photograph}: ${join(out, "found.png")}`);
