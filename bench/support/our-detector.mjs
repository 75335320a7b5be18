// This package's training of a detector, as bench/detection.mjs measures it, and the data of both sides.
import { readFileSync, writeFileSync } from "node:fs";
import { createDetector, createSession, Tensor } from "../../dist/index.js";

const OBJECTS = 12;
const CLASSES = 91;

/** Uniform numbers in [0, 1) from a linear congruential generator: the same data in each run. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Writes images [batch, 3, size, size] of noise to a file and returns objects of many sizes, in whole pixels. */
export function drawData({ batch, size, images }) {
  const random = uniform(2021);
  writeFileSync(images, Float32Array.from({ length: batch * 3 * size * size }, random));
  const targets = Array.from({ length: batch }, () => {
    const boxes = Array.from({ length: OBJECTS }, () => {
      const [width, height] = [0, 0].map(() => 24 + Math.floor((size / 2) * random()));
      const [left, top] = [Math.floor((size - width) * random()), Math.floor((size - height) * random())];
      return [left, top, left + width, top + height];
    });
    return { boxes, labels: boxes.map(() => 1 + Math.floor((CLASSES - 1) * random())) };
  });
  return targets;
}

function rectangle([left, top, right, bottom], size) {
  const mask = new Uint8Array(size * size);
  for (let y = top; y < bottom; ++y) mask.fill(1, y * size + left, y * size + right);
  return mask;
}

function targetTensors({ boxes, labels }, kind, size) {
  const target = {
    boxes: Tensor.from(Float32Array.from(boxes.flat()), [boxes.length, 4]),
    labels: Tensor.from(BigInt64Array.from(labels, BigInt), [labels.length]),
  };
  if (kind !== "mask-rcnn") return target;
  const masks = new Uint8Array(boxes.length * size * size);
  boxes.forEach((box, index) => masks.set(rectangle(box, size), index * size * size));
  return { ...target, masks: Tensor.from(masks, [boxes.length, size, size]) };
}

/** Starts a clock that returns seconds, and those of all threads of this process. */
function clock() {
  const started = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - started) / 1000, processor: (user + system) / 1e6 };
  };
}

export async function prepareOurs({ kind, weights, images, targets, batch, size, learningRate, threads }) {
  const detector = await createDetector(`${kind}-resnet50-fpn`, { numClasses: CLASSES, weights,
    detection: { minSize: size, maxSize: size, norm: "frozen", trainableLayers: 3 } });
  const session = await createSession({ model: detector, threads,
    optimizer: { kind: "sgd", learningRate, momentum: 0.9, nesterov: false, weightDecay: 1e-4 } });
  const bytes = readFileSync(images);
  const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const count = 3 * size * size;
  const given = Array.from({ length: batch },
    (_, index) => Tensor.from(pixels.slice(index * count, (index + 1) * count), [3, size, size]));
  const data = { images: given, targets: targets.map((target) => targetTensors(target, kind, size)) };
  return {
    /** Seconds of one training step, of all its threads and of its parts, and its losses. */
    async step() {
      const elapsed = clock();
      const { seconds: parts, losses } = await session.step(data);
      const { seconds, processor } = elapsed();
      return { step: seconds, processor, ...parts, losses };
    },
    /** Seconds of finding objects, and their number by image. */
    async detect() {
      const elapsed = clock();
      const found = await detector.detect(given, { maskThreshold: null });
      const { seconds, processor } = elapsed();
      const result = { detect: seconds, processor, found: found.map(({ scores }) => scores.shape[0]) };
      for (const image of found) for (const tensor of Object.values(image)) tensor.dispose();
      return result;
    },
    dispose() {
      session.dispose();
      detector.dispose();
      for (const tensor of [...given, ...data.targets.flatMap((target) => Object.values(target))]) tensor.dispose();
    },
  };
}
