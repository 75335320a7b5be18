// The work of detectors during which bench/event-loop.mjs measures a timer.
import { join } from "node:path";
import sharp from "sharp";
import { createDetector, createSession, evaluateDetections, fit, groupedOrder, loadDataset,
  readCocoAnnotations } from "../../dist/index.js";
import { TRAIN2017, writeCocoFile } from "./coco-file.mjs";
import { writeDetectron2Pickle } from "./detectron2-file.mjs";
import { measured } from "./lateness.mjs";

const SCENES = { kind: "scenes", numClasses: 4, trainSamples: 60, testSamples: 20, imageSize: 128 };
const DETECTION = { minSize: 128, maxSize: 128 };
const DETECTIONS = 1e6;

async function drawing() {
  return measured(async () => {
    const data = await loadDataset({ ...SCENES, trainSamples: 1000 });
    const result = { images: data.train.size + data.test.size };
    data.dispose();
    return result;
  });
}

async function epoch() {
  const data = await loadDataset(SCENES);
  const detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 5, detection: DETECTION });
  const session = await createSession({ model: detector, optimizer: { kind: "sgd", learningRate: 0.01 } });
  return measured(async () => {
    const { images } = await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 4 });
    return { images };
  }, session, detector, data);
}

async function training(folder) {
  const data = await loadDataset(SCENES);
  const detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 5, detection: DETECTION });
  return measured(async () => {
    let events = 0;
    const run = fit({ model: detector, data, epochs: 2, batchSize: 4, evaluationBatchSize: 4,
      runDirectory: join(folder, "run"), checkpointMinutes: 0.05 });
    for await (const { type } of run) events += type === "progress" ? 1 : 0;
    return { images: 2 * data.train.size, events };
  }, detector, data);
}

async function detection(folder) {
  const photo = {
    create: { width: 1920, height: 1280, channels: 3, background: "grey",
      noise: { type: "gaussian", mean: 128, sigma: 40 } },
  };
  for (let index = 0; index < 24; ++index) await sharp(photo).jpeg().toFile(join(folder, `${index}.jpg`));
  const detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 5,
    detection: { minSize: 256, maxSize: 400 } });
  return measured(async () => {
    let objects = 0;
    for await (const { detections } of detector.detectAll(folder)) objects += detections.scores.shape[0];
    return { images: 24, objects };
  }, detector);
}

async function evaluation(_, share) {
  const [count, images] = [Math.round(share * DETECTIONS), 5000];
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const boxes = Array.from({ length: count },
    () => [600 * random(), 440 * random(), 5 + 30 * random(), 5 + 30 * random()]);
  const placed = (index) => ({ image_id: index % images, category_id: index % 80, bbox: boxes[index] });
  const groundTruth = {
    images: Array.from({ length: images }, (_, id) => ({ id, width: 640, height: 480 })),
    categories: Array.from({ length: 80 }, (_, id) => ({ id })),
    annotations: boxes.map(([, , width, height], index) => ({ ...placed(index), id: index + 1, area: width * height })),
  };
  const detections = boxes.map((_, index) => ({ ...placed(index), score: random() }));
  return measured(async () => {
    const { stats } = await evaluateDetections({ groundTruth, detections, kind: "bbox" });
    return { detections: count, ap: stats.ap };
  });
}

/** The size of train2017, or a share of it. */
async function annotationsFile(folder, share) {
  const path = join(folder, "instances.json");
  await writeCocoFile(path, { ...TRAIN2017, images: Math.round(share * TRAIN2017.images),
    annotations: Math.round(share * TRAIN2017.annotations) });
  return path;
}

async function reading(folder, share) {
  const path = await annotationsFile(folder, share);
  return measured(async () => {
    const annotations = await readCocoAnnotations(path);
    const batches = await groupedOrder(annotations.aspectRatios(), { batchSize: 8 });
    return { annotations: annotations.count, batches: batches.length };
  });
}

async function opening(folder, share) {
  const path = await annotationsFile(folder, share);
  const small = join(folder, "small.json");
  await writeCocoFile(small, { ...TRAIN2017, images: 10, annotations: 50 });
  return measured(async () => {
    const data = await loadDataset({ kind: "coco", images: folder, annotations: { train: path, val: small } });
    // Its images do not exist: the pass begins, with all annotations in native memory, and ends at the first.
    const detector = await createDetector("retinanet-resnet18-fpn", { numClasses: data.numClasses });
    const session = await createSession({ model: detector });
    const failure = await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 8 }).catch(({ code }) => code);
    const result = { images: data.train.size, failure };
    for (const owner of [session, detector, data]) owner.dispose();
    return result;
  });
}

async function truthFile(folder, share) {
  const path = await annotationsFile(folder, share);
  return measured(async () => {
    const { stats } = await evaluateDetections({ groundTruth: path, detections: [], kind: "bbox" });
    return { ap: stats.ap };
  });
}

async function loading(folder) {
  const path = join(folder, "model_final.pkl");
  await writeDetectron2Pickle(path, "faster-rcnn-resnet50-fpn");
  return measured(async () => {
    const detector = await createDetector("faster-rcnn-resnet50-fpn", { weights: path });
    const result = { matched: detector.loadReport.matched };
    detector.dispose();
    return result;
  });
}

/** By what happens meanwhile: functions of a folder of their own and the share of the largest inputs. */
export const DETECTION_CASES = {
  "scenes are drawn": drawing,
  "Faster R-CNN trains an epoch": epoch,
  "Mask R-CNN is fitted, evaluated and saved": training,
  "Mask R-CNN finds objects in a folder": detection,
  "detections are evaluated": evaluation,
  "COCO's annotations are read and ordered": reading,
  "COCO's annotations become a data set, and a pass begins": opening,
  "COCO's annotations are read as a ground truth": truthFile,
  "detectron2's weights are loaded": loading,
};
