// Each kind of detector as an ONNX file, post-processing included: in onnxruntime-node, and in onnxruntime under ONNX's
// own checker.
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { functional, Tensor, type Detections, type DetectorOptionsInput, type Flavor } from "../../lib/index.js";
import { python } from "../../lib/install/pip.js";
import { run } from "../../lib/install/process.js";
import { pythonTool } from "../../scripts/lint/python-tools.js";
import { filledDetector, namedImage } from "../support/detectors.js";
import { relativeDifference, runOnnx, type Output } from "./runtime.js";

/** float32 against float32, of which a runtime folds and fuses the operations in its own way. */
const TOLERANCE = 1e-4;
const BATCH = 7;
/** Neither is a multiple of the largest stride. */
const [HEIGHT, WIDTH] = [120, 168];

/** Outputs that the other runtime is compared by. */
const COMPARED = ["boxes", "scores", "masks"] as const;

/** detectron2's pixels reach 255: with a deviation of 1 the values of a network that was not trained would saturate. */
const DETECTRON2: DetectorOptionsInput = { flavor: "detectron2", detection: { imageStd: [57, 57, 58] } };

/** The kinds with both flavors, and another backbone. */
const DETECTORS: readonly (readonly [label: string, name: string, options: DetectorOptionsInput])[] = [
  ["faster-rcnn", "faster-rcnn-resnet18-fpn", { flavor: "torchvision" }],
  ["faster-rcnn-mobilenet", "faster-rcnn-mobilenetv2-fpn", { flavor: "torchvision" }],
  ["faster-rcnn-detectron2", "faster-rcnn-resnet18-fpn", DETECTRON2],
  ["mask-rcnn", "mask-rcnn-resnet18-fpn", { flavor: "torchvision" }],
  ["mask-rcnn-detectron2", "mask-rcnn-resnet18-fpn", DETECTRON2],
  ["retinanet", "retinanet-resnet18-fpn", { flavor: "torchvision" }],
  ["retinanet-detectron2", "retinanet-resnet18-fpn", DETECTRON2],
];

const numbers = (tensor: Tensor): number[] => Array.from(tensor.toTypedArray(), Number);

/** The rows of one image in the outputs for a batch. */
function rowsOf({ data, dims }: Output, image: number): number[] {
  const size = data.length / dims[0]!;
  return Array.from(data.subarray(image * size, (image + 1) * size), Number);
}

/** Images in one batch. */
function batchOf(images: readonly Tensor[]): Tensor {
  const values = images.flatMap((image) => numbers(image));
  return Tensor.from(Float32Array.from(values), [images.length, 3, HEIGHT, WIDTH]);
}

interface Row {
  readonly score: number;
  readonly label: number;
  readonly box: readonly number[];
}

/** The objects of an image, and the rows that are none. */
function rowsIn(boxes: readonly number[], scores: readonly number[], labels: readonly number[]): Row[] {
  return scores.map((score, i) => ({ score, label: labels[i]!, box: boxes.slice(4 * i, 4 * i + 4) }));
}

/** Whether two rows are of one object: boxes differ by a part of the image, scores by a part of their own. */
function isSame(found: Row, expected: Row): boolean {
  return found.label === expected.label &&
    Math.abs(found.score - expected.score) < TOLERANCE * expected.score &&
    found.box.every((side, i) => Math.abs(side - expected.box[i]!) < TOLERANCE * Math.max(HEIGHT, WIDTH));
}

/** Expects the objects of an image. Those of nearly equal scores may change places, also with one beyond the last. */
async function expectSame(outputs: Record<string, Output>, image: number, expected: Detections,
  flavor: Flavor): Promise<void> {
  const of = (name: string): number[] => rowsOf(outputs[name]!, image);
  const all = rowsIn(of("boxes"), of("scores"), of("labels"));
  const objects = all.filter(({ score }) => score > 0);
  const wanted = rowsIn(numbers(expected.boxes), numbers(expected.scores), numbers(expected.labels));
  expect(objects).to.have.length(wanted.length).greaterThan(0);
  expect(objects.map(({ score }) => score)).to.deep.equal(objects.map(({ score }) => score).sort((a, b) => b - a));
  const taken = new Set<number>();
  const places = wanted.map((row) => {
    const place = objects.findIndex((found, index) => !taken.has(index) && isSame(found, row));
    taken.add(place);
    return place;
  });
  const missing = wanted.filter((_, i) => places[i] === -1);
  const lowest = wanted.at(-1)!.score * (1 + TOLERANCE);
  expect(missing.filter(({ score }) => score > lowest)).to.deep.equal([]);
  for (const row of all.slice(objects.length)) expect(row).to.deep.equal({ score: 0, label: -1, box: [0, 0, 0, 0] });
  if (expected.masks !== undefined) await expectSameMasks(outputs["masks"]!, { image, places, expected, flavor });
}

interface Pairing {
  readonly image: number;
  /** The row of the file's output for each expected object; -1 for those that it lacks. */
  readonly places: readonly number[];
  readonly expected: Detections;
  readonly flavor: Flavor;
}

/** The file has probabilities within the boxes; pasted into the image they are the detector's. */
async function expectSameMasks(masks: Output, { image, places, expected, flavor }: Pairing): Promise<void> {
  const [, , side = 0] = masks.dims;
  const rows = rowsOf(masks, image);
  const own = Float32Array.from(places.flatMap((place) => rows.slice(place * side * side, (place + 1) * side * side)));
  const kept = places.flatMap((place, i) => (place === -1 ? [] : [i]));
  const boxes = numbers(expected.boxes);
  const pasted = await functional.pasteMasks(
    Tensor.from(own, [kept.length, side, side]),
    Tensor.from(Float32Array.from(kept.flatMap((i) => boxes.slice(4 * i, 4 * i + 4))), [kept.length, 4]),
    [HEIGHT, WIDTH],
    { flavor, threshold: null },
  );
  const wanted = numbers(expected.masks!);
  const area = HEIGHT * WIDTH;
  expect(relativeDifference(numbers(pasted), kept.flatMap((i) => wanted.slice(i * area, (i + 1) * area))))
    .to.be.below(TOLERANCE);
}

describe("detectors as ONNX files", function () {
  this.timeout(300_000);
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-onnx-"));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  for (const [label, name, options] of DETECTORS) {
    it(`${label} finds the same objects in onnxruntime-node, in 7 images and in one`, async () => {
      using detector = await filledDetector(name, { numClasses: 6, dtype: "float32", ...options,
        detection: { minSize: null, ...options.detection,
          ...(name.startsWith("retinanet") ? {} : { rpnPostNmsTopNTest: 100, boxDetectionsPerImg: 20 }) } });
      const images = Array.from({ length: BATCH }, (_, i) => namedImage(`${label} ${i}`, HEIGHT, WIDTH));
      const path = join(directory, `${label}.onnx`);
      const file = await detector.exportOnnx(path, { imageSize: [HEIGHT, WIDTH] });
      expect(file.inputs).to.deep.equal([{ name: "pixel_values", shape: ["batch", 3, HEIGHT, WIDTH] }]);
      const batch = batchOf(images);
      const [all, one] = [await runOnnx(path, batch), await runOnnx(path, batchOf(images.slice(0, 1)))];
      for (const [i, image] of images.entries()) {
        const found = await detector.detect(image, { maskThreshold: null });
        await expectSame(all, i, found, detector.flavor);
        if (i === 0) await expectSame(one, 0, found, detector.flavor);
      }
      writeFileSync(join(directory, `${label}.json`), JSON.stringify({ input: batch.shape, outputs: Object.fromEntries(
        COMPARED.flatMap((output) => (all[output] ? [[output, all[output].dims]] : [])),
      ) }));
      writeFileSync(join(directory, `${label}.input.f32`), batch.toTypedArray());
      for (const output of COMPARED)
        if (all[output]) writeFileSync(join(directory, `${label}.${output}.f32`), all[output].data);
    });
  }

  it("all pass ONNX's full check, and onnxruntime of Python finds the same", async () => {
    const tool = await pythonTool("onnx", process.env);
    const { stdout } = await run(python, [join(import.meta.dirname, "check_models.py"), directory], {
      env: { ...process.env, PYTHONPATH: tool },
    });
    const results = stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as { name: string; differences: Record<string, number>; batch: Record<string, number> }
    );
    expect(results.map(({ name }) => name)).to.have.members(DETECTORS.map(([label]) => label));
    for (const { name, differences, batch } of results) {
      for (const difference of [...Object.values(differences), ...Object.values(batch)])
        expect(difference, name).to.be.below(TOLERANCE);
    }
  });
});
