import { expect } from "chai";
import { createDetector, createDistiller, createSession, type Dataset, type Detector, loadDataset,
  type Session } from "../../../lib/index.js";
import type { Precision } from "../../../lib/config/schemas/common.js";
import type { DetectionOptions } from "../../../lib/config/schemas/detection/detector.js";
import { namedImage, targetsOf, type TargetTensors } from "../../support/detectors.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

const SIDE = 64;
const ALL = 2 ** 20;
const NAMES = ["retinanet-resnet18-fpn", "faster-rcnn-resnet18-fpn", "mask-rcnn-resnet18-fpn"] as const;
type Name = (typeof NAMES)[number];

/**
 * Samplers take every candidate, and all anchors are proposals that none suppresses: otherwise scores that differ by a
 * rounding choose other regions, whose losses say nothing about precision.
 */
function optionsOf(name: Name): DetectionOptions {
  const shared = { minSize: null, norm: "frozen", trainableLayers: 3 } as const;
  return name.startsWith("retinanet") ? shared
    : { ...shared, rpnPreNmsTopNTrain: ALL, rpnPostNmsTopNTrain: ALL, rpnNmsThresh: 1, rpnBatchSizePerImage: ALL,
      boxBatchSizePerImage: ALL };
}

/** Few proposals, which take less time. */
const small = { minSize: 64, maxSize: 96, rpnPostNmsTopNTrain: 60, rpnPostNmsTopNTest: 40 };

const detectorOf = (name: Name, options = optionsOf(name)): Promise<Detector> =>
  createDetector(name, { numClasses: 4, seed: 3, detection: options });

const sessionOf = (model: Detector, precision: Precision): Promise<Session<Detector>> =>
  createSession({ model, threads: 1, precision, optimizer: { kind: "sgd", learningRate: 0.005 } });

function batch(): { images: ReturnType<typeof namedImage>[]; targets: TargetTensors[] } {
  return { images: [namedImage("one", SIDE, SIDE), namedImage("two", SIDE, 48)],
    targets: [targetsOf({ boxes: [[4, 5, 40, 50], [20.5, 10, 60, 53.25]], labels: [1, 3] }, [SIDE, SIDE]),
      targetsOf({ boxes: [[8, 20, 40, 60]], labels: [2] }, [SIDE, 48])] };
}

interface Taken {
  readonly losses: Readonly<Record<string, number>>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** The squared norms of a difference, and of what it is a difference from. */
function squares(actual: Float32Array, expected: Float32Array): { difference: number; norm: number } {
  expect(actual).to.have.length(expected.length);
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; ++i) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return { difference, norm };
}

async function firstStep(name: Name, precision: Precision): Promise<Taken> {
  using detector = await detectorOf(name);
  using session = await sessionOf(detector, precision);
  const { losses } = await session.step(batch());
  const gradients = new Map<string, Float32Array>();
  for (const [parameter, gradient] of Object.entries(await session.gradients())) {
    expect(gradient.dtype, parameter).to.equal("float32");
    gradients.set(parameter, gradient.toTypedArray() as Float32Array);
  }
  return {
    losses: Object.fromEntries(
      session.task.losses.map((loss) =>
        [loss.name, (losses as unknown as Record<string, number>)[loss.name]!] as const
      ),
    ),
    gradients,
  };
}

describe("a detector in bfloat16", function () {
  this.timeout(240_000);

  for (const name of NAMES) {
    it(`has the losses and gradients of float32 to bfloat16's digits, and others: ${name}`, async () => {
      const [half, single] = [await firstStep(name, "bfloat16"), await firstStep(name, "float32")];
      for (const [loss, value] of Object.entries(single.losses)) {
        // Eight bits of mantissa: 0.4 % for each of some twenty layers in a row, whose errors have different signs.
        expect(half.losses[loss]! / value, loss).to.be.closeTo(1, 0.05);
        expect(half.losses[loss], loss).not.to.equal(value);
      }
      expect([...half.gradients.keys()]).to.deep.equal([...single.gradients.keys()]);
      const all = { difference: 0, norm: 0 };
      for (const [parameter, gradient] of single.gradients) {
        const { difference, norm } = squares(half.gradients.get(parameter)!, gradient);
        // Sums in which terms of both signs cancel keep fewer digits; the direction remains.
        expect(Math.sqrt(difference), parameter).to.be.at.most(0.7 * Math.sqrt(norm));
        all.difference += difference;
        all.norm += norm;
      }
      // The errors of the losses, once more on the way back.
      expect(Math.sqrt(all.difference / all.norm), "all gradients").to.be.below(0.1);
    });
  }

  it("keeps parameters, momentum and masks' probabilities in float32", async () => {
    using detector = await detectorOf("mask-rcnn-resnet18-fpn", small);
    using session = await sessionOf(detector, "bfloat16");
    await session.step(batch());
    for (const [entry, { dtype }] of Object.entries(await detector.stateDict()))
      expect(dtype, entry).to.equal(entry.endsWith("num_batches_tracked") ? "int64" : "float32");
    const [found] = await detector.detect([namedImage("one", SIDE, SIDE)], { maskThreshold: null });
    expect([found!.boxes.dtype, found!.masks!.dtype]).to.deep.equal(["float32", "float32"]);
  });

  it("is refused for float64", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 4, dtype: "float64" });
    await failureOf("INVALID_ARGUMENT", () => sessionOf(detector, "bfloat16"));
  });
});

describe("a detector's training in bfloat16", function () {
  this.timeout(240_000);
  const scratch = scratchDirectory();
  const epoch = { epoch: 0, epochs: 2, batchSize: 2, seed: 3, schedule: { kind: "cosine" } } as const;
  let data: Dataset;

  before(async () => {
    data = await loadDataset({ kind: "scenes", numClasses: 3, trainSamples: 8, testSamples: 4, imageSize: 64 });
  });
  after(() => {
    data.dispose();
  });

  it("evaluates boxes and masks", async () => {
    using detector = await detectorOf("mask-rcnn-resnet18-fpn", small);
    using session = await sessionOf(detector, "bfloat16");
    await session.trainEpoch(data, epoch);
    const { samples, ...metrics } = await session.evaluate(data.test, { batchSize: 2 });
    expect(samples).to.equal(4);
    for (const { name } of session.task.metrics)
      expect((metrics as unknown as Record<string, number>)[name], name).to.be.within(-1, 1);
  });

  it("learns from a teacher's pyramid", async () => {
    using teacher = await detectorOf("retinanet-resnet18-fpn", { minSize: 64, maxSize: 96 });
    using student = await detectorOf("retinanet-resnet18-fpn", { minSize: 64, maxSize: 96 });
    using distiller = await createDistiller({ teacher, student, method: { kind: "review", warmupEpochs: 0 } });
    const lossOf = async (precision: Precision): Promise<number> => {
      using session = await createSession({ distiller, threads: 1, precision,
        optimizer: { kind: "sgd", learningRate: 1e-9 } });
      return (await session.step(batch())).losses.distillation;
    };
    const [half, single] = [await lossOf("bfloat16"), await lossOf("float32")];
    expect(half / single).to.be.closeTo(1, 0.05);
    expect(half).not.to.equal(single);
  });

  it("resumes from its checkpoint in a fresh session to the same bits", async () => {
    const path = scratch("bfloat16.safetensors");
    const [begun, fresh] = [await detectorOf("mask-rcnn-resnet18-fpn", small),
      await detectorOf("mask-rcnn-resnet18-fpn", small)];
    const [first, second] = [await sessionOf(begun, "bfloat16"), await sessionOf(fresh, "bfloat16")];
    let saved: Promise<boolean> | undefined;
    await first.trainEpoch(data, { ...epoch, onProgress: () => {
      saved ??= first.saveWithinEpoch(path);
    } });
    expect(await saved).to.equal(true);
    await second.loadCheckpoint(path);
    expect((await second.position()).step).to.be.within(1, 3);
    await second.trainEpoch(data, epoch);
    const [actual, expected] = [await fresh.stateDict(), await begun.stateDict()];
    for (const [entry, tensor] of Object.entries(expected))
      expect(Buffer.from(actual[entry]!.toTypedArray().buffer).equals(Buffer.from(tensor.toTypedArray().buffer)), entry)
        .to.equal(true);
    for (const owner of [first, second, begun, fresh]) owner.dispose();
  });
});
