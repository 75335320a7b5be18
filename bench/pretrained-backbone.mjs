// The gain of a pretrained backbone: each kind of detector learns a few photographs with it, and as long with a
// random backbone; AP on these photographs and on others. With pictures of what the detectors find.
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import sharp from "sharp";
import { createDetector, createSession, drawDetections, loadDataset, readCocoAnnotations } from "../dist/index.js";
import { wholeNumber } from "./support/arguments.mjs";
import { describeMachine } from "./support/machine.mjs";
import { keepResults } from "./support/results.mjs";
import { describeRun, table } from "./support/tables.mjs";

const RESULTS = fileURLToPath(new URL("results/", import.meta.url));
const KINDS = ["faster-rcnn", "retinanet", "mask-rcnn"];
/** Small photographs have small objects: anchors shrink with the photographs from COCO's 800 pixels. */
const SIDES = [12, 24, 48, 96, 192];
const ANCHORS = { two: SIDES.map((side) => [side]),
  retinanet: SIDES.map((side) => [side, side * 2 ** (1 / 3), side * 2 ** (2 / 3)]) };
/** Few objects need few samples of regions. */
const REGIONS = { rpnPreNmsTopNTrain: 500, rpnPostNmsTopNTrain: 300, rpnPostNmsTopNTest: 300, boxBatchSizePerImage: 64,
  anchorSizes: ANCHORS.two };
/**
 * RetinaNet has no norm in its heads, which start small: the classification head learns nothing for hundreds of steps
 * unless its rate is high, and a backbone with frozen norms, its pyramid and the regression head diverge at that rate.
 */
const TWO_STAGE = { epochs: 64, learningRate: 0.01, clipNorm: 10, groups: [] };
const scaled = (pattern, learningRateScale) => ({ pattern, learningRateScale });
/** Masks learn last: their head sees positive regions alone. */
const TRAININGS = { "faster-rcnn": TWO_STAGE,
  "mask-rcnn": { ...TWO_STAGE, epochs: 96, groups: [scaled("roi_heads.mask_", 3)] },
  retinanet: { epochs: 96, learningRate: 0.1, clipNorm: 3,
    groups: [scaled("backbone.body", 0.05), scaled("backbone.fpn", 0.1), scaled("regression_head", 0.1)] } };
const PICTURES = { columns: 4, rows: 2, width: 240, height: 180, score: 0.5 };

const flags = new Command("npm run bench:pretrained-backbone --")
  .description("Trains detectors on a few photographs with a pretrained backbone and with a random one.")
  .requiredOption("--data <directory>", "photographs and annotations in COCO's layout")
  .requiredOption("--backbone-weights <file>", "a MobileNetV2 trained on ImageNet")
  .option("--models <list>", "with commas between", (text) => text.split(","), KINDS)
  .option("--images <n>", "photographs to learn", wholeNumber, 32)
  .option("--epochs <n>", "passes over them (default: 64, or 96 with masks and of RetinaNet)", wholeNumber)
  .option("--batch <n>", "images of a step", wholeNumber, 2)
  .option("--size <n>", "shorter side of the resized photographs", wholeNumber, 320)
  .option("--threads <n>", "of an operation", wholeNumber, cpus().length)
  .option("--pretrained-only", "omit the random backbone")
  .option("--save <directory>", "keep the detectors' weights")
  .option("--write <name>", "write each detector's figures to bench/results/NAME-DETECTOR.json, with table and picture")
  .parse().opts();
const progress = (line) => process.stderr.write(`bench: ${line}\n`);

const { data: root } = flags;
const split = (name) => ({ images: join(root, name), annotations: join(root, `instances_${name}.json`) });
const [train, val] = [split("train2017"), split("val2017")];

/** A data set that is trained on the first photographs and tested on those of `test`. */
const dataset = (test, limitTest) =>
  loadDataset({
    kind: "coco",
    images: { train: train.images, val: test.images },
    annotations: { train: train.annotations, val: test.annotations },
    limitTrain: flags.images,
    limitTest,
    flip: false, // these photographs and no others are to be learned
  });

function detectorOf(kind, classes, pretrained) {
  const switches = kind === "retinanet" ? { anchorSizes: ANCHORS.retinanet } : REGIONS;
  return createDetector(`${kind}-mobilenetv2-fpn`, {
    numClasses: kind === "retinanet" ? classes : classes + 1,
    seed: 0,
    ...(pretrained ? { backboneWeights: flags.backboneWeights } : {}),
    detection: { ...switches, minSize: flags.size, maxSize: 2 * flags.size },
  });
}

const trainingOf = (kind) => ({ ...TRAININGS[kind], epochs: flags.epochs ?? TRAININGS[kind].epochs });

async function learn(detector, data, { epochs, learningRate, clipNorm, groups }) {
  const { batch: batchSize, threads } = flags;
  const session = await createSession({ model: detector, threads, clipNorm,
    optimizer: { kind: "sgd", learningRate, nesterov: false, weightDecay: 1e-4, normWeightDecay: 0, groups } });
  const schedule = { kind: "cosine", warmupEpochs: Math.min(2, epochs / 10) };
  for (let epoch = 0; epoch < epochs; ++epoch) {
    const { losses, seconds } = await session.trainEpoch(data, { epoch, epochs, batchSize, schedule });
    if (epoch % 5 === 0 || epoch === epochs - 1)
      progress(`epoch ${epoch + 1}/${epochs}: loss ${losses.total.toFixed(3)}, ${seconds.toFixed(1)} s`);
  }
  session.dispose();
}

/** One picture of the first photographs with what the detector finds in them. */
async function draw(detector, data, path) {
  const { columns, rows, width, height, score } = PICTURES;
  const annotations = await readCocoAnnotations(train.annotations);
  const tiles = await Promise.all(Array.from({ length: columns * rows }, async (_, index) => {
    const file = join(train.images, annotations.image(index).fileName);
    const found = await detector.detect(file, { scoreThreshold: score });
    const classNames = detector.name.startsWith("retinanet") ? data.classNames : ["", ...data.classNames];
    const picture = await drawDetections(file, found, { classNames });
    const input = await sharp(picture).resize(width, height, { fit: "contain", background: "white" }).png().toBuffer();
    return { input, left: (index % columns) * width, top: Math.floor(index / columns) * height };
  }));
  await sharp({ create: { width: columns * width, height: rows * height, channels: 3, background: "white" } })
    .composite(tiles).jpeg({ quality: 80 }).toFile(path);
}

async function trainAndMeasure(kind, backbone) {
  const data = await dataset(val);
  const learned = await dataset(train, flags.images);
  const detector = await detectorOf(kind, data.numClasses, backbone === "pretrained");
  progress(`${detector.name}, ${backbone} backbone, ${detector.parameterCount()} parameters`);
  const started = performance.now();
  await learn(detector, data, trainingOf(kind));
  const seconds = (performance.now() - started) / 1000;
  if (flags.save !== undefined) await detector.save(join(flags.save, `${kind}-${backbone}.safetensors`));
  const batchSize = flags.batch;
  const onPhotographs = await detector.evaluate(learned.test, { batchSize });
  const onOthers = await detector.evaluate(data.test, { batchSize });
  progress(`AP50 ${onPhotographs.ap50.toFixed(3)} on the photographs, ${onOthers.ap50.toFixed(4)} on others`);
  if (flags.write !== undefined && backbone === "pretrained")
    await draw(detector, data, join(RESULTS, `${flags.write}-${kind}.jpg`));
  for (const owner of [detector, data, learned]) owner.dispose();
  return { kind, backbone, seconds, photographs: onPhotographs, others: onOthers };
}

const percent = (value) => (value === undefined ? "" : (100 * value).toFixed(2));
const columns = ["detector", "backbone", "AP50", "AP", "mask AP50", "AP50, others", "AP, others", "mask AP50, others",
  "minutes"];
const cells = (
  { kind, backbone, photographs, others, seconds },
) => [kind, backbone,
  ...[photographs.ap50, photographs.ap, photographs.maskAp50, others.ap50, others.ap, others.maskAp50].map(percent),
  (seconds / 60).toFixed(1)];

for (const kind of flags.models) {
  const rows = [];
  for (const backbone of flags.pretrainedOnly ? ["pretrained"] : ["pretrained", "random"])
    rows.push(await trainAndMeasure(kind, backbone));
  const report = { command: `npm run bench:pretrained-backbone -- ${process.argv.slice(2).join(" ")}`,
    machine: await describeMachine(), settings: { ...flags, training: trainingOf(kind) }, rows };
  const text = `${describeRun(report)}\n\n${table(columns, rows.map(cells))}\n`;
  console.log(text);
  // As soon as a detector is measured, so that a run that is stopped loses only the next one.
  if (flags.write !== undefined) keepResults(`${flags.write}-${kind}`, report, { "-tables.md": text });
}
