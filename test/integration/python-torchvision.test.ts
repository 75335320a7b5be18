// Exchange of detectors with a Python that has torchvision: REVIEWKD_TEST_PYTHON, or else python3.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createDistiller, type DetectionOptions, type Detector, exportStudent, fit, loadDataset,
  readStateDict, type StateDict, Tensor } from "../../lib/index.js";
import { sequence } from "../support/deterministic.js";
import { expectAllNear, valuesOf } from "../support/numeric.js";
import { pythonWithTorch } from "../support/python-torch.js";
import { askTorchvision, type FoundInPython, type TorchvisionRequest } from "../support/python-torchvision.js";

const DETECTORS = [
  { name: "faster-rcnn-resnet50-fpn", detector: "fasterrcnn_resnet50_fpn" },
  { name: "mask-rcnn-resnet50-fpn", detector: "maskrcnn_resnet50_fpn" },
  { name: "retinanet-resnet50-fpn", detector: "retinanet_resnet50_fpn" },
] as const;

const NUM_CLASSES = 3;
const SIZE = [72, 100] as const;
const SIDES: DetectionOptions = { minSize: 64, maxSize: 128 };

describe("with torchvision's detectors", function () {
  this.timeout(600_000);
  let folder: string | undefined;
  let python: string;
  let image: Tensor;
  const answers = new Map<string, FoundInPython>();

  const file = (name: string): string => join(folder ?? "", name);
  const fromPython = (name: string): string => file(`python-${name}.pth`);
  const ours = (name: string): string => file(`ours-${name}.pth`);

  before(async function () {
    const found = await pythonWithTorch("torch, torchvision");
    if (found === undefined) {
      console.warn("      no Python with torchvision found (set REVIEWKD_TEST_PYTHON): detectors are not exchanged");
      this.skip();
    }
    python = found;
    folder = await mkdtemp(join(tmpdir(), "reviewkd-torchvision-"));
    const pixels = Float64Array.from(sequence("image", 3 * SIZE[0] * SIZE[1]), (value) => value + 0.5);
    image = Tensor.from(pixels, [3, ...SIZE]);
    await writeFile(file("image"), new Uint8Array(pixels.buffer));
    const common = { arguments: { num_classes: NUM_CLASSES, min_size: SIDES.minSize, max_size: SIDES.maxSize },
      image: file("image"), size: SIZE };
    const ask = async (requests: readonly TorchvisionRequest[]): Promise<FoundInPython[]> =>
      askTorchvision(python, file("requests.json"), requests);
    // First Python's files, then ours, which are Python's after a round trip through the package.
    const saved = await ask(
      DETECTORS.map(({ name, detector }, seed) => ({ ...common, detector, seed, save: fromPython(name) })),
    );
    for (const { name } of DETECTORS) {
      using detector = await createDetector(name, { weights: fromPython(name), detection: SIDES });
      await detector.save(ours(name));
    }
    const loaded = await ask(DETECTORS.map(({ name, detector }) => ({ ...common, detector, load: ours(name) })));
    for (const [index, { name }] of DETECTORS.entries()) {
      answers.set(fromPython(name), saved[index]!);
      answers.set(ours(name), loaded[index]!);
    }
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function expectSameDetections(detector: Detector, want: FoundInPython): Promise<void> {
    const [found] = await detector.detect([image]);
    expect(want.scores, "the image has objects").to.have.length.greaterThan(5);
    expect(valuesOf(found!.labels)).to.deep.equal(want.labels);
    // torchvision scales boxes by a float32 ratio; everything else is float64 in both.
    expectAllNear(valuesOf(found!.boxes), want.boxes.flat(), 1e-4, "boxes");
    expectAllNear(valuesOf(found!.scores), want.scores, 1e-4, "scores");
    expect(found!.masks === undefined).to.equal(want.masks === null);
    if (want.masks === null) return;
    const masks = valuesOf(found!.masks!);
    const area = SIZE[0] * SIZE[1];
    const pixels = want.masks.map((_, i) =>
      masks.slice(i * area, (i + 1) * area).reduce((sum, value) => sum + value, 0)
    );
    expect(pixels).to.deep.equal(want.masks);
  }

  it("loads a distilled student, exported alone, with strict=True and at its own cost", async () => {
    const CHANNELS = 128;
    using data = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 4, testSamples: 2, imageSize: 64 });
    // Frozen norms, as those of a student with a pretrained backbone.
    const detection: DetectionOptions = { ...SIDES, norm: "frozen", pyramidChannels: CHANNELS, boxScoreThresh: 0.01 };
    using student = await createDetector("faster-rcnn-resnet18-fpn", { data, seed: 3, detection });
    using teacher = await createDetector("mask-rcnn-resnet18-fpn", { data, seed: 4 });
    for (const one of [student, teacher]) await one.loadStateDict(await one.stateDict());
    using distiller = await createDistiller({ teacher, student, method: { kind: "review" } });
    for await (const event of fit({ distiller, data, epochs: 1, batchSize: 2, threads: 1,
      optimizer: { kind: "sgd", learningRate: 1e-4 }, runDirectory: file("run") }))
      expect(event.type).to.be.a("string");
    const path = await exportStudent(file("run"), file("student.pth"));
    // Nothing of the teacher, of the fusions or of the optimizer.
    const shapesOf = (state: StateDict) => Object.entries(state).map(([name, { shape }]) => [name, shape]).sort();
    expect(shapesOf((await readStateDict(path)).state)).to.deep.equal(shapesOf(await student.stateDict()));
    const [found] = await askTorchvision(python, file("requests.json"), [{ detector: "FasterRCNN", backbone: "resnet18",
      channels: CHANNELS, load: path, image: file("image"), size: SIZE,
      arguments: { num_classes: NUM_CLASSES, min_size: SIDES.minSize, max_size: SIDES.maxSize,
        box_score_thresh: 0.01 } }]);
    using exported = await createDetector("faster-rcnn-resnet18-fpn", { weights: path, dtype: "float64" });
    await expectSameDetections(exported, found!);
  });

  for (const { name } of DETECTORS) {
    it(`detects the same after loading its file: ${name}`, async () => {
      using detector = await createDetector(name, { weights: fromPython(name), dtype: "float64", detection: SIDES });
      expect(detector.numClasses).to.equal(NUM_CLASSES);
      await expectSameDetections(detector, answers.get(fromPython(name))!);
    });

    it(`loads ours with strict=True and detects the same: ${name}`, async () => {
      using detector = await createDetector(name, { weights: ours(name), dtype: "float64" });
      expect(detector.detection).to.include(SIDES);
      await expectSameDetections(detector, answers.get(ours(name))!);
    });
  }
});
