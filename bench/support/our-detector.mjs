// This package's trainings of detectors, as bench/detection.mjs and bench/detector-distillation.mjs measure them, and
// the data of both sides.
import { readFileSync, writeFileSync } from "node:fs";
import { createDetector, createDistiller, createSession, readStateDict, Tensor } from "../../dist/index.js";

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

/** A batch from the data of both sides; `images` is a file. */
function batchOf({ kind, images, targets, batch, size }) {
  const bytes = readFileSync(images);
  const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const count = 3 * size * size;
  return {
    images: Array.from({ length: batch },
      (_, index) => Tensor.from(pixels.slice(index * count, (index + 1) * count), [3, size, size])),
    targets: targets.map((target) => targetTensors(target, kind, size)),
  };
}

function disposeBatch({ images, targets }) {
  for (const tensor of [...images, ...targets.flatMap((target) => Object.values(target))]) tensor.dispose();
}

/** A detector trained in the published way: frozen norms, and a frozen stem and first stage. */
const detectorOf = (name, weights, switches) =>
  createDetector(name, { numClasses: CLASSES, weights,
    detection: { norm: "frozen", trainableLayers: 3, ...switches } });

const optimizerOf = (learningRate) => ({ kind: "sgd", learningRate, momentum: 0.9, nesterov: false,
  weightDecay: 1e-4 });

/** Runs a step. Returns its result, with seconds of the step and of all its threads. */
async function timedStep(session, data) {
  const elapsed = clock();
  const { seconds: parts, losses } = await session.step(data);
  return { ...elapsed(), parts, losses };
}

export async function prepareOurs(setting) {
  const { kind, weights, size, learningRate, threads } = setting;
  const detector = await detectorOf(`${kind}-resnet50-fpn`, weights, { minSize: size, maxSize: size });
  const session = await createSession({ model: detector, threads, optimizer: optimizerOf(learningRate) });
  const data = batchOf(setting);
  return {
    /** Seconds of one training step, of all its threads and of its parts, and its losses. */
    async step() {
      const { seconds, parts, ...rest } = await timedStep(session, data);
      return { step: seconds, ...parts, ...rest };
    },
    /** Seconds of finding objects, and their number by image. */
    async detect() {
      const elapsed = clock();
      const found = await detector.detect(data.images, { maskThreshold: null });
      const { seconds, processor } = elapsed();
      const result = { detect: seconds, processor, found: found.map(({ scores }) => scores.shape[0]) };
      for (const image of found) for (const tensor of Object.values(image)) tensor.dispose();
      return result;
    },
    dispose() {
      session.dispose();
      detector.dispose();
      disposeBatch(data);
    },
  };
}

/** So many that no sample is drawn at random: losses of both sides can then be compared. */
const ALL_SAMPLES = { rpnBatchSizePerImage: 2 ** 20, boxBatchSizePerImage: 2 ** 20 };

/** A distillation, its student's training alone and its teacher's passes. The student alone has values of its own. */
export async function prepareOurDistillation(setting) {
  const { kind, weights, learningRate, threads, weight, precision, allSamples = false } = setting;
  const create = (role) =>
    detectorOf(`${kind}-${setting[role]}-fpn`, weights[role], { minSize: null, ...(allSamples ? ALL_SAMPLES : {}) });
  const [teacher, student, alone] = [await create("teacher"), await create("student"), await create("student")];
  const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight, warmupEpochs: 0 } });
  const { state } = await readStateDict(weights.review);
  await distiller.loadStateDict(state, { strict: false });
  for (const tensor of Object.values(state)) tensor.dispose();
  const options = { threads, precision, optimizer: { ...optimizerOf(learningRate), normWeightDecay: 0 } };
  const distillation = await createSession({ distiller, ...options });
  const training = await createSession({ model: alone, ...options });
  const data = batchOf(setting);
  const step = async (session) => {
    const { losses, parts, ...rest } = await timedStep(session, data);
    const { objectness, rpnBoxReg, classifier, boxReg, perStage } = losses;
    return { ...rest, ...parts, losses: { objectness, rpnBoxReg, classifier, boxReg }, levels: perStage };
  };
  return {
    distill: () => step(distillation),
    student: () => step(training),
    /** The teacher's pyramid and, in addition, its proposals: the nearest that the API has to the pyramid alone. */
    async teacher() {
      const elapsed = clock();
      const output = await teacher.forward(data.images);
      const result = elapsed();
      for (const part of Object.values(output).flat()) if (part instanceof Tensor) part.dispose();
      return result;
    },
    dispose() {
      for (const each of [distillation, training, distiller, teacher, student, alone]) each.dispose();
      disposeBatch(data);
    },
  };
}
