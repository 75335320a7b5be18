// Stops trainings before the first image, which arrives late, has come, and prints how each of them ended.
// Argument: how many trainings.
import { createDetector, detectionFrom, fit, loadDataset } from "reviewkd";

const SIDE = 32;
const image = { pixels: new Uint8Array(3 * SIDE * SIDE).fill(90), height: SIDE, width: SIDE };
const annotations = await detectionFrom({ categories: [{ id: 1, name: "cell" }],
  images: Array.from({ length: 4 },
    (_, index) => ({ id: index + 1, width: SIDE, height: SIDE, boxes: [[4, 4, 20, 20]], labels: [1] })) });
const late = () => new Promise((resolve) => setTimeout(resolve, 60, image));
const data = await loadDataset({ kind: "boxes", train: { annotations, images: late },
  test: { annotations, images: late } });
const model = await createDetector("retinanet-resnet18-fpn", { data, detection: { minSize: null } });
for (let training = 0; training < Number(process.argv[2]); ++training) {
  const controller = new AbortController();
  try {
    for await (const { type } of fit({ model, data, epochs: 1, batchSize: 2, threads: 1, signal: controller.signal }))
      if (type === "start") setTimeout(() => controller.abort(), 3 * training);
  } catch (error) {
    console.log(error.code);
  }
}
